"""The watch: once per episode, exact in time, indifferent to how speech is cut into readings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import AlertChange, CallWatch, Level
from emocx_pbx.domain import Reading, Scores

PROBABILITIES = {
    "angry": (0.8, 0.1, 0.05, 0.05),
    "neutral": (0.05, 0.85, 0.05, 0.05),
    "disappointed": (0.1, 0.1, 0.75, 0.05),
    "happy": (0.05, 0.1, 0.05, 0.8),
    "torn": (0.45, 0.05, 0.45, 0.05),
    "uncertain": (0.3, 0.3, 0.2, 0.2),
}
ANGRY = AlertRule(name="angry", when="angry", for_s=12, within_s=24, clear_s=6, cooldown_s=0)
UPSET = AlertRule(name="upset", when="upset", for_s=6)
SINCE_START = AlertRule(name="down", when="falling", for_s=6, by=0.5, clear_by=0.2, cooldown_s=0)
SINCE_TRANSFER = AlertRule(name="handed", when="falling", for_s=6, by=0.5, since="transfer", cooldown_s=0)
RULES = (ANGRY, UPSET, SINCE_START, SINCE_TRANSFER)


def said(*signals: str, length: float = 3.0, begin: float = 0.0) -> list[Reading]:
    """Readings one after the other."""
    return [
        Reading(begin + i * length, begin + (i + 1) * length, length, Scores(PROBABILITIES[s], 0.4))
        for i, s in enumerate(signals)
    ]


def watched(
    readings: list[Reading],
    *rules: AlertRule,
    transfers: tuple[float, ...] = (),
    level: Level = lambda rule, model: None,
) -> list[AlertChange]:
    watch = CallWatch(rules, level)
    for t in transfers:
        watch.transferred(t)
    return [change for reading in readings for change in watch.read(reading)]


def observed(changes: list[AlertChange]) -> list[tuple[str, str, float]]:
    return [(change.rule, change.state, round(change.t1, 3)) for change in changes]


def test_enough_seconds_of_anger_raise_an_alert_once() -> None:
    changes = watched(said(*["neutral"] * 2, *["angry"] * 30), ANGRY)
    assert observed(changes) == [("angry", "raised", 18.0)]
    assert changes[0].t0 == 6.0
    assert changes[0].message == "Signals of anger in 12 of the last 24 seconds of the customer's speech."


def test_an_alert_is_cleared_late_and_armed_again() -> None:
    readings = said(*["angry"] * 5, *["neutral"] * 8, *["angry"] * 5)
    changes = watched(readings, ANGRY)
    # 15 s of anger leave the 24 s window from 24 s on: 6 are left at 33 s.
    assert observed(changes) == [
        ("angry", "raised", 12.0),
        ("angry", "cleared", 33.0),
        ("angry", "raised", 51.0),
    ]
    assert changes[1].reason == "recovered" and changes[1].raised_t1 == 12.0


def test_around_the_threshold_it_does_not_flicker() -> None:
    wavering = said(*["angry"] * 4, *["neutral", "angry", "neutral", "angry"] * 10)
    assert [change.state for change in watched(wavering, ANGRY)] == ["raised"]


def test_a_lines_own_percentile_tells_what_is_strong_there() -> None:
    rule = AlertRule(name="own", when="angry", for_s=6, percentile=95)
    # On this line hardly anybody reaches .35: such readings are neutral by any fixed threshold.
    lean = Scores((0.4, 0.5, 0.05, 0.05), 0.4, plain=(0.36, 0.54, 0.05, 0.05))
    readings = [replace(r, scores=lean, model="voice/5") for r in said(*["neutral"] * 4)]
    assert watched(readings, msgspec.structs.replace(rule, percentile=None)) == []
    asked = []

    def level(own: AlertRule, model: str) -> float | None:
        asked.append((own.percentile, model))
        return 0.35

    assert observed(watched(readings, rule, level=level)) == [("own", "raised", 6.0)]
    assert asked == [(95, "voice/5")], "a call keeps the level of its first reading"
    assert watched(readings, rule, level=lambda own, model: 0.37) == []
    assert watched(said(*["angry"] * 9), rule) == [], "a line not known yet has no percentile"


def test_what_is_unsure_is_no_recovery() -> None:
    assert len(watched(said(*["angry"] * 4, *["uncertain"] * 20), ANGRY)) == 1
    strict = AlertRule(name="strict", when="angry", for_s=6, min_confidence=0.9)
    assert watched(said(*["angry"] * 9), strict) == []


def test_silence_is_no_recovery_but_what_is_said_then_is() -> None:
    readings = said(*["angry"] * 4) + said(*["neutral"] * 7, begin=300.0)
    assert observed(watched(readings, ANGRY)) == [("angry", "raised", 12.0), ("angry", "cleared", 318.0)]


def test_torn_between_two_kinds_of_upset_is_upset() -> None:
    assert observed(watched(said("torn", "torn"), UPSET)) == [("upset", "raised", 6.0)]
    assert watched(said("torn", "torn"), AlertRule(name="a", when="angry", for_s=6, min_confidence=0.5)) == []


def test_a_cooldown_delays_the_next_alert() -> None:
    slow = AlertRule(name="slow", when="angry", for_s=6, within_s=12, clear_s=3, cooldown_s=40)
    readings = said(*["angry"] * 2, *["neutral"] * 4, *["angry"] * 12)
    assert observed(watched(readings, slow)) == [
        ("slow", "raised", 6.0),
        ("slow", "cleared", 15.0),
        ("slow", "raised", 46.0),
    ]


def test_falling_since_the_start() -> None:
    changes = watched(
        said("happy", "happy", "neutral", "angry", "angry", "neutral", "happy", "happy"), SINCE_START
    )
    assert [change.state for change in changes] == ["raised", "cleared"]
    assert changes[0].t1 == pytest.approx(12.0)  # the window after the base is full, and its mean is low
    assert "since the call's begin" in changes[0].message


def test_falling_since_a_transfer_is_measured_from_just_before_it() -> None:
    readings = said("angry", "neutral", "neutral", "neutral", "angry", "angry", "angry")
    assert watched(readings, SINCE_TRANSFER) == []
    changes = watched(readings, SINCE_TRANSFER, transfers=(12.0,))
    assert observed(changes) == [("handed", "raised", 18.0)]
    # A second transfer: whom the customer comes to is not blamed for what was before.
    changes = watched(readings, SINCE_TRANSFER, transfers=(12.0, 18.5))
    assert observed(changes) == [("handed", "raised", 18.0), ("handed", "cleared", 18.5)]
    assert changes[1].reason == "transferred"


def test_the_end_of_the_call_clears_what_is_raised() -> None:
    watch = CallWatch(RULES)
    for reading in said(*["angry"] * 6):
        watch.read(reading)
    assert set(watch.open) == {"angry", "upset"}
    changes = watch.end(20.0)
    assert {change.rule for change in changes} == {"angry", "upset"}
    assert {change.reason for change in changes} == {"ended"} and not watch.open


def test_seconds_heard_twice_count_once() -> None:
    overlapping = [
        replace(r, t0=max(0.0, r.t0 - 1), speech_s=4.0 if r.t0 else 3.0) for r in said(*["angry"] * 5)
    ]
    assert observed(watched(overlapping, ANGRY)) == [("angry", "raised", 12.0)]
    assert watched([*said("angry"), *said("angry"), *said("angry"), *said("angry")], ANGRY) == []


SIGNALS = st.lists(st.sampled_from(sorted(PROBABILITIES)), min_size=1, max_size=60)
RULE = st.one_of(
    st.builds(
        lambda when, length, more, clear, cooldown: AlertRule(
            name="r",
            when=when,
            for_s=length,
            within_s=length + more,
            clear_s=clear * length / 4,
            cooldown_s=cooldown,
        ),
        st.sampled_from(["angry", "upset", "happy"]),
        st.sampled_from([2.0, 4.5, 12.0]),
        st.sampled_from([0.0, 1.5, 10.0]),
        st.integers(0, 3),
        st.sampled_from([0.0, 7.0, 30.0]),
    ),
    st.builds(
        lambda length, by, since, cooldown: AlertRule(
            name="r", when="falling", for_s=length, by=by, since=since, cooldown_s=cooldown
        ),
        st.sampled_from([2.0, 4.5, 12.0]),
        st.sampled_from([0.2, 0.5, 1.0]),
        st.sampled_from(["start", "transfer"]),
        st.sampled_from([0.0, 7.0, 30.0]),
    ),
)
TRANSFERS = st.lists(st.sampled_from([4.0, 9.0, 20.5, 40.0]), unique=True, max_size=2).map(sorted).map(tuple)


@given(SIGNALS, RULE, TRANSFERS)
def test_never_twice_in_an_episode_nor_within_a_cooldown(signals: Any, rule: Any, transfers: Any) -> None:
    changes = watched(said(*signals), rule, transfers=transfers)
    assert [change.state for change in changes] == ["raised", "cleared"] * (len(changes) // 2) + [
        "raised"
    ] * (len(changes) % 2)
    for earlier, later in pairwise(changes):
        assert earlier.t1 <= later.t1
        if later.state == "cleared":
            assert (later.raised_t1, later.t0) == (earlier.t1, earlier.t0)
            assert later.reason == "transferred" or later.value <= rule.low + 1e-5
    raised = [change for change in changes if change.state == "raised"]
    for change in raised:
        assert change.value >= rule.high - 1e-5 and change.t0 < change.t1
    assert all(b.t1 - a.t1 >= rule.cooldown_s - 1e-6 for a, b in pairwise(raised))


@given(SIGNALS, RULE, TRANSFERS, st.data())
def test_cutting_readings_changes_nothing(
    signals: Any, rule: Any, transfers: Any, data: st.DataObject
) -> None:
    whole = said(*signals)
    cut = []
    for reading in whole:
        share = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.8]))
        middle = reading.t0 + 3 * share
        if share:
            cut.append(replace(reading, t1=middle, speech_s=3 * share))
        cut.append(replace(reading, t0=middle, speech_s=3 * (1 - share)))
    one, other = (watched(readings, rule, transfers=transfers) for readings in (whole, cut))
    assert [(c.state, c.reason) for c in one] == [(c.state, c.reason) for c in other]
    for a, b in zip(one, other, strict=True):
        assert [a.t1, a.value] == pytest.approx([b.t1, b.value], abs=1e-4)


@given(SIGNALS, RULE)
def test_pauses_move_alerts_but_make_none(signals: Any, rule: Any) -> None:
    rule = AlertRule(**{name: getattr(rule, name) for name in rule.__struct_fields__} | {"cooldown_s": 0.0})
    close = said(*signals)
    apart = [replace(r, t0=r.t0 * 5, t1=r.t0 * 5 + 3) for r in close]
    assert [c.state for c in watched(close, rule)] == [c.state for c in watched(apart, rule)]


@given(SIGNALS, TRANSFERS)
def test_each_rule_is_watched_on_its_own(signals: Any, transfers: Any) -> None:
    together = watched(said(*signals), *RULES, transfers=transfers)
    for rule in RULES:
        assert [c for c in together if c.rule == rule.name] == watched(
            said(*signals), rule, transfers=transfers
        )


@given(SIGNALS, RULE)
def test_a_transfer_told_late_is_put_where_it_belongs(signals: Any, rule: Any) -> None:
    """AMI events come at once, readings seconds later: what was said before the transfer stays before it."""
    late, early = CallWatch([rule]), CallWatch([rule])
    early.transferred(9.0)
    for i, reading in enumerate(said(*signals)):
        if i == 3:
            late.transferred(9.0)
        assert late.read(reading) == early.read(reading)


@given(SIGNALS, RULE)
def test_the_next_alert_is_foreseen_where_the_last_reading_goes_on(signals: Any, rule: Any) -> None:
    """And foreseeing it changes nothing."""
    watch, other = CallWatch([rule]), CallWatch([rule])
    readings = said(*signals, signals[-1])
    for reading in readings[:-1]:
        assert watch.read(reading) == other.read(reading)
        watch.raised_in(3.0)
    foreseen = watch.raised_in(3.0)
    changes = [change for change in watch.read(readings[-1]) if change.state == "raised"]
    assert changes == [change for change in other.read(readings[-1]) if change.state == "raised"]
    assert (foreseen is None) == (not changes)
    if foreseen is not None:
        assert foreseen + readings[-2].t1 == pytest.approx(changes[0].t1)


def test_nothing_is_foreseen_before_the_first_reading_nor_of_calm_speech() -> None:
    watch = CallWatch([ANGRY])
    assert watch.raised_in(60.0) is None
    for reading in said("angry", "angry", "angry", "neutral"):
        watch.read(reading)
    assert watch.raised_in(60.0) is None


def worded(reading: Reading, signals: str) -> Reading:
    """The reading after words came to it."""
    return replace(reading, scores=Scores(PROBABILITIES[signals], 0.4), words=(0.7, 0.1, 0.1, 0.1))


def test_words_raise_what_the_voice_did_not_show() -> None:
    watch = CallWatch([ANGRY])
    readings = said(*["neutral"] * 6)
    assert [change for reading in readings for change in watch.read(reading)] == []
    changes = [change for reading in readings[2:] for change in watch.revise(worded(reading, "angry"))]
    assert observed(changes) == [("angry", "raised", 18.0)]
    assert changes[0].t0 == 6.0
    assert watch.open.keys() == {"angry"}


def test_words_clear_what_the_voice_showed() -> None:
    watch = CallWatch([ANGRY])
    readings = said(*["angry"] * 5)
    assert observed([change for reading in readings for change in watch.read(reading)]) == [
        ("angry", "raised", 12.0)
    ]
    changes = [change for reading in readings[1:] for change in watch.revise(worded(reading, "neutral"))]
    assert [(change.rule, change.state, change.reason) for change in changes] == [
        ("angry", "cleared", "recovered")
    ]
    assert watch.open == {}


def test_words_of_a_reading_that_was_never_taken_change_nothing() -> None:
    watch = CallWatch(RULES)
    assert watch.revise(worded(said("neutral")[0], "angry")) == []


@given(st.lists(st.sampled_from(sorted(PROBABILITIES)), min_size=1, max_size=12), st.randoms())
def test_words_that_change_nothing_raise_nothing(signals: list[str], random: object) -> None:
    watch, readings = CallWatch(RULES), said(*signals)
    for reading in readings:
        watch.read(reading)
    random.shuffle(readings)  # type: ignore[attr-defined]
    assert [change for reading in readings for change in watch.revise(reading)] == []


@given(
    st.lists(st.sampled_from(sorted(PROBABILITIES)), min_size=4, max_size=12),
    st.lists(st.sampled_from(sorted(PROBABILITIES)), min_size=12, max_size=12),
)
def test_raised_and_cleared_take_turns_whatever_words_come(before: list[str], after: list[str]) -> None:
    watch, changes = CallWatch(RULES), []
    for reading, signals in zip(said(*before), after, strict=False):
        changes += watch.read(reading)
        changes += watch.revise(worded(reading, signals))
    for rule in RULES:
        states = [change.state for change in changes if change.rule == rule.name]
        assert all(one != other for one, other in pairwise(states))
        assert states[:1] in ([], ["raised"])

"""Figures of labelled windows: bounds, weights that undo how windows were drawn, intervals that hold."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.review.accuracy import Accuracy, accuracy
from emocx_pbx.review.agreement import cohen
from emocx_pbx.review.sampling import Frame, Key, draw
from emocx_pbx.review.shares import CountedWindow, Share, bootstrap, difference, weighted_share
from emocx_pbx.review.windows import ANSWERS, NAMES, UNCLEAR, Labelled, RoundSize, weighted
from emocx_pbx.routing.threshold import wilson

labels = st.sampled_from(ANSWERS)
pairs = st.lists(st.tuples(labels, labels), min_size=1, max_size=40)
counted = st.lists(
    st.builds(
        lambda caller, weight, part: CountedWindow(caller, weight, weight * part),
        st.sampled_from("abcdef"),
        st.floats(0.01, 50),
        st.sampled_from((0.0, 0.5, 1.0)),
    ),
    min_size=1,
    max_size=60,
)


# Agreement.


@given(pairs)
def test_kappa_is_within_its_bounds_and_its_interval(given_pairs: list[tuple[str, str]]) -> None:
    found = cohen(given_pairs)
    assert found is not None and found.pairs == len(given_pairs)
    if found.kappa is None or found.low is None or found.high is None:
        assert len({label for pair in given_pairs for label in pair}) == 1
    else:
        assert -1 <= found.kappa <= 1 and found.low <= found.kappa <= found.high
        assert found.kappa <= found.observed + 1e-9


@given(pairs)
def test_kappa_does_not_care_who_is_first_or_in_which_order(given_pairs: list[tuple[str, str]]) -> None:
    swapped = [(b, a) for a, b in reversed(given_pairs)]
    one, other = cohen(given_pairs), cohen(swapped)
    assert one is not None and other is not None and one.kappa == pytest.approx(other.kappa)


@given(st.lists(labels, min_size=2, max_size=30).filter(lambda found: len(set(found)) > 1))
def test_people_who_always_agree_have_kappa_one_without_certainty(found: list[str]) -> None:
    agreement = cohen([(label, label) for label in found])
    assert agreement is not None and agreement.kappa == pytest.approx(1.0)
    assert agreement.low is not None and agreement.low < 1.0


def test_kappa_of_a_known_table() -> None:
    # Cohen's own example of two doctors has other numbers; this one by hand: observed .7, chance .5.
    table = [("angry", "angry")] * 45 + [("angry", "neutral")] * 15
    table += [("neutral", "angry")] * 25 + [("neutral", "neutral")] * 15
    found = cohen(table)
    assert found is not None
    assert found.observed == pytest.approx(0.6)
    assert found.kappa == pytest.approx((0.6 - 0.54) / 0.46)
    assert cohen([]) is None


# Shares.


@given(counted)
def test_a_share_is_within_its_interval_and_that_within_0_and_1(windows: list[CountedWindow]) -> None:
    found = weighted_share(windows)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(counted, st.floats(0.1, 100))
def test_weights_count_relative_to_each_other(windows: list[CountedWindow], by: float) -> None:
    scaled = [CountedWindow(w.caller, w.weight * by, w.hit * by) for w in windows]
    one, other = weighted_share(windows), weighted_share(scaled)
    assert one is not None and other is not None
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-6)


@given(st.integers(1, 60), st.data())
def test_windows_of_different_callers_and_equal_weight_are_wilsons(number: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, number))
    found = weighted_share([CountedWindow(str(i), 2.0, 2.0 * (i < hits)) for i in range(number)])
    plain = wilson(hits / number, number)
    assert found is not None and found.value == pytest.approx(hits / number)
    if 0 < hits < number:  # the variance is the sample's, with number - 1
        plain = wilson(hits / number, max(1.0, number - 1))
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-6)


def test_windows_of_one_caller_tell_less_than_those_of_many() -> None:
    many = weighted_share([CountedWindow(str(i), 1.0, float(i % 2)) for i in range(40)])
    few = weighted_share([CountedWindow(str(i % 4), 1.0, float(i % 4 > 1)) for i in range(40)])
    assert many is not None and few is not None and many.value == few.value == 0.5
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_nothing_is_no_share() -> None:
    assert weighted_share([]) is None
    assert weighted_share([CountedWindow("a", 0.0, 0.0)]) is None


def test_the_interval_holds_the_truth_where_callers_differ() -> None:
    """Callers of 1 to 8 windows, whose own share of hits differs: 95 % is meant, 91 % asked for."""
    rng, held, tries = random.Random(5), 0, 400
    for _ in range(tries):
        windows = []
        for caller in range(40):
            own = rng.betavariate(1.4, 0.6)  # mean .7
            windows += [
                CountedWindow(str(caller), 1.0, float(rng.random() < own)) for _ in range(rng.randrange(1, 9))
            ]
        found = weighted_share(windows)
        assert found is not None
        held += found.low <= 0.7 <= found.high
    assert held / tries >= 0.91


def test_a_difference_of_shares_by_newcombe() -> None:
    # Newcombe (1998), example (a), method 10: 56/70 and 48/80 differ by .2, from .0524 to .3339.
    first, second = wilson(48 / 80, 80), wilson(56 / 70, 70)
    found = difference(
        Share(first.value, first.low, first.high, 80), Share(second.value, second.low, second.high, 70)
    )
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-3)


def test_a_bootstrap_needs_callers() -> None:
    few = {str(i): [1.0, float(i % 2)] for i in range(4)}
    found = bootstrap(few, lambda s: s[1] / s[0], random.Random(1))
    assert found is not None and (found.value, found.low) == (0.5, None)
    many = bootstrap(
        {str(i): [1.0, float(i % 2)] for i in range(60)}, lambda s: s[1] / s[0], random.Random(1)
    )
    assert many is not None and many.low is not None and many.high is not None
    assert 0.3 < many.low < 0.5 < many.high < 0.7
    assert bootstrap({}, lambda s: 1.0, random.Random(1)) is None


# Drawing.


def key(number: int) -> Key:
    return (f"c{number}", 0.0, 4.0)


@given(
    st.integers(0, 60), st.integers(0, 60), st.integers(0, 30), st.integers(0, 30), st.floats(0, 1), st.data()
)
def test_a_round_has_each_window_once_and_no_more_than_wanted(
    sure: int, doubtful: int, number: int, doubts: int, twice: float, data: st.DataObject
) -> None:
    missing = data.draw(st.sets(st.integers(0, 119), max_size=60))
    rng = random.Random(data.draw(st.integers(0, 999)))
    whole = [(key(i), i >= sure) for i in range(sure + doubtful)]
    some = [k for k, doubt in whole if doubt]
    rng.shuffle(whole)
    rng.shuffle(some)
    frame = Frame(sure + doubtful, doubtful, whole, some)
    found = draw(frame, number, doubts, twice, lambda k: int(k[0][1:]) not in missing, rng)
    keys = [item.key for item in found.items]
    assert len(keys) == len(set(keys)) <= number + doubts
    assert all(int(k[0][1:]) not in missing for k in keys)
    assert sum(i.why == "random" for i in found.items) <= number
    assert all(item.doubtful for item in found.items if item.why == "doubt")
    assert sum(i.wanted == 2 for i in found.items) == round(twice * len(keys))
    assert 0 <= found.sure <= sure and 0 <= found.doubtful <= doubtful


def test_weights_undo_that_doubtful_windows_are_drawn_more_often() -> None:
    """A site where the model is right on 90 % of sure windows and on 40 % of doubtful ones, 1 in 5."""
    rng, drawn_rights = random.Random(2), []
    truth = 0.8 * 0.9 + 0.2 * 0.4
    for _ in range(60):
        whole = [(key(i), i % 5 == 0) for i in range(2000)]
        rng.shuffle(whole)
        some = [k for k, doubt in whole if doubt]
        rng.shuffle(some)
        found = draw(Frame(2000, 400, whole, some), 60, 60, 0.0, lambda k: True, rng)
        labelled = [
            window(str(n), item.doubtful, right=rng.random() < (0.4 if item.doubtful else 0.9))
            for n, item in enumerate(found.items)
        ]
        report = accuracy(labelled, {1: RoundSize(found.sure, found.doubtful)}, 0.4, rng)
        assert report.right is not None
        drawn_rights.append(report.right.value)
    assert sum(drawn_rights) / len(drawn_rights) == pytest.approx(truth, abs=0.015)


def window(caller: str, doubtful: bool = False, *, right: bool = True, said: str = "angry") -> Labelled:
    p = [0.1, 0.1, 0.1, 0.1]
    p[NAMES.index(said)] = 0.7
    label = said if right else NAMES[(NAMES.index(said) + 1) % 4]
    return Labelled(1, doubtful, caller, 1e9, "voice/5", said, (p[0], p[1], p[2], p[3]), (("ann", label),))


# The report.

made = st.builds(
    lambda caller, doubtful, at, said, words, confidence: Labelled(
        1,
        doubtful,
        caller,
        at,
        "voice/5",
        said,
        tuple(confidence if n == said else (1 - confidence) / 3 for n in NAMES),
        tuple(zip(("ann", "bob"), words, strict=False)),
    ),
    st.sampled_from("abcdefgh"),
    st.booleans(),
    st.floats(1e9, 1.1e9),
    st.sampled_from(NAMES),
    st.lists(labels, min_size=1, max_size=2),
    st.floats(0.3, 1.0),
)


def shares(report: Accuracy) -> list[Share]:
    found = [report.right, report.answered, report.upset_found, report.upset_alarms]
    found += [*report.recall.values(), *report.false_alarms.values()]
    return [share for share in found if share is not None]


@given(st.lists(made, max_size=40), st.integers(0, 500), st.integers(0, 500))
def test_every_window_is_counted_once_and_every_figure_within_its_interval(
    labelled: list[Labelled], sure: int, doubtful: int
) -> None:
    report = accuracy(labelled, {1: RoundSize(sure, doubtful)}, 0.4, random.Random(1))
    assert report.windows + report.unclear + report.kept_out == len(labelled)
    for share in shares(report):
        assert 0 <= share.low <= share.value <= share.high <= 1
    if report.calibration_error is not None:
        assert -1e-9 <= report.calibration_error.value <= 1
        assert report.overconfidence is not None
        assert abs(report.overconfidence.value) <= report.calibration_error.value + 1e-9
    if report.bins:
        assert sum(b.share for b in report.bins) == pytest.approx(1.0)


@given(st.lists(made, min_size=1, max_size=40), st.floats(1, 500), st.floats(1, 500))
def test_weights_add_up_to_the_site_but_for_what_nobody_could_tell(
    labelled: list[Labelled], sure: float, doubtful: float
) -> None:
    found = weighted(labelled, {1: RoundSize(sure, doubtful)})
    if not found.kept_out and not found.unclear:
        assert sum(w.weight for w in found.windows) == pytest.approx(sure + doubtful)
    assert all(sum(w.votes.values()) == pytest.approx(1.0) for w in found.windows)


def test_a_round_of_doubt_alone_is_kept_out() -> None:
    report = accuracy([window("a", True), window("b", True)], {1: RoundSize(900, 100)}, 0.4, random.Random(1))
    assert (report.windows, report.kept_out, report.right) == (0, 2, None)


def test_two_people_who_differ_count_half_each() -> None:
    one = replace(window("a"), labels=(("ann", "angry"), ("bob", "neutral")))
    report = accuracy([one], {1: RoundSize(10, 0)}, 0.4, random.Random(1))
    assert report.right is not None and report.right.value == pytest.approx(0.5)
    assert report.recall["angry"] is not None and report.recall["angry"].value == 1.0
    assert report.false_alarms["angry"] is not None and report.false_alarms["angry"].value == 1.0


def test_what_nobody_can_tell_is_in_no_figure() -> None:
    lost = replace(window("b"), labels=(("ann", UNCLEAR),))
    report = accuracy([window("a"), lost], {1: RoundSize(10, 0)}, 0.4, random.Random(1))
    assert (report.windows, report.unclear) == (1, 1)
    assert report.right is not None and report.right.value == 1.0


def test_a_model_that_got_worse_is_told() -> None:
    labelled = [
        replace(window(f"c{n}", right=n < 60 or n % 3 == 0), at=1e9 + n * 86_400.0) for n in range(120)
    ]
    report = accuracy(labelled, {1: RoundSize(5000, 0)}, 0.4, random.Random(1))
    assert report.change is not None and report.change.high is not None and report.change.high < -0.4
    assert [part.windows >= 20 for part in report.months] == [True] * len(report.months)

"""The live board: a call's states in their order, what is shown of it, and changes that resume."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from live.live_helpers import ANGRY, HAPPY, Observed

from emocx_pbx.calls.happenings import LetGo, OptedOut, TakenOver
from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment
from emocx_pbx.live.calls import BoardChange, LiveCall
from emocx_pbx.live.held import MAX_POINTS
from emocx_pbx.live.mirror import Mirror
from emocx_pbx.pbx.tracking.changes import HoldChanged


def only(observed: Observed) -> LiveCall:
    (call,) = observed.board.snapshot(500.0).calls
    return call


def test_a_call_from_its_query_to_its_end() -> None:
    observed = Observed()
    observed.decided(at=90.0)
    assert (only(observed).state, only(observed).arrived_as, only(observed).customer) == (
        "routing",
        "angry",
        "crm-1",
    )
    assert (only(observed).topic, only(observed).language) == ("bill", "de")
    observed.waits(at=100.0)
    assert (only(observed).state, only(observed).since, only(observed).queue) == ("waiting", 100.0, "care")
    segment = observed.talks(at=110.0)
    call = only(observed)
    assert (call.state, call.agent, call.segment, call.answered_at) == ("talking", "bob", 0, 110.0)
    assert (call.tapped, call.emotion, call.started_at) == (True, None, 90.0)
    observed.happens(HoldChanged("1.1", 120.0, True))
    assert (only(observed).state, only(observed).since) == ("hold", 120.0)
    observed.happens(HoldChanged("1.1", 125.0, False))
    # What a hold interrupts is counted from where it began.
    assert (only(observed).state, only(observed).answered_at) == ("talking", 110.0)
    observed.leaves(segment, at=150.0)
    assert (only(observed).state, only(observed).agent) == ("between", None)
    observed.talks(agent="eve", index=1, at=152.0)
    observed.graded(index=0)
    assert [(g.agent, g.score) for g in only(observed).grades] == [("bob", 71.0)]
    observed.ends(at=170.0)
    observed.graded(index=1, agent="eve", score=50.0)
    snapshot = observed.board.snapshot(500.0)
    assert snapshot.calls == () and len(observed.board) == 0
    (ended,) = snapshot.recent
    assert (ended.reason, ended.agent, [g.agent for g in ended.grades]) == ("hangup", "eve", ["bob", "eve"])
    assert observed.kinds[-2:] == ["ended", "graded"]


def test_a_caller_without_a_decision_waits_and_gives_up() -> None:
    observed = Observed()
    observed.waits()
    observed.ends()
    assert observed.kinds == ["call", "ended"]
    assert observed.board.snapshot(0.0).recent[0].reason == "abandoned"


def test_being_told_twice_that_he_waits_changes_nothing() -> None:
    observed = Observed()
    observed.waits(at=100.0)
    observed.waits(at=130.0)
    assert observed.kinds == ["call"] and only(observed).since == 100.0


def test_signals_are_shown_as_they_come_and_given_those_before() -> None:
    observed = Observed()
    observed.waits()
    observed.talks()
    for i in range(5):
        observed.says(probabilities=ANGRY, t0=4.0 * i)
    valence = only(observed).valence
    assert only(observed).emotion == "angry" and valence is not None and valence < -0.8
    observed.says(probabilities=(0.3, 0.25, 0.1, 0.35), t0=20.0)  # one doubtful reading turns nothing
    assert only(observed).emotion == "angry"
    for i in range(3):
        observed.says(probabilities=HAPPY, t0=24.0 + 4 * i)
    assert only(observed).emotion == "happy"
    assert [point[0] for point in only(observed).points] == [4.0 * (i + 1) for i in range(9)]
    assert observed.kinds.count("reading") == 9


def test_a_long_call_stays_small() -> None:
    observed = Observed()
    observed.waits()
    observed.talks()
    for i in range(500):
        observed.says(t0=4.0 * i)
        observed.board.alert("1.1", "angry_long", "Angry signals for 20 s of speech.", 100.0 + i)
    call = only(observed)
    assert len(call.points) == MAX_POINTS and call.points[-1][0] == 2000.0
    assert [alert.at for alert in call.alerts] == [595.0, 596.0, 597.0, 598.0, 599.0]
    assert len(msgspec.json.encode(call)) < 3000


def test_an_alert_is_shown_as_over() -> None:
    observed = Observed()
    observed.talks()
    observed.board.alert("1.1", "angry", "Signals of anger.", 100.0)
    observed.board.alert_over("1.1", "angry", 130.0)
    observed.board.alert_over("1.1", "angry", 140.0)
    assert [(alert.at, alert.over_at) for alert in only(observed).alerts] == [(100.0, 130.0)]
    assert [change.kind for change in observed.changes][-2:] == ["alert", "alert"]


def test_what_is_not_on_the_board_is_ignored() -> None:
    observed = Observed()
    observed.says("9.9")
    observed.ends("9.9")
    observed.graded("9.9")
    observed.board.alert("9.9", "r", "m", 1.0)
    assert observed.changes == []


def test_a_customer_who_opted_out_is_shown_as_such() -> None:
    observed = Observed()
    observed.waits()
    observed.happens(OptedOut("1.1"))
    assert only(observed).opted_out


def test_two_agents_in_a_conference() -> None:
    observed = Observed()
    observed.waits()
    first = observed.talks(agent="bob", at=110.0)
    observed.talks(agent="eve", index=1, at=120.0)
    assert only(observed).agent == "eve"
    observed.leaves(first)
    assert (only(observed).agent, only(observed).state) == ("eve", "talking")


def test_changes_resume_by_number() -> None:
    observed = Observed(max_changes=5)
    for i in range(8):
        observed.waits(f"1.{i}")
    assert [c.number for c in observed.board.since(6) or ()] == [7, 8]
    assert observed.board.since(8) == []
    assert [c.number for c in observed.board.since(3) or ()] == [4, 5, 6, 7, 8]
    assert observed.board.since(2) is None  # its successor is forgotten
    assert observed.board.since(9) is None  # of another life
    assert Observed().board.since(0) == []


def test_a_call_taken_over_after_a_restart() -> None:
    observed = Observed()
    stored = observed.call("1.1")
    stored.zero_at, stored.customer, stored.started_at = 111.0, "crm-1", 100.0
    stored.decision = Decision("d", 90.0, "ok", "care", "angry", 0.9, None)
    first = Segment("1.1", 0, "bob", "PJSIP/bob", "care", "queue", 110.0, 140.0, "agent_hung_up")
    stored.segments = {0: first, 1: replace(first, index=1, agent="eve", started_at=141.0, ended_at=None)}
    stored.grades = {0: Grade(40.0, "D", 30.0, 50.0, 20.0)}
    stored.readings = [Reading(4.0 * i, 4.0 * i + 4, 4.0, Scores(ANGRY, 0.4)) for i in range(3)]
    observed.watch(TakenOver("1.1"))
    call = only(observed)
    assert (call.state, call.agent, call.since, call.emotion) == ("talking", "eve", 141.0, "angry")
    assert (call.arrived_as, len(call.points), call.grades[0].letter) == ("angry", 3, "D")


def test_an_agent_sees_only_his_own_calls_and_grades() -> None:
    observed = Observed()
    observed.waits("1.1")
    observed.waits("1.2")
    segment = observed.talks("1.1", "bob")
    observed.leaves(segment)
    observed.graded("1.1", 0, "bob")
    observed.talks("1.1", "eve", index=1)
    assert observed.board.snapshot(0.0, "bob").calls == ()
    (call,) = observed.board.snapshot(0.0, "eve").calls
    assert call.call_id == "1.1" and call.grades == ()
    observed.ends("1.1")
    (ended,) = observed.board.snapshot(0.0, "bob").recent
    assert [g.agent for g in ended.grades] == ["bob"]
    assert observed.board.snapshot(0.0, "eve").recent[0].grades == ()


def test_words_that_come_to_a_reading_give_the_newest_point_again() -> None:
    observed = Observed()
    observed.waits()
    observed.talks()
    for i in range(3):
        observed.says(probabilities=HAPPY, t0=4.0 * i)
    before = only(observed)
    for i in range(3):
        observed.words_come(t0=4.0 * i, probabilities=ANGRY)
    after = only(observed)
    assert (before.emotion, after.emotion) == ("happy", "angry")
    assert [point[0] for point in after.points] == [point[0] for point in before.points] == [4.0, 8.0, 12.0]
    assert after.points[-1] != before.points[-1]


def test_a_call_that_another_controller_goes_on_with_is_gone_from_board_and_mirror() -> None:
    observed, mirror = Observed(), Mirror()

    def reflect(change: BoardChange) -> None:
        mirror.take(change.number, change.kind, change.present, change.data)

    observed.board.changes.subscribe(reflect)
    observed.waits("north/1.1")
    observed.waits("south/1.1")
    observed.watch(LetGo("north/1.1"), "north/1.1")
    assert [call.call_id for call in observed.board.snapshot(500.0).calls] == ["south/1.1"]
    assert mirror.snapshot(500.0) == observed.board.snapshot(500.0)
    assert observed.kinds[-1] == "gone" and observed.board.snapshot(500.0).recent == ()
    observed.watch(LetGo("north/1.1"), "north/1.1")
    assert observed.kinds.count("gone") == 1

"""The live board: a call's states in their order, what is shown of it, and changes that resume."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from live.live_helpers import ANGRY, HAPPY, Told

from emocx_pbx.calls.happenings import OptedOut, TakenOver
from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment
from emocx_pbx.live.calls import LiveCall
from emocx_pbx.live.held import COURSE
from emocx_pbx.pbx.tracking.changes import HoldChanged


def only(told: Told) -> LiveCall:
    (call,) = told.board.snapshot(500.0).calls
    return call


def test_a_call_from_its_query_to_its_end() -> None:
    told = Told()
    told.decided(at=90.0)
    assert (only(told).state, only(told).arrived_as, only(told).customer) == ("routing", "angry", "crm-1")
    assert (only(told).topic, only(told).language) == ("bill", "de")
    told.waits(at=100.0)
    assert (only(told).state, only(told).since, only(told).queue) == ("waiting", 100.0, "care")
    segment = told.talks(at=110.0)
    call = only(told)
    assert (call.state, call.agent, call.segment, call.answered_at) == ("talking", "bob", 0, 110.0)
    assert (call.tapped, call.emotion, call.started_at) == (True, None, 90.0)
    told.happens(HoldChanged("1.1", 120.0, True))
    assert (only(told).state, only(told).since) == ("hold", 120.0)
    told.happens(HoldChanged("1.1", 125.0, False))
    # What a hold interrupts is counted from where it began.
    assert (only(told).state, only(told).answered_at) == ("talking", 110.0)
    told.leaves(segment, at=150.0)
    assert (only(told).state, only(told).agent) == ("between", None)
    told.talks(agent="eve", index=1, at=152.0)
    told.graded(index=0)
    assert [(g.agent, g.score) for g in only(told).grades] == [("bob", 71.0)]
    told.ends(at=170.0)
    told.graded(index=1, agent="eve", score=50.0)
    snapshot = told.board.snapshot(500.0)
    assert snapshot.calls == () and len(told.board) == 0
    (ended,) = snapshot.recent
    assert (ended.reason, ended.agent, [g.agent for g in ended.grades]) == ("hangup", "eve", ["bob", "eve"])
    assert told.kinds[-2:] == ["ended", "graded"]


def test_a_caller_without_a_decision_waits_and_gives_up() -> None:
    told = Told()
    told.waits()
    told.ends()
    assert told.kinds == ["call", "ended"]
    assert told.board.snapshot(0.0).recent[0].reason == "abandoned"


def test_being_told_twice_that_he_waits_changes_nothing() -> None:
    told = Told()
    told.waits(at=100.0)
    told.waits(at=130.0)
    assert told.kinds == ["call"] and only(told).since == 100.0


def test_signals_are_shown_as_they_come_and_given_those_before() -> None:
    told = Told()
    told.waits()
    told.talks()
    for i in range(5):
        told.says(probabilities=ANGRY, t0=4.0 * i)
    assert only(told).emotion == "angry" and only(told).valence < -0.8
    told.says(probabilities=(0.3, 0.25, 0.1, 0.35), t0=20.0)  # one doubtful reading turns nothing
    assert only(told).emotion == "angry"
    for i in range(3):
        told.says(probabilities=HAPPY, t0=24.0 + 4 * i)
    assert only(told).emotion == "happy"
    assert [point[0] for point in only(told).course] == [4.0 * (i + 1) for i in range(9)]
    assert told.kinds.count("reading") == 9


def test_a_long_call_stays_small() -> None:
    told = Told()
    told.waits()
    told.talks()
    for i in range(500):
        told.says(t0=4.0 * i)
        told.board.alert("1.1", "angry_long", "Angry signals for 20 s of speech.", 100.0 + i)
    call = only(told)
    assert len(call.course) == COURSE and call.course[-1][0] == 2000.0
    assert [alert.at for alert in call.alerts] == [595.0, 596.0, 597.0, 598.0, 599.0]
    assert len(msgspec.json.encode(call)) < 3000


def test_an_alert_is_shown_as_over() -> None:
    told = Told()
    told.talks()
    told.board.alert("1.1", "angry", "Signals of anger.", 100.0)
    told.board.alert_over("1.1", "angry", 130.0)
    told.board.alert_over("1.1", "angry", 140.0)
    assert [(alert.at, alert.over_at) for alert in only(told).alerts] == [(100.0, 130.0)]
    assert [change.kind for change in told.changes][-2:] == ["alert", "alert"]


def test_what_is_not_on_the_board_is_ignored() -> None:
    told = Told()
    told.says("9.9")
    told.ends("9.9")
    told.graded("9.9")
    told.board.alert("9.9", "r", "m", 1.0)
    assert told.changes == []


def test_who_opted_out_is_shown_so() -> None:
    told = Told()
    told.waits()
    told.happens(OptedOut("1.1"))
    assert only(told).opted_out


def test_two_agents_in_a_conference() -> None:
    told = Told()
    told.waits()
    first = told.talks(agent="bob", at=110.0)
    told.talks(agent="eve", index=1, at=120.0)
    assert only(told).agent == "eve"
    told.leaves(first)
    assert (only(told).agent, only(told).state) == ("eve", "talking")


def test_changes_resume_by_number() -> None:
    told = Told(max_changes=5)
    for i in range(8):
        told.waits(f"1.{i}")
    assert [c.number for c in told.board.since(6) or ()] == [7, 8]
    assert told.board.since(8) == []
    assert [c.number for c in told.board.since(3) or ()] == [4, 5, 6, 7, 8]
    assert told.board.since(2) is None  # its successor is forgotten
    assert told.board.since(9) is None  # of another life
    assert Told().board.since(0) == []


def test_a_call_taken_over_after_a_restart() -> None:
    told = Told()
    stored = told.call("1.1")
    stored.zero_at, stored.customer, stored.started_at = 111.0, "crm-1", 100.0
    stored.decision = Decision("d", 90.0, "ok", "care", "angry", 0.9, None)
    first = Segment("1.1", 0, "bob", "PJSIP/bob", "care", "queue", 110.0, 140.0, "agent_hung_up")
    stored.segments = {0: first, 1: replace(first, index=1, agent="eve", started_at=141.0, ended_at=None)}
    stored.grades = {0: Grade(40.0, "D", 30.0, 50.0, 20.0)}
    stored.readings = [Reading(4.0 * i, 4.0 * i + 4, 4.0, Scores(ANGRY, 0.4)) for i in range(3)]
    told.watch(TakenOver("1.1"))
    call = only(told)
    assert (call.state, call.agent, call.since, call.emotion) == ("talking", "eve", 141.0, "angry")
    assert (call.arrived_as, len(call.course), call.grades[0].letter) == ("angry", 3, "D")


def test_an_agent_sees_only_his_own_calls_and_grades() -> None:
    told = Told()
    told.waits("1.1")
    told.waits("1.2")
    segment = told.talks("1.1", "bob")
    told.leaves(segment)
    told.graded("1.1", 0, "bob")
    told.talks("1.1", "eve", index=1)
    assert told.board.snapshot(0.0, "bob").calls == ()
    (call,) = told.board.snapshot(0.0, "eve").calls
    assert call.call_id == "1.1" and call.grades == ()
    told.ends("1.1")
    (ended,) = told.board.snapshot(0.0, "bob").recent
    assert [g.agent for g in ended.grades] == ["bob"]
    assert told.board.snapshot(0.0, "eve").recent[0].grades == ()


def test_words_that_come_to_a_reading_give_the_newest_point_again() -> None:
    told = Told()
    told.waits()
    told.talks()
    for i in range(3):
        told.says(probabilities=HAPPY, t0=4.0 * i)
    before = only(told)
    for i in range(3):
        told.words_come(t0=4.0 * i, probabilities=ANGRY)
    after = only(told)
    assert (before.emotion, after.emotion) == ("happy", "angry")
    assert [point[0] for point in after.course] == [point[0] for point in before.course] == [4.0, 8.0, 12.0]
    assert after.course[-1] != before.course[-1]

"""A call's state against everything that may happen to it: in any order, late, twice, lost, restarted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from calls.call_states import ANGRY, RULES, answered, ended, joins, new

from emocx_pbx.analysis.messages import CallerPlaced, ReadingMade, TapEnded, TapStarted, WordsSaid
from emocx_pbx.calls.effects import (
    BeginTap,
    Count,
    EndTaps,
    LearnLines,
    WriteGrade,
    WriteReadings,
    WriteSegment,
    WriteWords,
)
from emocx_pbx.calls.happenings import CallerLeftFor, GradeDue, Happening, OptedOut
from emocx_pbx.calls.rules import Rules
from emocx_pbx.domain import CallerPlace
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    AgentLeft,
    CallEnded,
    CallStarted,
    NotACustomer,
    QueueJoined,
    QueueLeft,
    SegmentExplained,
)


def test_a_call_that_was_answered_tells_its_stay_its_part_and_its_end() -> None:
    call, effects = answered(
        AgentLeft("c", 40.0, "l1", "customer_hung_up"), CallEnded("c", 40.0, "hangup", "customer")
    )
    data = ended(effects)
    assert (data["disposition"], data["hung_up_by"], data["reason"]) == ("answered", "customer", "hangup")
    assert [(v["queue"], v["left"]) for v in data["visits"]] == [("care", "answered")]
    assert [(s["agent"], s["end_reason"]) for s in data["segments"]] == [("bob", "customer_hung_up")]
    assert call.finished


def test_overflow_is_two_stays() -> None:
    call = new()
    for happening in (
        CallStarted("c", 1.0, "", "a", ""),
        QueueJoined("c", 1.0, "a", 1),
        QueueLeft("c", 20.0, "a", "timeout"),
        QueueJoined("c", 20.0, "b", 1),
        joins(25.0),
    ):
        call.take(happening, 0.0)
    assert [(v.queue, v.entered_at, v.left_at, v.left) for v in call.visits] == [
        ("a", 1.0, 20.0, "timeout"),
        ("b", 20.0, 25.0, "answered"),
    ]


def disposition(*happenings: Happening) -> str:
    call = new()
    for happening in happenings:
        effects = call.take(happening, 0.0)
    return str(ended(effects)["disposition"])


def test_how_unanswered_calls_ended() -> None:
    waits = (CallStarted("c", 1.0, "", "a", ""), QueueJoined("c", 1.0, "a", 1))
    assert disposition(*waits, CallEnded("c", 9.0, "hangup", "customer")) == "abandoned"
    timeout = QueueLeft("c", 20.0, "a", "timeout")
    assert disposition(*waits, timeout, CallEnded("c", 20.2, "hangup", "system")) == "no-answer"
    assert disposition(*waits, timeout, CallEnded("c", 50.0, "hangup", "customer")) == "overflowed"
    to_box = (*waits, timeout, CallerLeftFor("c", "voicemail"), CallEnded("c", 50.0, "hangup", "customer"))
    assert disposition(*to_box) == "voicemail"
    assert disposition(*waits, CallEnded("c", 9.0, "lost")) == "lost"


def test_an_agent_back_within_a_second_was_not_gone() -> None:
    call, _ = answered(AgentLeft("c", 20.0, "l1", "redirected"), joins(20.3, leg="l2"))
    assert len(call.segments) == 1 and call.segments[0].ended_at is None
    call, _ = answered(AgentLeft("c", 20.0, "l1", "consulted"), joins(25.0))
    assert len(call.segments) == 2


def test_a_moment_in_which_nobody_spoke_is_not_graded() -> None:
    _, effects = answered(AgentLeft("c", 10.4, "l1", "agent_hung_up"), CallEnded("c", 10.4, "hangup"))
    assert not [e for e in effects if isinstance(e, WriteGrade)]


def test_a_transfer_says_to_whom() -> None:
    call, _ = answered(
        AgentLeft("c", 20.0, "l1", "agent_hung_up", certain=False),
        joins(30.0, "eve", "l2"),
        SegmentExplained("c", "l1", "attended_transfer"),
    )
    first = call.segments[0]
    assert (first.end_reason, first.ended_to) == ("attended_transfer", "eve")


def test_a_tap_follows_what_is_to_be_written_of_its_part() -> None:
    call = new()
    call.take(CallStarted("c", 1.0, "", "a", ""), 0.0)
    observed = AgentConnected("c", 10.0, "bob", "PJSIP/bob", "a", 9.0, "l1")
    assert not [e for e in call.take(observed, 10.0) if isinstance(e, BeginTap)]
    kinds = [type(effect) for effect in call.take(joins(10.0), 10.0)]
    assert kinds.index(WriteSegment) < kinds.index(BeginTap)


def test_what_was_missed_is_said_in_the_grade() -> None:
    call = new()
    for happening in (joins(10.0, missed_s=4.0), AgentLeft("c", 60.0, "l1", "customer_hung_up")):
        call.take(happening, 0.0)
    (graded,) = [e for e in call.take(GradeDue("c", 0), 63.0) if isinstance(e, WriteGrade)]
    assert graded.grade.facts["missed_s"] == 4.0


def test_the_lines_learn_from_a_call_that_is_over() -> None:
    plain = (0.5, 0.3, 0.1, 0.1)

    def reading(t0: float, model: str = "voice/5") -> ReadingMade:
        return ReadingMade("u", "c", t0, t0 + 3, 3.0, ANGRY, 0.3, model, plain)

    def learnt(*happenings: Happening, lines: tuple[str, ...] = ("all",)) -> list[LearnLines]:
        call, _ = answered(TapStarted("u", "c", 10.0), *happenings)
        call.rules = replace(RULES, taught=lines)
        effects = [*call.take(CallEnded("c", 60.0, "hangup", "customer"), 60.0)]
        effects += call.take(TapEnded("u", "c", 60.0, "eof", 50.0, 0.0, 0.0), 60.0)
        return [e for e in effects if isinstance(e, LearnLines)]

    assert learnt(reading(0.0, "cnn/3"), reading(3.0), reading(6.0)) == [], "each heard what the other left"
    (observed,) = learnt(reading(3.0), reading(6.0))
    assert (observed.model, observed.lines, observed.at) == ("voice/5", ("trunk PJSIP/x-1", "all"), 60.0)
    assert observed.caller == LineCaller(caller_sums([plain] * 2), caller_counts([plain] * 2))
    assert learnt(reading(0.0)) == [], "three seconds say too little"
    assert learnt(reading(0.0), reading(3.0), lines=()) == []
    assert learnt(reading(0.0), reading(3.0), OptedOut("c")) == []
    places = (CallerPlace("voice/5", (1.0, 0.0), 3), CallerPlace("voice/5", (5.0, 2.0), 1))
    placed = [CallerPlaced("u", "c", place) for place in places]
    by_another = CallerPlaced("u", "c", CallerPlace("cnn/3", (9.0,), 1))
    (observed,) = learnt(reading(0.0), reading(3.0), *placed, by_another)
    assert observed.caller.place == (2.0, 0.5), "each reading counts alike, those of the model that learns"
    no_tap = CallerPlaced("v", "c", placed[0].place)
    (observed,) = learnt(reading(0.0), reading(3.0), no_tap)
    assert observed.caller.place == ()


def test_somebody_who_is_no_customer_is_not_heard() -> None:
    call, _ = answered(NotACustomer("c"), TapStarted("u", "c", 11.0))
    reading = ReadingMade("u", "c", 0.0, 4.0, 4.0, ANGRY, 0.4, "m")
    assert call.take(reading, 15.0) == [Count("readings_late")]
    assert not call.readings and not call.tap()


@pytest.mark.parametrize(("reason", "graded"), [("lost", True), ("hangup", False)])
def test_a_part_whose_end_nobody_saw_is_graded_however_short_it_seems(reason: str, graded: bool) -> None:
    _, effects = answered(CallEnded("c", 10.4, reason))  # type: ignore[arg-type]
    assert any(isinstance(effect, WriteGrade) for effect in effects) is graded


def worded(t0: float = 0.0, revises: bool = True) -> ReadingMade:
    voice, words = (0.2, 0.6, 0.1, 0.1), (0.95, 0.03, 0.01, 0.01)
    times = (t0, t0 + 4.0, 4.0)
    return ReadingMade("u", "c", *times, ANGRY, 0.4, "m", voice=voice, words=words, revises=revises)


def test_words_take_the_place_of_the_reading_by_voice() -> None:
    first = ReadingMade("u", "c", 0.0, 4.0, 4.0, (0.2, 0.6, 0.1, 0.1), 0.4, "m")
    call, effects = answered(TapStarted("u", "c", 11.0), first, worded())
    assert [reading.evidence for reading in call.readings] == ["both"]
    (write,) = [e for e in effects if isinstance(e, WriteReadings)]
    assert write.readings == tuple(call.readings)
    (event,) = write.events
    assert (event.type, event.data["evidence"], event.data["agent"]) == ("reading.revised", "both", "bob")
    again = call.take(worded(), 20.0)
    (later,) = [e for e in again if isinstance(e, WriteReadings)]
    assert later.events[0].event_id != event.event_id


def test_words_without_their_reading_change_nothing() -> None:
    call, effects = answered(TapStarted("u", "c", 11.0), worded(8.0))
    assert call.readings == []
    assert not [e for e in effects if isinstance(e, WriteReadings)]


def test_of_who_opted_out_no_words_are_taken() -> None:
    first = ReadingMade("u", "c", 0.0, 4.0, 4.0, ANGRY, 0.4, "m")
    call, _ = answered(TapStarted("u", "c", 11.0), first)
    ended = [e for e in call.take(OptedOut("c"), 12.0) if isinstance(e, EndTaps)]
    assert ended == [EndTaps("c", unheard=True)]
    assert not [e for e in call.take(worded(), 13.0) if isinstance(e, WriteReadings)]
    assert call.take(WordsSaid("u", "c", 0.0, 4.0, "my secret"), 13.0) == []


@dataclass(frozen=True)
class KeepingRules(Rules):
    """What customers say is kept."""

    def keep_words(self) -> bool:
        return True


def test_words_are_written_only_where_they_are_kept() -> None:
    said = WordsSaid("u", "c", 0.0, 4.0, "charged twice")
    call, effects = answered(TapStarted("u", "c", 11.0), said)
    assert effects == []
    call.rules = KeepingRules(load_rubric())
    assert call.take(said, 12.0) == [WriteWords("c", 0.0, 4.0, "charged twice")]
    assert "charged" not in repr(WriteWords("c", 0.0, 4.0, "charged twice"))

"""A call's state against everything that may happen to it: in any order, late, twice, lost, restarted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, UtteranceEnded, WordsSaid
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import (
    BeginTap,
    Count,
    Effect,
    EndTaps,
    LearnLines,
    SetTimer,
    WriteEnd,
    WriteGrade,
    WriteHold,
    WriteOptOut,
    WriteReadings,
    WriteSegment,
    WriteStart,
    WriteTapped,
    WriteVisit,
    WriteWords,
)
from emocx_pbx.calls.happenings import CallerLeftFor, FinishDue, GradeDue, Happening, OptedOut, TapLost
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.events.event import NewEvent
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    AgentJoined,
    AgentLeft,
    CallEnded,
    CallStarted,
    CustomerMoved,
    HoldChanged,
    NotACustomer,
    QueueJoined,
    QueueLeft,
    SegmentExplained,
)


@dataclass(frozen=True)
class TellingRules(Rules):
    """Every reading is told, and callers teach these lines."""

    taught: tuple[str, ...] = ()

    def tells(self, kind: str) -> bool:
        return True

    def lines(self, trunk: str | None) -> tuple[str, ...]:
        return (f"trunk {trunk}", *self.taught) if self.taught else ()


RULES = TellingRules(load_rubric())
ANGRY = (0.9, 0.05, 0.03, 0.02)


def new() -> CallState:
    return CallState("c", RULES)


def joins(at: float, agent: str = "bob", leg: str = "l1", **more: Any) -> AgentJoined:
    return AgentJoined("c", at, leg, agent, f"PJSIP/{agent}", "care", "queue", **more)


def answered(*then: Happening) -> tuple[CallState, list[Effect]]:
    """A call that bob answers at 10, and what follows after."""
    call, effects = new(), []
    begin = (CallStarted("c", 1.0, "PJSIP/x-1", "care", "+49"), QueueJoined("c", 1.0, "care", 1))
    for happening in (*begin, QueueLeft("c", 10.0, "care", "answered"), joins(10.0), *then):
        effects = call.take(happening, getattr(happening, "at", 0.0))
    return call, effects


def ended(effects: list[Effect]) -> dict[str, Any]:
    (end,) = [e for e in effects if isinstance(e, WriteEnd)]
    return dict(end.events[-1].data)


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


def test_who_is_no_customer_is_not_heard() -> None:
    call, _ = answered(NotACustomer("c"), TapStarted("u", "c", 11.0))
    reading = ReadingMade("u", "c", 0.0, 4.0, 4.0, ANGRY, 0.4, "m")
    assert call.take(reading, 15.0) == [Count("readings_late")]
    assert not call.readings and not call.tap()


class Store:
    """What idempotent writes leave behind."""

    def __init__(self) -> None:
        self.starts: list[WriteStart] = []
        self.rows: dict[tuple[str, Any], Any] = {}
        self.events: dict[str, NewEvent] = {}
        self.order: list[NewEvent] = []

    def take(self, effect: Effect) -> None:
        match effect:
            case WriteStart():
                self.starts.append(effect)
            case WriteOptOut() if self.starts:
                self.rows["opted out", 0] = True
            case WriteSegment(segment):
                self.rows["segment", segment.index] = segment
            case WriteVisit(_, index, visit):
                self.rows["visit", index] = visit
            case WriteGrade(_, index, grade):
                self.rows.setdefault(("grade", index), grade)
            case WriteTapped(_, at):
                self.rows.setdefault(("tapped", 0), at)
            case WriteReadings(_, readings):
                for reading in readings:
                    self.rows["reading", (reading.t0, reading.t1)] = reading
            case WriteHold():
                self.rows["hold", effect.at] = effect
            case WriteEnd():
                self.rows.setdefault(("end", 0), effect)
        for event in getattr(effect, "events", ()):
            if event.event_id not in self.events:
                self.events[event.event_id] = event
                self.order.append(event)

    def state(self) -> CallState | None:
        """The call as recovery makes it of rows; None: it is over, or never was."""
        if not self.starts or ("end", 0) in self.rows:
            return None
        call = CallState("c", RULES, self.starts[0].at, zero_at=self.rows.get(("tapped", 0)))
        call.begun = any(e.type == "call.started" for e in self.order)
        call.opted_out = ("opted out", 0) in self.rows
        of = lambda kind: {key[1]: row for key, row in self.rows.items() if key[0] == kind}  # noqa: E731
        call.segments, call.grades = of("segment"), of("grade")
        call.visits = [visit for _, visit in sorted(of("visit").items())]
        call.readings = list(of("reading").values())
        call.ungraded = {i for i, s in call.segments.items() if s.ended_at is not None} - set(call.grades)
        call.legs = {f"l{s.agent}": s.index for s in call.segments.values() if s.ended_at is None}
        return call


AGENTS = st.sampled_from(["bob", "eve"])
LEGS = st.sampled_from(["l1", "l2", "l3", "lbob", "leve"])
QUEUES = st.sampled_from(["care", "vip"])
TAPS = st.sampled_from(["u1", "u2"])


AT = st.floats(90, 200)
DECIDED = DecidedQuery(Decision("d", 99.0, "ok", "care", "angry", 0.9, None), Caller("c"), None)
ANYTHING = st.one_of(
    st.just(DECIDED),
    st.builds(CallStarted, st.just("c"), AT, st.just("PJSIP/x"), QUEUES, st.just("+49")),
    st.builds(QueueJoined, st.just("c"), AT, QUEUES, st.just(1)),
    st.builds(QueueLeft, st.just("c"), AT, QUEUES, st.sampled_from(["answered", "timeout", "abandoned"])),
    st.builds(AgentConnected, st.just("c"), AT, AGENTS, st.just("i"), QUEUES, st.just(1.0), LEGS),
    st.builds(joins, AT, AGENTS, LEGS),
    st.builds(
        AgentLeft,
        st.just("c"),
        AT,
        LEGS,
        st.sampled_from(["customer_hung_up", "agent_hung_up", "redirected"]),
        st.none(),
        st.booleans(),
    ),
    st.builds(SegmentExplained, st.just("c"), LEGS, st.just("attended_transfer")),
    st.builds(HoldChanged, st.just("c"), AT, st.booleans()),
    st.builds(TapStarted, TAPS, st.just("c"), AT),
    st.builds(lambda u, t: ReadingMade(u, "c", t, t + 4.0, 4.0, ANGRY, 0.4, "m"), TAPS, st.floats(0, 60)),
    st.builds(lambda u: UtteranceEnded(u, "c", "customer", 0.0, 1.0), TAPS),
    st.builds(lambda u, t: TapEnded(u, "c", t, "eof", 1.0, 0.0, 0.0), TAPS, AT),
    st.builds(TapLost, st.just("c"), TAPS),
    st.builds(CustomerMoved, st.just("c"), AT, st.just("x"), st.just("2")),
    st.just(OptedOut("c")),
    st.just(NotACustomer("c")),
    st.just(CallerLeftFor("c", "voicemail")),
    st.builds(CallEnded, st.just("c"), AT, st.just("hangup"), st.sampled_from(["customer", None])),
)


class Anything(RuleBasedStateMachine):
    """Happenings that are delayed, doubled, lost and reordered, and restarts in between."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.call = Store(), new()
        self.now = 100.0
        self.timers: set[GradeDue | FinishDue] = set()
        self.later: list[Happening] = []
        self.no_customer = False

    def do(self, happening: Happening) -> None:
        self.now += 0.5
        effects = self.call.take(happening, self.now)
        for effect in effects:
            self.store.take(effect)
            if isinstance(effect, SetTimer):
                self.timers.add(effect.due)
            if self.no_customer:
                assert not isinstance(effect, BeginTap | WriteReadings | WriteGrade)
        open_ones = [s.agent for s in self.call.segments.values() if s.ended_at is None]
        assert len(open_ones) == len(set(open_ones))

    @rule(how=st.sampled_from(["once", "twice", "late"]), happening=ANYTHING)
    def happens(self, how: str, happening: Happening) -> None:
        if isinstance(happening, NotACustomer | OptedOut) and how in {"once", "twice"}:
            self.no_customer = True
        if how in {"once", "twice"}:
            for _ in range(2 if how == "twice" else 1):
                self.do(happening)
        elif how == "late":
            self.later.append(happening)

    @precondition(lambda self: self.later)
    @rule(which=st.integers(0, 99))
    def comes_late(self, which: int) -> None:
        happening = self.later.pop(which % len(self.later))  # what never comes is lost
        if isinstance(happening, NotACustomer | OptedOut):
            self.no_customer = True
        self.do(happening)

    @precondition(lambda self: self.timers)
    @rule(which=st.integers(0, 99))
    def time_passes(self, which: int) -> None:
        due = sorted(self.timers, key=repr)[which % len(self.timers)]
        self.timers.discard(due)
        self.do(due)

    @rule()
    def restarts(self) -> None:
        found = self.store.state()
        if found is None:
            return  # settled, or of no row: nothing takes it up
        assert found.opted_out or not self.no_customer
        self.call = found
        self.timers = {GradeDue("c", index) for index in found.ungraded}

    @invariant()
    def nothing_after_the_end(self) -> None:
        types = [event.type for event in self.store.order]
        assert types.count("call.ended") <= 1
        if "call.ended" in types:
            assert types[-1] == "call.ended"
        graded = [e.discriminator for e in self.store.order if e.type == "call.graded"]
        assert len(graded) == len(set(graded))

    def teardown(self) -> None:
        """In the end the call is over, and says so once."""
        self.do(CallEnded("c", self.now, "hangup"))
        self.do(FinishDue("c"))
        assert [e.type for e in self.store.order].count("call.ended") == 1
        end = self.store.order[-1].data
        assert all(segment["ended_at"] for segment in end["segments"])
        assert all(visit["left"] for visit in end["visits"])
        assert all(replace(s).ended_at is not None for s in self.call.segments.values())


TestAnything = Anything.TestCase
TestAnything.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


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

"""Any order, loss or doubling of happenings: one end, never two open segments of an agent, no own voice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calls.call_states import ANGRY, RULES, joins, new
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, UtteranceEnded
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import (
    BeginTap,
    Effect,
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
)
from emocx_pbx.calls.happenings import CallerLeftFor, FinishDue, GradeDue, Happening, OptedOut, TapLost
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision
from emocx_pbx.events.event import NewEvent
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
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

        def of(kind: str) -> dict[Any, Any]:
            return {key[1]: row for key, row in self.rows.items() if key[0] == kind}

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

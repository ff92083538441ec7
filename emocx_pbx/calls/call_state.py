"""One call: its state, and what follows from whatever happens to it. Pure.

`CallState.take(happening, now)` changes the state and returns effects; journeys.py carries them out.
Happenings may come late, twice, or never: one terminal event, nothing after it, one open segment of an agent.

    CallStarted, QueueJoined/Left      -> visits
    AgentJoined/Left, SegmentExplained    -> segments; each graded once its readings and reason are in
    TapStarted, ReadingMade, ...       -> readings, alerts
    CallEnded, then the last TapEnded  -> grades, call.ended, Forget
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.call_ids import on_pbx, pbx_of
from emocx_pbx.calls import alerts, observed, segments
from emocx_pbx.calls.effects import (
    AskWhere,
    BeginTap,
    Effect,
    EndTaps,
    Forget,
    Note,
    SetTimer,
    Show,
    WriteDecision,
    WriteEnd,
    WriteHold,
    WriteOptOut,
    WriteStart,
    WriteVisit,
)
from emocx_pbx.calls.grades import disposition_of
from emocx_pbx.calls.happenings import (
    CallbackBegun,
    CallerLeftFor,
    Changed,
    CustomerErased,
    Ended,
    FinishDue,
    GradeDue,
    Happening,
    Observed,
    OptedOut,
    QueryDecided,
)
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.asked import DecidedQuery
from emocx_pbx.domain import CallerPlace, Decision, Grade, Reading, Segment, Span, Visit
from emocx_pbx.events import build
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    AgentJoined,
    AgentLeft,
    CallbackDialled,
    CallEnded,
    CallStarted,
    CustomerMoved,
    HoldChanged,
    NotACustomer,
    QueueJoined,
    QueueLeft,
    SegmentExplained,
)
from emocx_pbx.pbx.tracking.names import trunk_of

#: Seconds after a call's end in which its last readings may still arrive from the worker.
SETTLE_S: Final = 3.0

Effects = list[Effect]


@dataclass(slots=True)
class CallState:
    """All that is known about a call until its end."""

    call_id: str
    rules: Rules
    started_at: float | None = None
    begun: bool = False
    """It has joined a queue: call.started was sent."""
    zero_at: float | None = None
    """Unix time of call time 0."""
    decision: Decision | None = None
    customer: str | None = None
    """The customer's key in the CRM."""
    caller: str | None = None
    trunk: str | None = None
    """The Asterisk endpoint that the customer came in through; None: unknown, or not Asterisk's."""
    opted_out: bool = False
    """No tap, no grade: the customer does not want it, or the caller is not a customer."""
    forgotten: bool = False
    """The customer was erased during the call: their words are no longer kept."""
    callback: str | None = None
    """Callback: "dialling", or how that ended; None: the customer called."""
    callback_detail: str = ""
    visits: list[Visit] = field(default_factory=list)
    segments: dict[int, Segment] = field(default_factory=dict)
    legs: dict[str, int] = field(default_factory=dict)
    """Index of the segment by the agent's leg, for legs in the conversation."""
    past_legs: dict[str, int] = field(default_factory=dict)
    """Index of the last segment by leg, for legs that left."""
    holds: list[tuple[float, float | None]] = field(default_factory=list)
    grades: dict[int, Grade] = field(default_factory=dict)
    """Newest grade by segment index."""
    ungraded: set[int] = field(default_factory=set)
    """Closed segments that wait for their last readings, or for their reason."""
    readings: list[Reading] = field(default_factory=list)
    revised: dict[tuple[float, float], int] = field(default_factory=dict)
    """How often receivers were sent words for a reading, by its times."""
    spans: list[Span] = field(default_factory=list)
    known_taps: set[str] = field(default_factory=set)
    taps: set[str] = field(default_factory=set)
    """UUIDs of taps whose last reading may still arrive."""
    unread: bool = False
    """Taken over: the stream may still hold what was heard of it before."""
    places: list[CallerPlace] = field(default_factory=list)
    """Where the customer's readings lie on average, by tap."""
    watch: CallWatch | None = None
    """State of the alert rules, from the first reading on."""
    voicemail: bool = False
    ended: CallEnded | None = None
    finished: bool = False

    @property
    def queue(self) -> str | None:
        """The queue it is in or was last in, else the one it was sent to."""
        if self.visits:
            return self.visits[-1].queue
        return self.decision.queue if self.decision and self.decision.queue else None

    @property
    def on_hold(self) -> bool:
        """Whether the customer is on hold."""
        return bool(self.holds) and self.holds[-1][1] is None

    @property
    def waiting(self) -> bool:
        """Whether the customer waits in a queue."""
        return bool(self.visits) and self.visits[-1].left_at is None

    @property
    def open_segments(self) -> list[Segment]:
        """Open segments, the oldest first."""
        return [self.segments[i] for i in sorted(self.segments) if self.segments[i].ended_at is None]

    @property
    def reason(self) -> str:
        """Why it ended, in one word."""
        if self.ended is None:
            return ""
        gave_up = bool(self.visits) and self.visits[-1].left == "abandoned"
        return "abandoned" if self.ended.reason == "hangup" and gave_up else self.ended.reason

    @property
    def disposition(self) -> str:
        """The disposition, as far as it is known."""
        end = self.ended
        reason, at = (end.reason, end.at) if end else ("hangup", float("inf"))
        answered = bool(self.segments)
        return disposition_of(reason, at, self.visits, answered, self.callback, self.voicemail)

    # In.

    def take(self, happening: Happening, now: float) -> Effects:
        """Take a happening and return what follows; `now` is Unix seconds. A finished call returns
        nothing.
        """
        if self.finished:
            return []
        if isinstance(happening, Observed):
            return observed.take(self, happening, now)
        match happening:
            case CustomerErased():
                self.customer, self.caller, self.forgotten = None, None, True
                return [Show(Changed(self.call_id))]
            case GradeDue(index=index):
                return segments.grade_due(self, index, now)
            case FinishDue():
                return self.finish(now)
            case NotACustomer() | OptedOut():
                return observed.leave_alone(self)
            case SegmentExplained():
                return segments.explained(self, happening)
            case CallEnded():
                return self._ended(happening, now)
            case _ if self.ended is not None:
                return []  # it arrived late: the customer's channel is gone
            case DecidedQuery():
                return self._decided(happening)
            case CallbackBegun(at=at, number=number):
                return self._dialling(at, number)
            case CallbackDialled(outcome=outcome, detail=detail):
                return self._dialled(outcome, detail)
            case CallStarted():
                return self._started(happening)
            case QueueJoined():
                return self._joined(happening)
            case QueueLeft():
                return self._left(happening)
            case CallerLeftFor(place=place):
                return self._left_for(place)
            case AgentConnected():
                return observed.connected(self, happening)
            case AgentJoined():
                return segments.joined(self, happening)
            case AgentLeft():
                return segments.left(self, happening)
            case HoldChanged(at=at, on_hold=on_hold):
                return self.hold(at, on_hold)
            case CustomerMoved():
                # The tapped channel is about to vanish, and an opt-out may be known only to the new one.
                return [EndTaps(self.call_id), *self.tap()]
            case _:
                assert_never(happening)

    def begin(self, at: float, queue: str | None, caller: str | None = None) -> Effects:
        """The call joined a queue, or was found in one; reported once."""
        if self.begun:
            return []
        self.begun = True
        self.caller = caller or self.caller
        self.started_at = at if self.started_at is None else min(at, self.started_at)
        decision_id = self.decision.decision_id if self.decision else None
        event = build.call_started(self.call_id, at, queue, self.caller, self.customer, decision_id)
        start = WriteStart(
            self.call_id, at, self.customer, self.caller, queue, decision_id, at, self.callback, (event,)
        )
        note = Note("call.started", "call started", {"call_id": self.call_id, "queue": queue})
        return [start, *self._kept(), note]

    def _kept(self) -> Effects:
        """What the first write of the call must include."""
        return [WriteOptOut(self.call_id)] if self.opted_out else []

    def _decided(self, query: DecidedQuery) -> Effects:
        decision, caller = query.decision, query.caller
        self.decision, self.customer = decision, caller.customer_key or self.customer
        self.opted_out = self.opted_out or caller.opted_out
        self.started_at = decision.at if self.started_at is None else self.started_at
        routed = build.query_routed(decision, self.call_id, caller.customer_key)
        text = query.text if self.rules.keep_text() else None
        return [
            WriteStart(self.call_id, decision.at, caller.customer_key, None, decision.queue),
            *self._kept(),
            WriteDecision(decision, self.call_id, caller.customer_key, text, (routed,)),
            Show(QueryDecided(self.call_id, decision)),
        ]

    def _dialling(self, at: float, number: str) -> Effects:
        if self.callback is not None:
            return []
        self.callback, self.caller = "dialling", number
        self.started_at = at if self.started_at is None else self.started_at
        return [
            WriteStart(self.call_id, at, self.customer, number, None, callback="dialling"),
            *self._kept(),
            Show(Changed(self.call_id)),
        ]

    def _dialled(self, outcome: str, detail: str) -> Effects:
        if self.callback in {"answered", outcome}:
            return []
        self.callback, self.callback_detail = outcome, detail
        at = self.started_at or 0.0
        return [
            WriteStart(self.call_id, at, callback=outcome),
            Note("callback.dialled", "callback dialled", {"call_id": self.call_id, "outcome": outcome}),
        ]

    # Queues.

    def _started(self, change: CallStarted) -> Effects:
        trunk = trunk_of(change.channel)
        self.trunk = trunk and on_pbx(pbx_of(self.call_id), trunk)
        return [*self.begin(change.at, change.queue, change.caller), Show(change)]

    def _joined(self, change: QueueJoined) -> Effects:
        effects = self.begin(change.at, change.queue)
        last = self.visits[-1] if self.visits else None
        if last is not None and last.left_at is None:
            if last.queue == change.queue:
                return effects  # reported again
            effects += self.leave(change.at, "redirected")
        self.visits.append(Visit(change.queue, change.at))
        self.voicemail = False
        where = {"call_id": self.call_id, "queue": change.queue}
        queued = WriteStart(self.call_id, change.at, queue=change.queue)
        return [*effects, queued, self._visit(-1), Show(change), Note("queue.joined", "caller waits", where)]

    def _left(self, change: QueueLeft) -> Effects:
        if not self.visits or self.visits[-1].queue != change.queue:
            return []
        last = self.visits[-1]
        if last.left_at is not None and last.left in {change.why, "answered"}:
            return []
        effects = self.leave(last.left_at or change.at, change.why)
        elsewhere = change.why not in {"answered", "abandoned"}
        return [*effects, Show(Changed(self.call_id)), *([AskWhere(self.call_id)] if elsewhere else [])]

    def leave(self, at: float, why: str) -> Effects:
        """The last stay in a queue is over."""
        last = self.visits[-1]
        self.visits[-1] = replace(last, left_at=max(at, last.entered_at), left=why)
        return [self._visit(-1)]

    def _visit(self, index: int) -> WriteVisit:
        return WriteVisit(self.call_id, index % len(self.visits), self.visits[index])

    def _left_for(self, place: str) -> Effects:
        if not self.visits or self.visits[-1].left in {None, "answered", "abandoned"}:
            return []
        if place == "voicemail":
            self.voicemail = True
            return []
        return self.leave(self.visits[-1].left_at or 0.0, place) if self.visits[-1].left == "timeout" else []

    # Taps and holds.

    def tap(self) -> Effects:
        """Tap the call, if an agent is in it and the customer agrees."""
        if self.opted_out:
            return []
        return [self.begin_tap(leg) for leg in self.legs]

    def begin_tap(self, leg: str) -> BeginTap:
        """Tap the call of this agent's leg."""
        return BeginTap(self.call_id, leg, self.zero_at, tuple(self.rules.alerts()))

    def hold(self, at: float, on_hold: bool) -> Effects:
        """The customer was put on hold or taken back; only counts with an agent there."""
        if self.on_hold == on_hold or (on_hold and not self.legs):
            return []
        if on_hold:
            self.holds.append((at, None))
        else:
            self.holds[-1] = (self.holds[-1][0], max(at, self.holds[-1][0]))
        return [WriteHold(self.call_id, at, on_hold), Show(HoldChanged(self.call_id, at, on_hold))]

    # The end.

    def _ended(self, change: CallEnded, now: float) -> Effects:
        if self.ended is not None:
            return []
        at = max([change.at, *(s.ended_at or s.started_at for s in self.segments.values())])
        change = replace(change, at=at)
        effects = segments.close_all(self, change)
        if self.waiting:
            effects += self.leave(at, "abandoned" if change.reason == "hangup" else "lost")
        self.ended = change
        effects += [EndTaps(self.call_id), Show(Ended(self.call_id, at, self.reason, self.disposition))]
        if self.taps or self.unread:
            # Its TapEnded normally follows within milliseconds; this is for when it does not.
            return [*effects, SetTimer(FinishDue(self.call_id), SETTLE_S)]
        return [*effects, *self.finish(now)]

    def finish(self, now: float) -> Effects:
        """Grade what is not graded yet, write the one terminal event, forget the call."""
        if self.ended is None:
            return []
        effects: Effects = []
        for index in sorted(self.ungraded):
            effects += segments.grade_due(self, index, now)
        effects += alerts.end(self, self.ended.at, now)
        self.finished = True
        end, disposition = self.ended, self.disposition
        start = self.started_at if self.started_at is not None else end.at
        if self.callback == "dialling":
            self.callback = "failed"
        event = build.call_ended(
            self.call_id,
            start,
            end.at,
            self.reason,
            self.queue,
            [self.segments[index] for index in sorted(self.segments)],
            self.grades,
            self.customer,
            self.decision.decision_id if self.decision else None,
            disposition=disposition,
            hung_up_by=end.by,
            callback=self.callback,
            callback_detail=self.callback_detail,
            visits=self.visits,
        )
        known = [] if self.begun else [WriteStart(self.call_id, start, callback=self.callback)]
        return [
            *effects,
            *known,
            *observed.learnt(self, end.at),
            WriteEnd(self.call_id, end.at, self.reason, disposition, end.by, self.callback, (event,)),
            Note("call.ended", "call ended", {"call_id": self.call_id, "reason": self.reason}),
            Forget(self.call_id),
        ]

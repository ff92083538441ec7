"""Rows as the store returns them: typed and immutable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emocx_pbx.domain import Decision, Grade, Reading, Segment, Span, Visit, Words

DeliveryState = Literal["pending", "delivered", "failed"]
GradeKind = Literal["automatic", "recomputed", "override", "dispute"]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as the store knows it; all `*_at` are Unix seconds."""

    call_id: str
    started_at: float
    ended_at: float | None
    end_reason: str | None
    customer_key: str | None
    caller: str | None
    queue: str | None
    decision_id: str | None
    tapped_at: float | None
    """When the first tapped sample arrived: zero of the readings' and spans' times."""
    last_seen_at: float
    """When anything was last known of the call; after a crash it is assumed to have ended then."""
    disposition: str | None = None
    """answered, abandoned, overflowed, voicemail, no-answer, busy, failed or lost; None: it goes on."""
    hung_up_by: str | None = None
    """customer, agent or system; None: not known."""
    callback: str | None = None
    """dialling, answered, no-answer, busy or failed; None: the customer called."""
    opted_out: bool = False
    """Neither tapped nor graded: the customer does not want it, or the caller is not a customer."""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision with the query that it was made for."""

    decision: Decision
    call_id: str | None
    customer_key: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class HoldRow:
    """The customer was on hold from..to (None: still is)."""

    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert, raised and perhaps cleared."""

    call_id: str
    rule: str
    t0: float
    """Begin of the episode in call time."""
    t1: float
    """When it was raised, in call time."""
    raised_at: float
    segment: int | None
    agent: str | None
    message: str
    cleared_at: float | None = None
    clear_reason: str | None = None
    """recovered, transferred or ended."""


@dataclass(frozen=True, slots=True)
class GradeRow:
    """One revision of one segment's grade."""

    call_id: str
    segment: int
    revision: int
    kind: GradeKind
    at: float
    author: str
    reason: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class GradedSegment:
    """A segment's valid grade, as reports and ranking want it."""

    row: GradeRow
    agent: str
    queue: str | None
    started_at: float
    ended_at: float | None
    decision: Decision | None
    """The decision the call was routed by, with the customer's emotion before the call."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a call; `body` is the exact JSON that receivers get."""

    event_id: str
    call_id: str | None
    type: str
    sequence: int
    at: float
    body: str


@dataclass(frozen=True, slots=True)
class CallDetail:
    """All that is known of one call."""

    call: CallRow
    decision: DecisionRow | None
    segments: tuple[Segment, ...]
    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    holds: tuple[HoldRow, ...]
    grades: tuple[GradeRow, ...]
    """All revisions, ordered by segment and revision."""
    events: tuple[EventRow, ...]
    alerts: tuple[AlertRow, ...] = ()
    visits: tuple[Visit, ...] = ()
    said: tuple[Words, ...] = ()
    """What the customer said, if it was kept."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call without an end, e.g. after a crash of ours."""

    call: CallRow
    segments: tuple[Segment, ...]
    """Its open segments."""
    next_segment: int
    """Number the next segment gets."""


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """An event that a receiver should get now."""

    delivery_id: int
    event_id: str
    receiver: str
    stream: str
    sequence: int
    attempts: int
    """Number of earlier attempts."""
    early_from: float | None
    """When it would have been due, if it is sent ahead of its schedule."""
    claim: str
    """The claim by which its sender holds it."""
    type: str
    at: float
    body: str


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt to deliver that a receiver did not accept."""

    at: float
    status: int | None
    """HTTP status; None: there was no answer."""
    error: str
    answer: str | None = None
    """The receiver's answer."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """The state of the delivery of one event to one receiver."""

    delivery_id: int
    event_id: str
    receiver: str
    type: str
    call_id: str | None
    sequence: int
    at: float
    state: DeliveryState
    attempts: int
    next_at: float
    last_at: float | None
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    """Beginning of the receiver's answer when it refused."""
    delivered_at: float | None
    endpoint: str = field(init=False)
    """Deprecated: `receiver`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", self.receiver)


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """A supervisor's label for a reading."""

    call_id: str
    t0: float
    t1: float
    emotion: str
    author: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class QueryCorrectionRow:
    """A person's label for a query's text."""

    decision_id: str
    emotion: str
    author: str
    reason: str
    at: float

"""What follows from a call's happenings: values that journeys.py carries out. Pure.

Writes are idempotent: repeated after a crash, or late, they change nothing that is already known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.happenings import FinishDue, GradeDue, News
from emocx_pbx.domain import Decision, Grade, Reading, Segment, Span, Visit
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.rows import AlertRow

Events = tuple[NewEvent, ...]


# Written to the store, in order.


@dataclass(frozen=True, slots=True)
class WriteDecision:
    """A decision was made."""

    decision: Decision
    call_id: str | None
    customer_key: str | None
    text: str | None
    events: Events
    ours: bool = True
    """False: another controller acts for the call's PBX; only the decision made here is written."""


@dataclass(frozen=True, slots=True)
class WriteStart:
    """A call began, or more is known about how it did."""

    call_id: str
    at: float
    customer_key: str | None = None
    caller: str | None = None
    queue: str | None = None
    decision_id: str | None = None
    queued_at: float | None = None
    callback: str | None = None
    events: Events = ()


@dataclass(frozen=True, slots=True)
class WriteOptOut:
    """The customer does not want analysis, or the caller is not a customer; this also holds after a
    restart.
    """

    call_id: str


@dataclass(frozen=True, slots=True)
class WriteVisit:
    """The call's `index`-th stay in a queue as it is known now."""

    call_id: str
    index: int
    visit: Visit


@dataclass(frozen=True, slots=True)
class WriteSegment:
    """An agent's segment as it is known now."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class WriteHold:
    """The customer was put on hold, or taken back."""

    call_id: str
    at: float
    on_hold: bool


@dataclass(frozen=True, slots=True)
class WriteTapped:
    """When the first tapped sample arrived."""

    call_id: str
    at: float


@dataclass(frozen=True, slots=True)
class WriteReadings:
    """Readings; the first to be dropped when too much waits, and written again with the call's end."""

    call_id: str
    readings: tuple[Reading, ...]
    at: float
    events: Events = ()


@dataclass(frozen=True, slots=True)
class WriteSpans:
    """Utterances; the first to be dropped, like readings."""

    call_id: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class WriteWords:
    """What the customer said in a stretch of the call, as transcribed."""

    call_id: str
    t0: float
    t1: float
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WriteAlerts:
    """Alerts raised or cleared."""

    rows: tuple[AlertRow, ...]
    events: Events


@dataclass(frozen=True, slots=True)
class WriteGrade:
    """An agent's segment was graded."""

    call_id: str
    index: int
    grade: Grade
    events: Events


@dataclass(frozen=True, slots=True)
class LearnLines:
    """The lines that a call came in on learn from its customer."""

    call_id: str
    model: str
    lines: tuple[str, ...]
    """The lines, the narrowest first."""
    caller: LineCaller
    at: float
    """When the call ended."""


@dataclass(frozen=True, slots=True)
class WriteEnd:
    """The call is over."""

    call_id: str
    at: float
    reason: str
    disposition: str
    hung_up_by: str | None
    callback: str | None
    events: Events


Write = (
    WriteDecision
    | WriteStart
    | WriteOptOut
    | WriteVisit
    | WriteSegment
    | WriteHold
    | WriteTapped
    | WriteReadings
    | WriteSpans
    | WriteWords
    | WriteAlerts
    | WriteGrade
    | WriteEnd
    | LearnLines
)


# Done at once.


@dataclass(frozen=True, slots=True)
class BeginTap:
    """An agent is with the customer: tap the call, if the customer wants it."""

    call_id: str
    leg: str
    """Uniqueid of the agent's leg."""
    zero_at: float | None
    alerts: tuple[AlertRule, ...] = ()
    """The rules that the call is watched by."""


@dataclass(frozen=True, slots=True)
class EndTaps:
    """The call is no longer to be tapped."""

    call_id: str
    unheard: bool = False
    """The customer opted out: what waits to be transcribed is dropped as well."""


@dataclass(frozen=True, slots=True)
class AskWhere:
    """A caller left the queue unanswered: find out where they went."""

    call_id: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Let `due` happen after this many seconds, replacing the same one set before."""

    due: GradeDue | FinishDue
    after_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Cancel `due`."""

    due: GradeDue | FinishDue


@dataclass(frozen=True, slots=True)
class Show:
    """Notify those who watch live calls."""

    news: News


@dataclass(frozen=True, slots=True)
class TellAlert:
    """Report an alert to Asterisk."""

    alerted: Alerted


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter."""

    name: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Log a line."""

    key: str
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class Forget:
    """The call is settled: nothing more will follow."""

    call_id: str


Effect = (
    Write | BeginTap | EndTaps | AskWhere | SetTimer | CancelTimer | Show | TellAlert | Count | Note | Forget
)

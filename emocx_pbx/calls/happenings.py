"""What happens to calls, whatever the source: the one stream that calls are built from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emocx_pbx.analysis.messages import (
    CallerPlaced,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
    WordsSaid,
)
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.dispatch.asked import DecidedQuery
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.pbx.tracking.changes import AgentConnected, CallChange, CallStarted, HoldChanged, QueueJoined


@dataclass(frozen=True, slots=True)
class GradeDue:
    """The wait for a segment's last readings is over: grade it."""

    call_id: str
    index: int


@dataclass(frozen=True, slots=True)
class FinishDue:
    """The wait for a call's last tap is over: settle the call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The customer does not want analysis: the call is neither tapped nor graded."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CustomerErased:
    """The customer was erased during the call: nothing held about it may point to them."""

    call_id: str


@dataclass(frozen=True, slots=True)
class TapLost:
    """A worker died: nothing more will come from this tap."""

    call_id: str
    uuid: str


@dataclass(frozen=True, slots=True)
class CallbackBegun:
    """We are dialling a customer."""

    call_id: str
    at: float
    number: str


@dataclass(frozen=True, slots=True)
class CallerLeftFor:
    """Where a caller went after leaving a queue unanswered."""

    call_id: str
    place: Literal["voicemail", "empty"]
    """Into a voicemail box; or "empty": nowhere yet, as the queue said that it was empty."""


#: What a worker tells of a tap, or what its loss says.
Observed = TapStarted | ReadingMade | UtteranceEnded | WordsSaid | CallerPlaced | TapEnded | TapLost
Happening = (
    CallChange
    | DecidedQuery
    | CallbackBegun
    | OptedOut
    | CustomerErased
    | CallerLeftFor
    | Observed
    | GradeDue
    | FinishDue
)


@dataclass(frozen=True, slots=True)
class QueryDecided:
    """The call's query was decided."""

    call_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """An agent's segment began, or resumed after a moment."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """An agent's segment is over; `segment.ended_at` is set."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Graded:
    """An agent's segment was graded by the service."""

    call_id: str
    index: int
    agent: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class Changed:
    """Something else about the call changed: tapped, opted out, moved on."""

    call_id: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A call that is open in the store goes on after a restart of ours."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The customer's channel is gone."""

    call_id: str
    at: float
    reason: str
    disposition: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """The call goes on with another controller."""

    call_id: str


News = (
    QueryDecided
    | CallStarted
    | QueueJoined
    | AgentConnected
    | SegmentOpened
    | SegmentClosed
    | HoldChanged
    | ReadingMade
    | Alerted
    | Graded
    | Changed
    | TakenOver
    | LetGo
    | Ended
)
"""What those who only watch are sent, with the call as it is then."""

"""What happens to calls, from whomever it comes: the one stream that calls are made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, UtteranceEnded, WordsSaid
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.dispatch.asked import DecidedQuery
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.pbx.tracking.changes import AgentConnected, CallChange, CallStarted, HoldChanged, QueueJoined


@dataclass(frozen=True, slots=True)
class GradeDue:
    """A segment's last readings have had their time: grade it."""

    call_id: str
    index: int


@dataclass(frozen=True, slots=True)
class FinishDue:
    """A call's last tap has had its time: settle the call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The customer does not want analysis: the call is neither tapped nor graded."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CustomerErased:
    """The customer was erased while the call goes on: nothing held of it may point to them."""

    call_id: str


@dataclass(frozen=True, slots=True)
class TapLost:
    """A worker died: nothing more will come of this tap."""

    call_id: str
    uuid: str


@dataclass(frozen=True, slots=True)
class CallbackBegun:
    """We dial a customer."""

    call_id: str
    at: float
    number: str


@dataclass(frozen=True, slots=True)
class CallerLeftFor:
    """Where a caller went who left a queue unanswered."""

    call_id: str
    place: Literal["voicemail", "empty"]
    """Into a voicemail box; or nowhere yet: the queue said that it was empty."""


Happening = (
    CallChange
    | DecidedQuery
    | CallbackBegun
    | OptedOut
    | CustomerErased
    | CallerLeftFor
    | TapStarted
    | TapEnded
    | TapLost
    | ReadingMade
    | UtteranceEnded
    | WordsSaid
    | GradeDue
    | FinishDue
)


@dataclass(frozen=True, slots=True)
class QueryDecided:
    """The call's query was decided on."""

    call_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """An agent's segment began, or goes on after a moment."""

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
    """A call that the store said was open goes on after a restart of ours."""

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
"""What those who only watch are told, with the call as it is then."""

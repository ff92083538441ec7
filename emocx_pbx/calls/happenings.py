"""What happens to calls, from whomever it comes: the one stream that journeys are made of."""

from __future__ import annotations

from dataclasses import dataclass

from emocx_pbx.analysis.messages import ReadingMade, SpeechHeard, TapEnded, TapStarted
from emocx_pbx.calls.alerting import Alerted
from emocx_pbx.calls.course import Course
from emocx_pbx.dispatch.queries import DecidedQuery
from emocx_pbx.domain import Grade
from emocx_pbx.pbx.tracking.tracker import CallChange


@dataclass(frozen=True, slots=True)
class GradeDue:
    """A part's last readings have had their time: grade it."""

    call_id: str
    index: int


@dataclass(frozen=True, slots=True)
class FinishDue:
    """A call's last tap has had its time: settle the call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The customer does not want analysis: his call is neither tapped nor graded."""

    call_id: str


@dataclass(frozen=True, slots=True)
class TapsLost:
    """A worker died: nothing more will come of these taps."""

    uuids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Graded:
    """An agent's part was graded by the service."""

    call_id: str
    index: int
    agent: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A call that the store said was open goes on after a restart of ours."""

    course: Course


Happening = (
    CallChange
    | OptedOut
    | TapsLost
    | TapStarted
    | TapEnded
    | ReadingMade
    | SpeechHeard
    | DecidedQuery
    | GradeDue
    | FinishDue
)

Told = Happening | Graded | TakenOver | Alerted
"""What those who only watch are told: also what the journeys themselves did."""

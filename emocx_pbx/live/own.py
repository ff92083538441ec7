"""What an agent may see of the live board: calls that they take part in, and their own grades. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from emocx_pbx.live.calls import (
    AlertUpdate,
    BoardChange,
    ChangeData,
    EndedCall,
    GoneChange,
    GradedChange,
    LiveAlert,
    LiveCall,
    Point,
    ReadingChange,
)

C = TypeVar("C", LiveCall, EndedCall)


def own(call: C, agent: str | None) -> C:
    """The call without the readings, alerts and grades of other agents' segments; None sees all."""
    if agent is None:
        return call
    grades = tuple(g for g in call.grades if g.agent == agent)
    if isinstance(call, EndedCall) and call.agent != agent:
        # The last readings were heard in a colleague's segment.
        return msgspec.structs.replace(call, grades=grades, agent=None, emotion=None)
    if isinstance(call, LiveCall) and call.segment:
        return msgspec.structs.replace(call, grades=grades, **_since_answered(call, agent))
    return call if grades == call.grades else msgspec.structs.replace(call, grades=grades)


@dataclass(frozen=True, slots=True)
class OwnTime:
    """When a call became this agent's, by its two clocks."""

    begin: float
    """Unix seconds; -inf: always was; inf: a colleague talks, too: whose segment it is can't be told."""
    zero: float
    """Of the seconds that points count."""

    def covers(self, point: Point) -> bool:
        """Whether a reading is of this segment."""
        return point[0] + self.zero > self.begin

    def raised(self, alert: LiveAlert) -> bool:
        """Whether an alert is of this segment."""
        return alert.at >= self.begin


def own_time(call: LiveCall, agent: str) -> OwnTime:
    """The agent's present segment of a call."""
    zero = float("-inf") if call.tapped_at is None else call.tapped_at
    if not call.segment:
        return OwnTime(float("-inf"), 0.0)
    mine = call.agent == agent and call.answered_at is not None
    return OwnTime(call.answered_at or 0.0 if mine else float("inf"), zero)


def _since_answered(call: LiveCall, agent: str) -> dict[str, Any]:
    """A call that colleagues had before: the points and alerts of this agent's present segment."""
    mine = own_time(call, agent)
    points = tuple(point for point in call.points if mine.covers(point))
    alerts = tuple(alert for alert in call.alerts if mine.raised(alert))
    unheard: dict[str, Any] = {} if points else {"emotion": None, "confidence": None, "valence": None}
    return {"points": points, "alerts": alerts, **unheard}


class OwnCalls:
    """Changes as one agent sees them; remembers which calls the agent was sent."""

    def __init__(self, agent: str, known: Iterable[LiveCall]) -> None:
        self._agent = agent
        self._times = {call.call_id: own_time(call, agent) for call in known}

    def of(self, change: BoardChange) -> BoardChange | None:
        """The change as the agent may see it; None: it is not theirs."""
        body = change.body
        call_id = body.call_id
        if isinstance(body, GradedChange):
            return change if body.grade.agent == self._agent else None
        if self._agent not in change.present.agents:
            if self._times.pop(call_id, None) is None:
                return None
            return _changed(change, GoneChange(call_id))
        match body:
            case EndedCall():
                self._times.pop(call_id, None)
                return _changed(change, own(body, self._agent))
            case LiveCall():
                self._times[call_id] = own_time(body, self._agent)
                return _changed(change, own(body, self._agent))
        mine = self._times.get(call_id)
        if mine is None:  # told before the call itself was: nothing it could belong to
            return None
        match body:
            # What began or was heard in a colleague's segment is told neither then nor when it ends later.
            case AlertUpdate(_, alert):
                return change if mine.raised(alert) else None
            case ReadingChange():
                return change if mine.covers(body.point) else None
        return change


def _changed(change: BoardChange, body: ChangeData) -> BoardChange:
    if body is change.body:
        return change
    return BoardChange(change.number, body, change.present, msgspec.json.encode(body))

"""What an agent may see of the live board: calls that he takes part in, and his own grades. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from emocx_pbx.live.calls import Change, ChangeData, EndedCall, GoneChange, GradedChange, LiveCall

C = TypeVar("C", LiveCall, EndedCall)


def own(call: C, agent: str | None) -> C:
    """The call without what was heard, raised and graded in other agents' parts; None sees all."""
    if agent is None:
        return call
    grades = tuple(g for g in call.grades if g.agent == agent)
    if isinstance(call, EndedCall) and call.agent != agent:
        # The last readings were heard in a colleague's part.
        return msgspec.structs.replace(call, grades=grades, agent=None, emotion=None)
    if isinstance(call, LiveCall) and call.segment:
        return msgspec.structs.replace(call, grades=grades, **_since_answered(call, agent))
    return call if grades == call.grades else msgspec.structs.replace(call, grades=grades)


def _since_answered(call: LiveCall, agent: str) -> dict[str, Any]:
    """A call that colleagues had before: the course and alerts of this agent's present part."""
    begin = call.answered_at if call.agent == agent else None
    if begin is None:
        begin = float("inf")  # a colleague talks as well, and whose part it was can't be told
    zero = float("-inf") if call.tapped_at is None else call.tapped_at
    course = tuple(point for point in call.course if point[0] + zero > begin)
    alerts = tuple(alert for alert in call.alerts if alert.at >= begin)
    unheard: dict[str, Any] = {} if course else {"emotion": None, "confidence": None, "valence": None}
    return {"course": course, "alerts": alerts, **unheard}


class OwnCalls:
    """Changes as one agent sees them; remembers which calls he was told of."""

    def __init__(self, agent: str, told: Iterable[str]) -> None:
        self._agent, self._told = agent, set(told)

    def of(self, change: Change) -> Change | None:
        """The change as he may see it; None: it is not his."""
        body = change.body
        call_id = body.call_id
        if isinstance(body, GradedChange):
            return change if body.grade.agent == self._agent else None
        if self._agent not in change.present.agents:
            if call_id not in self._told:
                return None
            self._told.discard(call_id)
            return _changed(change, GoneChange(call_id))
        if isinstance(body, EndedCall):
            self._told.discard(call_id)
            return _changed(change, own(body, self._agent))
        self._told.add(call_id)
        return _changed(change, own(body, self._agent)) if isinstance(body, LiveCall) else change


def _changed(change: Change, body: ChangeData) -> Change:
    if body is change.body:
        return change
    return Change(change.number, body, change.present, msgspec.json.encode(body))

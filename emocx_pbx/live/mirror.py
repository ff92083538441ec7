"""The live board in another process: the same calls and changes, kept up to date from the board's. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from emocx_pbx.live.board import RECENT
from emocx_pbx.live.calls import (
    KINDS,
    AlertUpdate,
    BoardChange,
    BoardState,
    ChangeData,
    EndedCall,
    GoneChange,
    GradedChange,
    LiveAlert,
    LiveCall,
    LiveGrade,
    Present,
    ReadingChange,
    Snapshot,
    difference,
)
from emocx_pbx.live.held import MAX_ALERTS, with_point
from emocx_pbx.live.own import own
from emocx_pbx.observe.listeners import Listeners

#: Changes kept for watchers that were away for a moment: about 10 s at 5,000 calls, in 10 MB.
MAX_CHANGES: Final = 16_384

_BODIES: Final = {kind: body for body, kind in KINDS.items()}


class Mirror:
    """What a LiveFeed needs from a board."""

    def __init__(self, max_changes: int = MAX_CHANGES) -> None:
        self._calls: dict[str, tuple[LiveCall, Present]] = {}
        self._recent: deque[tuple[EndedCall, Present]] = deque(maxlen=RECENT)
        self._changes: deque[BoardChange] = deque(maxlen=max_changes)
        self.number = 0
        """Of the newest change."""
        self.changes: Listeners[[BoardChange]] = Listeners()
        """Told every change."""

    def begin(self, state: BoardState) -> None:
        """Take over the board as it is now."""
        self._calls = {call.call_id: (call, there) for call, there in state.calls}
        self._recent = deque(state.recent, maxlen=RECENT)
        self._changes.clear()
        self.number = state.number

    def state(self) -> BoardState:
        """All of it, for another mirror."""
        return BoardState(self.number, tuple(self._calls.values()), tuple(self._recent))

    def take(self, number: int, kind: str, there: Present, data: bytes) -> bool:
        """Take a change as published by the board.

        Returns:
            False: a change before it is missing. Nothing was taken; the mirror has to start afresh.
        """
        if number != self.number + 1:
            return False
        body: ChangeData = msgspec.json.decode(data, type=_BODIES[kind])
        known = self._calls.get(body.call_id) if isinstance(body, LiveCall) else None
        less, before = b"", None
        if known is not None and isinstance(body, LiveCall):
            less, before = difference(known[0], body), known[1]
        self._apply(body, there)
        self.number = number
        change = BoardChange(number, body, there, data, less, before)
        self._changes.append(change)
        self.changes.tell(change)
        return True

    def snapshot(self, now: float, agent: str | None = None, team: frozenset[str] | None = None) -> Snapshot:
        """All calls now; with `agent` only those that they take part in, with their own grades; with `team`
        those that were in one of its queues.
        """
        shown = [call for call, there in self._calls.values() if there.seen_by(agent, team)]
        shown.sort(key=lambda call: (call.since, call.call_id))
        recent = [own(ended, agent) for ended, there in self._recent if there.seen_by(agent, team)]
        return Snapshot(round(now, 3), tuple(own(call, agent) for call in shown), tuple(reversed(recent)))

    def since(self, number: int) -> Sequence[BoardChange] | None:
        """Changes after a number, or None when they are no longer (or not yet) known."""
        oldest = self._changes[0].number if self._changes else self.number + 1
        if number > self.number or number < oldest - 1:
            return None
        return [change for change in self._changes if change.number > number]

    def __len__(self) -> int:
        return len(self._calls)

    def _apply(self, body: ChangeData, there: Present) -> None:
        match body:
            case LiveCall():
                known = self._calls.get(body.call_id)
                if known is not None and known[0].customer and not body.customer:
                    self._changes.clear()  # as the board does
                self._calls[body.call_id] = body, there
            case EndedCall():
                self._calls.pop(body.call_id, None)
                self._recent.append((body, there))
            case ReadingChange():
                self._read(body)
            case AlertUpdate(call_id, alert):
                if known := self._calls.get(call_id):
                    call, seen = known
                    self._calls[call_id] = _changed(call, alerts=_with_alert(call.alerts, alert)), seen
            case GradedChange(call_id, grade):
                self._grade(call_id, grade)
            case GoneChange(call_id):
                self._calls.pop(call_id, None)

    def _read(self, body: ReadingChange) -> None:
        if known := self._calls.get(body.call_id):
            call, there = known
            points = with_point(call.points, body.point)
            self._calls[body.call_id] = (
                _changed(
                    call, tapped=True, emotion=body.emotion, confidence=body.confidence,
                    valence=body.valence, points=points,
                ),
                there,
            )  # fmt: skip

    def _grade(self, call_id: str, grade: LiveGrade) -> None:
        if known := self._calls.get(call_id):
            call, there = known
            self._calls[call_id] = _changed(call, grades=_with_grade(call.grades, grade)), there
            return
        for i, (ended, there) in enumerate(self._recent):
            if ended.call_id == call_id:
                grades = _with_grade(ended.grades, grade)
                self._recent[i] = msgspec.structs.replace(ended, grades=grades), there


def _changed(call: LiveCall, **values: object) -> LiveCall:
    return msgspec.structs.replace(call, **values)


def _with_alert(alerts: tuple[LiveAlert, ...], alert: LiveAlert) -> tuple[LiveAlert, ...]:
    same = [i for i, known in enumerate(alerts) if (known.rule, known.at) == (alert.rule, alert.at)]
    if same:
        return (*alerts[: same[-1]], alert, *alerts[same[-1] + 1 :])
    return (*alerts, alert)[-MAX_ALERTS:]


def _with_grade(grades: tuple[LiveGrade, ...], grade: LiveGrade) -> tuple[LiveGrade, ...]:
    kept = (g for g in grades if g.segment != grade.segment)
    return tuple(sorted((*kept, grade), key=lambda g: g.segment))

"""The live board: every waiting or active call, kept in memory and published as numbered changes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, get_args

import msgspec

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.domain import Grade, Reading, Scores
from emocx_pbx.live.calls import (
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
    Point,
    Present,
    ReadingChange,
    Snapshot,
    State,
    difference,
)
from emocx_pbx.live.held import MAX_POINTS, HeldCall
from emocx_pbx.live.own import own
from emocx_pbx.observe.listeners import Listeners

#: Changes kept for watchers that were away for a moment: about 30 s at 200 calls.
MAX_CHANGES: Final = 2048
#: Most ended calls shown, the newest ones.
RECENT: Final = 20


class LiveBoard:
    """Takes what happens to calls and publishes what changed.

    Everything is synchronous: the board is updated before the store, so that it is never late.
    """

    def __init__(self, stay_s: float, max_changes: int = MAX_CHANGES) -> None:
        self._stay_s = stay_s
        self._calls: dict[str, HeldCall] = {}
        self._recent: deque[tuple[EndedCall, Present]] = deque(maxlen=RECENT)
        self._changes: deque[BoardChange] = deque(maxlen=max_changes)
        self.number = 0
        """Number of the newest change; counts from 1 after a start of the service."""
        self.changes: Listeners[[BoardChange]] = Listeners()
        """Listeners get every change."""

    # Out.

    def snapshot(self, now: float, agent: str | None = None, team: frozenset[str] | None = None) -> Snapshot:
        """All calls now; with `agent` only those that the agent takes part in, with their own grades; with
        `team` those that were in one of its queues.
        """
        calls = [c for c in self._calls.values() if c.present().seen_by(agent, team)]
        calls.sort(key=lambda c: (c.since, c.call_id))
        shown = [own(c.as_shown(), agent) for c in calls]
        recent = [own(ended, agent) for ended, there in self._recent if there.seen_by(agent, team)]
        return Snapshot(round(now, 3), tuple(shown), tuple(reversed(recent)))

    def state(self) -> BoardState:
        """The whole board, for a mirror."""
        calls = tuple((call.as_shown(), call.present()) for call in self._calls.values())
        return BoardState(self.number, calls, tuple(self._recent))

    def since(self, number: int) -> Sequence[BoardChange] | None:
        """Changes after a number, or None if they are no longer (or not yet) known."""
        oldest = self._changes[0].number if self._changes else self.number + 1
        if number > self.number or number < oldest - 1:
            return None
        return [change for change in self._changes if change.number > number]

    def counts(self, pbx: str | None = None) -> dict[State, int]:
        """Number of calls in each state; of one PBX, or of all."""
        found: dict[State, int] = dict.fromkeys(get_args(State), 0)
        for call in self._calls.values():
            found[call.state] += pbx is None or pbx_of(call.call_id) == pbx
        return found

    def __len__(self) -> int:
        return len(self._calls)

    # In.

    def changed(self, call: CallState, at: float) -> None:
        """Something about the call changed at `at`; repeating it changes nothing."""
        held = self._held(call)
        held.settle(at)
        if held.as_shown() != held.shown or held.present() != held.shown_to:
            self._tell(held)  # who left while a colleague goes on is told by who is there alone

    def reading(self, call: CallState, reading: Reading) -> None:
        """A reading of the customer's speech."""
        held = self._calls.get(call.call_id)
        if held is None:
            return
        self._read(held, *held.take_reading(reading, self._stay_s))

    def revised(self, call: CallState) -> None:
        """Words were added to one of the call's readings."""
        held = self._calls.get(call.call_id)
        if held is not None and (shown := held.revised(self._stay_s)) is not None:
            self._read(held, *shown)

    def _read(self, held: HeldCall, now: Scores, point: Point) -> None:
        call = held.call
        signals = now.emotion, round(now.confidence, 2), round(now.valence, 2)
        if held.shown is not None:
            # As `told` would, which costs more: this is what happens most.
            emotion, confidence, valence = signals
            held.shown = msgspec.structs.replace(
                held.shown,
                emotion=emotion,
                confidence=confidence,
                valence=valence,
                points=tuple(held.points),
            )
        self._append(ReadingChange(call.call_id, *signals, point), held.shown_to or held.present())

    def alert(self, call_id: str, rule: str, message: str, at: float) -> None:
        """A rule on the live readings fired."""
        if held := self._calls.get(call_id):
            alert = LiveAlert(rule, message, round(at, 3))
            held.alerts.append(alert)
            self._add(held, AlertUpdate(call_id, alert))

    def alert_over(self, call_id: str, rule: str, at: float) -> None:
        """The episode that a rule fired on is over."""
        held = self._calls.get(call_id)
        if held is None:
            return
        for i, alert in enumerate(held.alerts):
            if alert.rule == rule and alert.over_at is None:
                over = msgspec.structs.replace(alert, over_at=round(at, 3))
                held.alerts[i] = over
                self._add(held, AlertUpdate(call_id, over))

    def graded(self, call_id: str, segment: int, agent: str, grade: Grade) -> None:
        """An agent's segment was graded; the call may have ended already."""
        shown = LiveGrade(segment, agent, grade.score, grade.letter)
        if held := self._calls.get(call_id):
            self._add(held, GradedChange(call_id, shown))
            return
        for i, (ended, there) in enumerate(self._recent):
            if ended.call_id == call_id:
                kept = tuple(g for g in ended.grades if g.segment != segment)
                grades = tuple(sorted((*kept, shown), key=lambda g: g.segment))
                self._recent[i] = (msgspec.structs.replace(ended, grades=grades), there)
                self._append(GradedChange(call_id, shown), there)

    def ended(self, call: CallState, at: float, reason: str, disposition: str) -> None:
        """The customer's channel is gone."""
        held = self._calls.pop(call.call_id, None)
        if held is None:
            return
        decision = call.decision
        ended = EndedCall(
            call.call_id,
            round(at, 3),
            reason,
            call.queue,
            held.last_agent,
            decision.emotion if decision else None,
            held.now.emotion if held.now else None,
            held.graded(),
            disposition,
        )
        self._recent.append((ended, held.was_present()))
        self._append(ended, held.was_present())

    def taken_over(self, call: CallState) -> None:
        """A call that the store knew goes on after a restart of ours."""
        held = self._held(call)
        for reading in call.readings[-MAX_POINTS:]:
            held.take_reading(reading, self._stay_s)
        for change in call.watch.open.values() if call.watch else ():
            at = (call.zero_at or 0.0) + change.t1
            held.alerts.append(LiveAlert(change.rule, change.message, round(at, 3)))
        begin = call.started_at or 0.0
        held.settle(max((s.ended_at or s.started_at for s in call.segments.values()), default=begin))
        self._tell(held)

    def let_go(self, call_id: str) -> None:
        """The call goes on with another controller, whose board shows it."""
        if held := self._calls.pop(call_id, None):
            self._append(GoneChange(call_id), held.shown_to or held.present())

    # Inside.

    def _held(self, call: CallState) -> HeldCall:
        return self._calls.setdefault(call.call_id, HeldCall(call))

    def _tell(self, held: HeldCall) -> None:
        shown = held.as_shown()
        if held.shown is not None and held.shown.customer and not shown.customer:
            self._changes.clear()  # erased: who comes back begins anew, and not by what named the customer
        less = b"" if held.shown is None else difference(held.shown, shown)
        before, held.shown_to = held.shown_to, held.present()
        self._add(held, shown, less, before)

    def _add(
        self, held: HeldCall, data: ChangeData, less: bytes = b"", before: Present | None = None
    ) -> None:
        held.shown = data if isinstance(data, LiveCall) else held.as_shown()
        self._append(data, held.shown_to or held.present(), less, before)

    def _append(
        self, data: ChangeData, there: Present, less: bytes = b"", before: Present | None = None
    ) -> None:
        self.number += 1
        change = BoardChange(self.number, data, there, msgspec.json.encode(data), less, before)
        self._changes.append(change)
        self.changes.tell(change)

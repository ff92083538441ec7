"""The live board: every call that waits or talks now, kept in memory, told as numbered changes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, get_args

import msgspec

from emocx_pbx.calls.course import Course
from emocx_pbx.domain import Decision, Grade, Reading, Segment
from emocx_pbx.live.calls import (
    AlertChange,
    Change,
    ChangeData,
    EndedCall,
    GradedChange,
    LiveAlert,
    LiveGrade,
    ReadingChange,
    Snapshot,
    State,
)
from emocx_pbx.live.held import COURSE, HeldCall
from emocx_pbx.live.own import own

#: Changes kept for who was away for a moment: at 200 calls about 30 s.
MAX_CHANGES: Final = 2048
#: Ended calls shown, the newest.
RECENT: Final = 20


class LiveBoard:
    """Takes what happens to calls and tells what changed.

    Everything is synchronous: the board is told before the store, so that it is never late.
    """

    def __init__(self, stay_s: float, max_changes: int = MAX_CHANGES) -> None:
        self._stay_s = stay_s
        self._calls: dict[str, HeldCall] = {}
        self._recent: deque[tuple[EndedCall, frozenset[str]]] = deque(maxlen=RECENT)
        self._changes: deque[Change] = deque(maxlen=max_changes)
        self.number = 0
        """Of the newest change; counts from 1 after a start of the service."""
        self.on_change: Callable[[Change], None] | None = None
        """Told every change; must not block."""

    # Out.

    def snapshot(self, now: float, agent: str | None = None) -> Snapshot:
        """All calls now; with `agent` only those that he takes part in, with his own grades."""
        courses = [c for c in self._calls.values() if agent is None or agent in c.present()]
        courses.sort(key=lambda c: (c.since, c.call_id))
        calls = [own(c.told(), agent) for c in courses]
        recent = [own(ended, agent) for ended, agents in self._recent if agent is None or agent in agents]
        return Snapshot(round(now, 3), tuple(calls), tuple(reversed(recent)))

    def since(self, number: int) -> Sequence[Change] | None:
        """Changes after a number, or None when they are no longer (or not yet) known."""
        oldest = self._changes[0].number if self._changes else self.number + 1
        if number > self.number or number < oldest - 1:
            return None
        return [change for change in self._changes if change.number > number]

    def counts(self) -> dict[State, int]:
        """Number of calls in each state."""
        found: dict[State, int] = dict.fromkeys(get_args(State), 0)
        for call in self._calls.values():
            found[call.state] += 1
        return found

    def __len__(self) -> int:
        return len(self._calls)

    # In.

    def decided(self, decision: Decision, call_id: str, customer: str | None, opted_out: bool) -> None:
        """A call's query was decided on."""
        course = self._known(call_id, decision.at)
        course.decision, course.customer = decision, customer or course.customer
        course.opted_out = course.opted_out or opted_out
        self._tell(course)

    def queued(self, call_id: str, at: float, queue: str) -> None:
        """The customer waits in a queue; told again while he waits, nothing changes."""
        course = self._known(call_id, at)
        if course.state == "waiting" and course.queue == queue:
            return
        course.queue = queue
        self._enter(course, "waiting", at)

    def segment_opened(self, segment: Segment) -> None:
        """An agent and the customer can hear each other."""
        course = self._known(segment.call_id, segment.started_at)
        course.open[segment.index] = segment
        course.last_agent = segment.agent
        course.agents.add(segment.agent)
        course.queue = segment.queue or course.queue
        self._enter(course, "hold" if course.on_hold else "talking", segment.started_at)

    def segment_closed(self, segment: Segment) -> None:
        """An agent's part is over."""
        course = self._calls.get(segment.call_id)
        if course is None or course.open.pop(segment.index, None) is None:
            return
        if course.open:
            self._tell(course)
        else:
            self._enter(course, "between", segment.ended_at or course.since)

    def hold(self, call_id: str, at: float, on_hold: bool) -> None:
        """The customer was put on hold, or taken back."""
        course = self._calls.get(call_id)
        if course is None or course.on_hold == on_hold:
            return
        course.on_hold = on_hold
        if course.open:
            self._enter(course, "hold" if on_hold else "talking", at)

    def tapped(self, call_id: str) -> None:
        """The call's audio comes in."""
        course = self._calls.get(call_id)
        if course is not None and not course.tapped:
            course.tapped = True
            self._tell(course)

    def opted_out(self, call_id: str) -> None:
        """The customer does not want analysis."""
        course = self._calls.get(call_id)
        if course is not None and not course.opted_out:
            course.opted_out = True
            self._tell(course)

    def reading(self, call_id: str, reading: Reading) -> None:
        """A reading of the customer's speech."""
        course = self._calls.get(call_id)
        if course is None:
            return
        now, point = course.heard(reading, self._stay_s)
        change = ReadingChange(call_id, now.emotion, round(now.confidence, 2), round(now.valence, 2), point)
        self._add(course, change)

    def alert(self, call_id: str, rule: str, message: str, at: float) -> None:
        """A rule on the readings fired."""
        course = self._calls.get(call_id)
        if course is None:
            return
        alert = LiveAlert(rule, message, round(at, 3))
        course.alerts.append(alert)
        self._add(course, AlertChange(call_id, alert))

    def alert_over(self, call_id: str, rule: str, at: float) -> None:
        """The episode that a rule fired on is over."""
        course = self._calls.get(call_id)
        if course is None:
            return
        for i, alert in enumerate(course.alerts):
            if alert.rule == rule and alert.over_at is None:
                over = msgspec.structs.replace(alert, over_at=round(at, 3))
                course.alerts[i] = over
                self._add(course, AlertChange(call_id, over))

    def graded(self, call_id: str, segment: int, agent: str, grade: Grade) -> None:
        """An agent's part was graded; the call may have ended already."""
        told = LiveGrade(segment, agent, grade.score, grade.letter)
        if course := self._calls.get(call_id):
            course.grades[segment] = told
            self._add(course, GradedChange(call_id, told))
            return
        for i, (ended, agents) in enumerate(self._recent):
            if ended.call_id == call_id:
                kept = tuple(g for g in ended.grades if g.segment != segment)
                grades = tuple(sorted((*kept, told), key=lambda g: g.segment))
                self._recent[i] = (msgspec.structs.replace(ended, grades=grades), agents)
                self._append(GradedChange(call_id, told), agents)

    def ended(self, call_id: str, at: float, reason: str) -> None:
        """The customer's channel is gone."""
        course = self._calls.pop(call_id, None)
        if course is None:
            return
        ended = EndedCall(
            call_id,
            round(at, 3),
            reason,
            course.queue,
            course.last_agent,
            course.decision.emotion if course.decision else None,
            course.now.emotion if course.now else None,
            course.graded(),
        )
        self._recent.append((ended, frozenset(course.agents)))
        self._append(ended, frozenset(course.agents))

    def taken_over(self, stored: Course) -> None:
        """A call that the store knew after a restart of ours."""
        begin = stored.started_at or 0.0
        course = self._known(stored.call_id, begin)
        course.queue, course.customer, course.decision = stored.queue, stored.customer, stored.decision
        course.opted_out, course.tapped = stored.opted_out, stored.zero_at is not None
        segments = [stored.segments[index] for index in sorted(stored.segments)]
        for reading in stored.readings[-COURSE:]:
            course.heard(reading, self._stay_s)
        for change in stored.watch.open.values() if stored.watch else ():
            at = (stored.zero_at or 0.0) + change.t1
            course.alerts.append(LiveAlert(change.rule, change.message, round(at, 3)))
        for segment in segments:
            course.agents.add(segment.agent)
            course.last_agent = segment.agent
            if segment.ended_at is None:
                course.open[segment.index] = segment
            if grade := stored.grades.get(segment.index):
                course.grades[segment.index] = LiveGrade(
                    segment.index, segment.agent, grade.score, grade.letter
                )
        latest = max((s.ended_at or s.started_at for s in segments), default=begin)
        state: State = "talking" if course.open else "between" if segments else "waiting"
        self._enter(course, state, latest)

    # Inside.

    def _known(self, call_id: str, at: float) -> HeldCall:
        found = self._calls.get(call_id)
        if found is None:
            found = self._calls[call_id] = HeldCall(call_id, at, "routing", at)
        return found

    def _enter(self, course: HeldCall, state: State, at: float) -> None:
        if course.state != state or state in {"talking", "waiting"}:
            course.state, course.since = state, at
        self._tell(course)

    def _tell(self, course: HeldCall) -> None:
        self._add(course, course.told())

    def _add(self, course: HeldCall, data: ChangeData) -> None:
        self._append(data, course.present())

    def _append(self, data: ChangeData, agents: frozenset[str]) -> None:
        self.number += 1
        change = Change(self.number, data, agents, msgspec.json.encode(data))
        self._changes.append(change)
        if self.on_change is not None:
            self.on_change(change)

"""A call as the live board holds it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.grading.segments import fresh_readings
from emocx_pbx.grading.settle import Settling
from emocx_pbx.live.calls import LiveAlert, LiveCall, LiveGrade, Point, Present, State

#: Most points of a call, one per reading: about two minutes of the customer's speech.
MAX_POINTS: Final = 40
#: Latest readings that are settled anew when words come to one.
LOOK_BACK: Final = 12
#: Most alerts shown for one call, the newest ones.
MAX_ALERTS: Final = 5


def with_point(points: tuple[Point, ...], point: Point) -> tuple[Point, ...]:
    """The points with the newest one; one of the same time takes the last one's place."""
    if points and points[-1][0] == point[0]:
        points = points[:-1]
    return (*points, point)[-MAX_POINTS:]


@dataclass(slots=True)
class HeldCall:
    """A call on the board: its CallState says what it is; kept here is what only the board shows."""

    call: CallState
    state: State = "routing"
    since: float = 0.0
    settling: Settling | None = None
    last: Reading | None = None
    """The newest reading, as it was made."""
    now: Scores | None = None
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=MAX_POINTS))
    alerts: deque[LiveAlert] = field(default_factory=lambda: deque(maxlen=MAX_ALERTS))
    shown: LiveCall | None = None
    """As last sent to watchers."""
    shown_to: Present | None = None
    """Who was involved then, and so was sent it."""

    @property
    def call_id(self) -> str:
        """The call."""
        return self.call.call_id

    def settle(self, at: float) -> None:
        """Find out the call's state; `at` is when it entered it, if it is a new one."""
        call = self.call
        state: State
        if call.open_segments:
            state = "hold" if call.on_hold else "talking"
        elif call.waiting or (call.visits and call.visits[-1].left == "answered" and not call.segments):
            state = "waiting"  # being connected
        else:
            state = "between" if call.visits or call.segments else "routing"
        if state != self.state or not self.since:
            self.state, self.since = state, at

    def take_reading(self, reading: Reading, stay_s: float) -> tuple[Scores, Point]:
        """Take in a reading; the signals now, given the readings before, and their point."""
        # As grades are made: what a voice shows rarely changes from one second to the next.
        self.settling = self.settling or Settling(stay_s)
        known = [self.last] if self.last else []
        if fresh := fresh_readings([*known, reading])[len(known) :]:
            self.now = self.settling.add(fresh[0])
            self.last = reading
        elif self.now is None:
            self.now = reading.scores
        return self.now, self._pointed(reading, self.now)

    def revised(self, stay_s: float) -> tuple[Scores, Point] | None:
        """Words were added to one of the call's readings: the signals now, and the newest point again."""
        self.settling = Settling(stay_s)
        for reading in fresh_readings(self.call.readings[-LOOK_BACK:]):
            self.now = self.settling.add(reading)
        if self.now is None or not self.call.readings:
            return None
        self.last = self.call.readings[-1]
        return self.now, self._pointed(self.last, self.now)

    def _pointed(self, reading: Reading, now: Scores) -> Point:
        a, n, d, h = (round(p, 2) for p in now.probabilities)
        point = (round(reading.t1, 1), a, n, d, h)
        points = with_point(tuple(self.points), point)
        self.points.clear()
        self.points.extend(points)
        return point

    def present(self) -> Present:
        """Agents with the customer now, and the queues so far."""
        return Present(frozenset(segment.agent for segment in self.call.open_segments), self._queues())

    def was_present(self) -> Present:
        """All agents and queues that it had to do with."""
        return Present(frozenset(segment.agent for segment in self.call.segments.values()), self._queues())

    def _queues(self) -> frozenset[str]:
        call = self.call
        answered = (segment.queue for segment in call.segments.values())
        return frozenset(q for q in (call.queue, *(v.queue for v in call.visits), *answered) if q)

    @property
    def last_agent(self) -> str | None:
        """Who talks or talked last with the customer."""
        segments = self.call.segments
        return segments[max(segments)].agent if segments else None

    def graded(self) -> tuple[LiveGrade, ...]:
        """Grades so far, in the order of the segments."""
        call = self.call
        return tuple(
            LiveGrade(index, call.segments[index].agent, call.grades[index].score, call.grades[index].letter)
            for index in sorted(call.grades)
        )

    def as_shown(self) -> LiveCall:
        """As it is told."""
        call, now = self.call, self.now
        decision = call.decision
        newest = call.open_segments[-1] if call.open_segments else None
        return LiveCall(
            call_id=call.call_id,
            state=self.state,
            since=round(self.since, 3),
            started_at=round(call.started_at or self.since, 3),
            queue=(newest.queue if newest else None) or call.queue,
            agent=newest.agent if newest else None,
            segment=newest.index if newest else None,
            answered_at=round(newest.started_at, 3) if newest else None,
            customer=call.customer,
            arrived_as=decision.emotion if decision else None,
            topic=decision.topic if decision else None,
            language=decision.language if decision else None,
            status=decision.status if decision else None,
            opted_out=call.opted_out,
            tapped=call.zero_at is not None,
            tapped_at=round(call.zero_at, 3) if call.zero_at is not None else None,
            emotion=now.emotion if now else None,
            confidence=round(now.confidence, 2) if now else None,
            valence=round(now.valence, 2) if now else None,
            points=tuple(self.points),
            alerts=tuple(self.alerts),
            grades=self.graded(),
        )

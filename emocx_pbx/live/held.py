"""A call as the live board holds it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from emocx_pbx.domain import Decision, Reading, Scores, Segment
from emocx_pbx.grading.segments import fresh_readings
from emocx_pbx.grading.settle import settled
from emocx_pbx.live.calls import LiveAlert, LiveCall, LiveGrade, Point, State

#: Readings in a call's course: about two minutes of the customer's speech.
COURSE: Final = 40
#: Readings that have a say in what is shown now; older ones tell next to nothing.
LOOK_BACK: Final = 12
#: Alerts shown of one call, the newest.
MAX_ALERTS: Final = 5


@dataclass(slots=True)
class HeldCall:
    """A call on the board."""

    call_id: str
    started_at: float
    state: State
    since: float
    queue: str | None = None
    customer: str | None = None
    decision: Decision | None = None
    opted_out: bool = False
    tapped: bool = False
    on_hold: bool = False
    open: dict[int, Segment] = field(default_factory=dict)
    last_agent: str | None = None
    agents: set[str] = field(default_factory=set)
    """All who ever took part."""
    readings: deque[Reading] = field(default_factory=lambda: deque(maxlen=LOOK_BACK))
    now: Scores | None = None
    points: deque[Point] = field(default_factory=lambda: deque(maxlen=COURSE))
    alerts: deque[LiveAlert] = field(default_factory=lambda: deque(maxlen=MAX_ALERTS))
    grades: dict[int, LiveGrade] = field(default_factory=dict)

    def heard(self, reading: Reading, stay_s: float) -> tuple[Scores, Point]:
        """Take in a reading; the signals now, given the readings before, and their point."""
        self.tapped = True
        self.readings.append(reading)
        # As grades are made: what a voice shows rarely changes from one second to the next.
        given_before = settled(fresh_readings(list(self.readings)), stay_s)
        self.now = given_before[-1].scores if given_before else reading.scores
        a, n, d, h = (round(p, 2) for p in self.now.probabilities)
        point = (round(reading.t1, 1), a, n, d, h)
        self.points.append(point)
        return self.now, point

    def present(self) -> frozenset[str]:
        """Agents with the customer now."""
        return frozenset(segment.agent for segment in self.open.values())

    def graded(self) -> tuple[LiveGrade, ...]:
        """Grades so far, in the order of the parts."""
        return tuple(self.grades[index] for index in sorted(self.grades))

    def told(self) -> LiveCall:
        """As it is told."""
        decision, now = self.decision, self.now
        newest = self.open[max(self.open)] if self.open else None
        return LiveCall(
            call_id=self.call_id,
            state=self.state,
            since=round(self.since, 3),
            started_at=round(self.started_at, 3),
            queue=self.queue,
            agent=newest.agent if newest else None,
            segment=newest.index if newest else None,
            answered_at=round(newest.started_at, 3) if newest else None,
            customer=self.customer,
            came=decision.emotion if decision else None,
            topic=decision.topic if decision else None,
            status=decision.status if decision else None,
            opted_out=self.opted_out,
            tapped=self.tapped,
            emotion=now.emotion if now else None,
            confidence=round(now.confidence, 2) if now else None,
            valence=round(now.valence, 2) if now else None,
            course=tuple(self.points),
            alerts=tuple(self.alerts),
            grades=self.graded(),
        )

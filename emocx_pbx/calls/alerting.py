"""Alerts of live calls on their way: from a call's readings to everyone who is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import AlertChange, CallWatch
from emocx_pbx.domain import Reading, Segment
from emocx_pbx.events import build
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.rows import AlertRow

if TYPE_CHECKING:
    from emocx_pbx.calls.course import Course

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert that was raised or cleared, with the call it is about."""

    call_id: str
    change: AlertChange
    at: float
    """Unix time."""
    queue: str | None
    segment: Segment | None
    """The part during which it happened."""

    def event(self) -> NewEvent:
        """Its webhook."""
        return build.call_alert(self.call_id, self.change, self.at, self.segment)

    def row(self) -> AlertRow:
        """What is stored of it."""
        change, segment = self.change, self.segment
        cleared = change.state == "cleared"
        return AlertRow(
            self.call_id,
            change.rule,
            change.t0,
            change.raised_t1,
            self.at - (change.t1 - change.raised_t1),
            segment.index if segment else None,
            segment.agent if segment else None,
            change.message,
            self.at if cleared else None,
            change.reason if cleared else None,
        )

    def user_event(self) -> dict[str, str]:
        """Headers of its AMI UserEvent."""
        change, segment = self.change, self.segment
        fields = {
            "CallId": self.call_id,
            "Rule": change.rule,
            "State": change.state,
            "Reason": change.reason,
            "Queue": self.queue or "",
            "Agent": segment.agent if segment else "",
            "Interface": segment.interface if segment else "",
            "Segment": str(segment.index) if segment else "",
            "From": f"{max(0.0, change.t0):.3f}",
            "To": f"{max(0.0, change.t1):.3f}",
            "Message": change.message,
        }
        return {name: value for name, value in fields.items() if value}


class Alerting:
    """Watches every call by the rules that were in force at its first reading."""

    def __init__(
        self,
        rules: Callable[[], Sequence[AlertRule]],
        tell: Callable[[Alerted], None],
        now: Callable[[], float],
        count: Callable[..., None],
    ) -> None:
        self._rules, self._tell, self._now, self._count = rules, tell, now, count

    def read(self, course: Course, reading: Reading) -> list[Alerted]:
        """What a new reading raises or clears; everyone who listens has been told."""
        if course.ended is not None:
            return []  # nobody can help any more
        return self._told(course, self._watch(course).read(reading))

    def segment_opened(self, course: Course, segment: Segment) -> None:
        """An agent's part began; by somebody else than the part before, it is a transfer."""
        before = course.segments.get(segment.index - 1)
        if before is not None and before.agent != segment.agent and course.zero_at is not None:
            self._watch(course).transferred(segment.started_at - course.zero_at)

    def end(self, course: Course, at: float) -> list[Alerted]:
        """The call is over: what is still raised is cleared, and told."""
        if course.watch is None or course.zero_at is None:
            return []
        return self._told(course, course.watch.end(at - course.zero_at))

    def recover(self, course: Course) -> list[Alerted]:
        """Take up a stored call where it was; its alerts so far, told only if they were not stored."""
        watch = course.watch = CallWatch(self._rules())
        for index in sorted(course.segments):
            self.segment_opened(course, course.segments[index])
        zero_at = course.zero_at or 0.0
        return [
            self._alerted(course, change, zero_at + change.t1)
            for reading in sorted(course.readings, key=lambda r: (r.t1, r.t0))
            for change in watch.read(reading)
        ]

    def _watch(self, course: Course) -> CallWatch:
        if course.watch is None:
            course.watch = CallWatch(self._rules())
        return course.watch

    def _told(self, course: Course, changes: Sequence[AlertChange]) -> list[Alerted]:
        found = []
        for change in changes:
            alerted = self._alerted(course, change, self._now())
            self._tell(alerted)
            if change.state == "raised":
                self._count("alerts", change.rule)
            log.info(
                f"alert {change.state}",
                key=f"alert.{change.state}",
                call_id=course.call_id,
                rule=change.rule,
                t0=round(change.t0, 2),
                t1=round(change.t1, 2),
            )
            found.append(alerted)
        return found

    def _alerted(self, course: Course, change: AlertChange, at: float) -> Alerted:
        said_at = (course.zero_at or 0.0) + change.t1
        parts = [s for s in course.segments.values() if s.started_at <= said_at]
        parts = [s for s in parts if s.ended_at is None or s.ended_at >= said_at] or parts
        return Alerted(course.call_id, change, at, course.queue, parts[-1] if parts else None)

"""An alert on a live call, with the call it is about, in the forms in which it is sent and stored. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from emocx_pbx.alerts.watch import AlertChange
from emocx_pbx.domain import Segment
from emocx_pbx.events import build
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.rows import AlertRow


@dataclass(frozen=True, slots=True)
class Alerted:
    """An alert that was raised or cleared, with the call it is about."""

    call_id: str
    change: AlertChange
    at: float
    """Unix time."""
    queue: str | None
    segment: Segment | None
    """The segment during which it happened."""

    def event(self) -> NewEvent:
        """Its webhook."""
        return build.call_alert(self.call_id, self.change, self.at, self.segment)

    def row(self) -> AlertRow:
        """The row that is stored of it."""
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

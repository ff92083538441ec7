"""The queues' states from the answer to the AMI action QueueStatus; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emocx_pbx.routing.decision import QueueState

#: Device states of a member who could take a call now (include/asterisk/devicestate.h: not in use).
_FREE = "1"


def queue_states(events: Iterable[Mapping[str, str]]) -> dict[str, QueueState]:
    """States by queue name, from QueueParams, QueueMember and QueueEntry events."""
    waits: dict[str, list[float]] = {}
    free: dict[str, int] = {}
    for event in events:
        name = event.get("Queue", "")
        match event.get("Event"):
            case "QueueParams":
                waits.setdefault(name, [])
            case "QueueEntry":
                waits.setdefault(name, []).append(float(event.get("Wait") or 0))
            case "QueueMember" if event.get("Status") == _FREE and event.get("Paused") != "1":
                free[name] = free.get(name, 0) + 1
    return {
        name: QueueState(len(waiting), max(waiting, default=0.0), free.get(name, 0))
        for name, waiting in waits.items()
    }

"""The queues' states and members from the answer to the AMI action QueueStatus; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emocx_pbx.pbx.tracked import AgentNames
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.penalties import Member

#: Device states of a member who could take a call now (include/asterisk/devicestate.h: not in use).
_FREE = "1"
#: Invalid and unavailable: no telephone is there.
_AWAY = frozenset({"4", "5"})


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


def queue_members(events: Iterable[Mapping[str, str]], names: AgentNames) -> list[Member]:
    """Members of all queues, with the penalties they have now; `names` as the call tracker has them."""
    found = []
    for event in events:
        queue, interface = event.get("Queue", ""), event.get("Location") or event.get("Interface", "")
        if event.get("Event") == "QueueMember" and queue and interface:
            agent = names.of_member(event.get("Name") or event.get("MemberName", ""), interface)
            present = event.get("Paused") != "1" and event.get("Status") not in _AWAY
            penalty = int(event.get("Penalty") or 0)
            found.append(Member(queue, interface, agent, penalty, present))
    return found

"""The queues' states, members and rules, from the answers to the AMI actions QueueStatus and QueueRule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.pbx.versions import parse
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.penalties import Member

#: Device states of a member who could take a call now (include/asterisk/devicestate.h: not in use).
_FREE = "1"
#: Invalid and unavailable: no telephone is there.
_AWAY = frozenset({"4", "5"})


def queue_states(
    events: Iterable[Mapping[str, str]], names: AgentNames | None = None
) -> dict[str, QueueState]:
    """States by queue name, from QueueParams, QueueMember and QueueEntry events.

    `names`: what members are called; None: as their queues call them.
    """
    events = list(events)
    agents: dict[str, set[str]] = {}
    for member in queue_members(events, names or AgentNames()):
        agents.setdefault(member.queue, set()).add(member.agent)
    waits: dict[str, list[float]] = {}
    free: dict[str, int] = {}
    there: dict[str, set[int]] = {}
    for event in events:
        name = event.get("Queue", "")
        match event.get("Event"):
            case "QueueParams":
                waits.setdefault(name, [])
            case "QueueEntry":
                waits.setdefault(name, []).append(float(event.get("Wait") or 0))
            case "QueueMember" if event.get("Paused") != "1" and event.get("Status") not in _AWAY:
                there.setdefault(name, set()).add(int(event.get("Penalty") or 0))
                free[name] = free.get(name, 0) + (event.get("Status") == _FREE)
    return {
        name: QueueState(
            len(waiting),
            max(waiting, default=0.0),
            free.get(name, 0),
            frozenset(there.get(name, ())),
            frozenset(agents.get(name, ())),
        )
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


async def widening_rules(ami: Ami, waits: Iterable[int]) -> frozenset[int]:
    """Those of the waits for which the PBX has a queue rule emocx-N.

    Raises:
        PeerUnavailable, RefusedError: it could not be asked.
    """
    answers = {wait: await ami.action("QueueRule", {"Rule": f"emocx-{wait}"}) for wait in waits}
    return frozenset(wait for wait, answer in answers.items() if "Rule" in answer.headers)


def argument(text: str) -> str:
    """A text as one part of a list with commas, as Asterisk reads it (app.c: __ast_app_separate_args).

    Of applications' arguments and of the AMI's header Variable alike.
    """
    return re.sub(r'([\\,"()\[\]])', r"\\\1", text)


def queue_arguments(queue: str, rule: str, version: str) -> str:
    """Arguments of Queue() for a queue and a queue rule; before 21 there was one more before `rule`."""
    queue = argument(queue)
    if not rule:
        return queue
    branch = (parse(version) or (22, 0))[0]
    return f"{queue},,,,,,,{rule}" if branch >= 21 else f"{queue},,,,,,,,{rule}"

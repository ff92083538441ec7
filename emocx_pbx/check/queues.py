"""The part of the check about queues: those that policy and chat name, and what keeps tiers from working."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import RefusedError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.queues import widening_rules
from emocx_pbx.routing.policy import Policy, validate
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.toml import suggestion

#: Words of joinempty and leavewhenempty, by what they mean (apps/app_queue.c, parse_empty_options).
_LOOKS_AT_PENALTY = frozenset({"penalty", "strict", "loose"})
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_FALSE = frozenset({"no", "false", "n", "f", "0", "off"})


class QueueList:
    """Asterisk's queues and their members, from the answer to QueueStatus."""

    def __init__(self, events: Sequence[Mapping[str, str]]) -> None:
        self.strategies = {
            e["Queue"]: e.get("Strategy", "")
            for e in events
            if e.get("Event") == "QueueParams" and "Queue" in e
        }
        """Strategy of each queue, by name."""
        self.members: dict[str, list[Mapping[str, str]]] = {queue: [] for queue in self.strategies}
        """Members of each queue, as QueueMember events."""
        for event in events:
            if event.get("Event") == "QueueMember" and event.get("Queue") in self.members:
                self.members[event["Queue"]].append(event)


async def queue_list(ami: Ami) -> QueueList:
    """Ask for the queues.

    Raises:
        RefusedError: app_queue is not loaded.
    """
    return QueueList((await ami.action("QueueStatus", {})).events)


def named_findings(queues: QueueList, policy: Policy | None, chat: ChatSettings) -> Iterator[Finding]:
    """Whether the queues that policy and chat name are there."""
    names = set(queues.strategies)
    if not names:
        yield Finding(
            "fail", "queues", "Asterisk has no queue", "add one to queues.conf, then: queue reload all"
        )
        return
    problems = validate(policy, names) if policy else []
    for problem in problems:
        yield Finding("fail", "queues", problem, "correct the policy, or add the queue to Asterisk")
    for place, name in [("default_queue", chat.default_queue), *(("queues", name) for name in chat.queues)]:
        if name and name not in names:
            near = suggestion(name, names)
            yield Finding(
                # A customer who is called back into a queue that is not there is hung up on.
                "fail" if place == "default_queue" else "warn",
                "queues",
                f"chat.{place}: Asterisk has no queue {name}{near}",
                "correct [chat], or add the queue to Asterisk",
            )
    for name in policy.queues() if policy else ():
        if queues.members.get(name) == []:
            yield Finding(
                "warn",
                "queues",
                f"queue {name} of the policy has no member",
                "add agents, or let them log in",
            )
    if not problems:
        named = ", ".join(sorted(names)[:8])
        yield Finding("ok", "queues", f"{len(names)} queues ({named}); the policy's are among them")


def member_findings(queues: QueueList) -> Iterator[Finding]:
    """Agents who share a name: their grades would be mixed."""
    interfaces: dict[str, set[str]] = {}
    for members in queues.members.values():
        for member in members:
            interface = member.get("Location") or member.get("Interface", "")
            name = member.get("Name") or member.get("MemberName", "") or interface
            interfaces.setdefault(name, set()).add(interface)
    for name, shared in sorted(interfaces.items()):
        if len(shared) > 1:
            yield Finding(
                "fail", "members",
                f"{len(shared)} members are named {name} ({', '.join(sorted(shared)[:4])}):"
                " their calls and grades can't be told apart",
                "give each a name of their own: the third part of member => in queues.conf, MemberName in"
                " QueueAdd, the fourth argument of AddQueueMember()",
            )  # fmt: skip


async def tier_findings(ami: Ami, policy: Policy, rule_given: bool | None, values: AsteriskValues) -> Finding:
    """Whether Asterisk ends the wait for a better agent, for a policy that asks for tiers.

    Args:
        ami: asks for queue rules.
        policy: with rules that limit who rings.
        rule_given: whether some Queue() gets the decision's rule; None: not visible.
        values: read queues.conf.
    """
    waits = policy.tier_waits()
    try:
        missing = sorted(waits - await widening_rules(ami, waits))
    except RefusedError as e:
        return Finding("warn", "tiers", f"queue rules are not visible with our rights: {e}")
    if missing:
        named = ", ".join(f"emocx-{wait}" for wait in missing)
        return Finding(
            "warn", "tiers", f"no queue rule {named}: tiers of the policy are not used",
            "include dialplan/queuerules-emocx.conf in queuerules.conf, then: queue reload rules",
        )  # fmt: skip
    if rule_given is None:
        return Finding("warn", "tiers", "whether a Queue() gets EMOCX_RULE is not visible with our rights")
    limited = {rule.queue or policy.default_queue for rule in policy.rules if rule.limited}
    without = [q for q in sorted(limited) if q and not await values.config("queues.conf", q, "defaultrule")]
    if not rule_given and without:
        return Finding(
            "fail", "tiers", "no Queue() in the dialplan gets EMOCX_RULE: who has a tier may wait for ever",
            "give Queue() the rule as its last argument, as dialplan/queuerules-emocx.conf shows, or write"
            f" defaultrule = emocx-{policy.tier_wait_s} into {', '.join(without)} in queues.conf",
        )  # fmt: skip
    return Finding("ok", "tiers", f"Asterisk ends waits for a better agent ({len(waits)} queue rules)")


async def penalty_findings(
    queues: QueueList, used: frozenset[str], tiered: frozenset[str], values: AsteriskValues
) -> AsyncIterator[Finding]:
    """Queues whose own settings ignore penalties, or lose callers because of them.

    Args:
        queues: as Asterisk has them.
        used: queues that the policy sends callers to; their members get penalties by rank.
        tiered: queues of rules that limit who rings.
        values: read queues.conf.
    """
    for queue in sorted(used & set(queues.strategies)):
        if queues.strategies[queue] == "wrandom":
            yield Finding(
                "warn", "queues", f"queue {queue} has strategy = wrandom: penalties are weights there,"
                " so the best agent does not ring first",
                f"set strategy = leastrecent (or rrmemory) for {queue} in queues.conf",
            )  # fmt: skip
        limit = (await values.config("queues.conf", queue, "penaltymemberslimit") or ["0"])[-1]
        if limit.isdigit() and int(limit) >= max(1, len(queues.members[queue])):
            yield Finding(
                "warn", "queues", f"queue {queue} ignores penalties while it has up to {limit} members"
                " (penaltymemberslimit)",
                f"take penaltymemberslimit out of {queue} in queues.conf",
            )  # fmt: skip
    for queue in sorted(tiered & set(queues.strategies)):
        for name in ("joinempty", "leavewhenempty"):
            value = (await values.config("queues.conf", queue, name) or [""])[-1]
            if looks_at_penalty(name, value):
                yield Finding(
                    "fail", "queues", f"queue {queue} has {name} = {value}: a caller of a tier is turned away"
                    " when only agents of other tiers are there",
                    f"set {name} = {'unavailable,invalid' if value not in {'penalty'} else 'unavailable'}"
                    f" for {queue} in queues.conf, then: queue reload all",
                )  # fmt: skip


def looks_at_penalty(name: str, value: str) -> bool:
    """Whether a value of joinempty or leavewhenempty counts agents beyond a caller's limits as absent."""
    words = {word.strip().lower() for word in value.split(",")}
    return bool(words & _LOOKS_AT_PENALTY or words & (_FALSE if name == "joinempty" else _TRUE))


async def media_findings(queues: QueueList, values: AsteriskValues) -> AsyncIterator[Finding]:
    """PJSIP members whose audio bypasses Asterisk: each tap renegotiates their calls."""
    interfaces = {m.get("Location", "") for members in queues.members.values() for m in members}
    endpoints = sorted({i.split("/")[1] for i in interfaces if i.startswith("PJSIP/")})
    direct = [
        name
        for name in endpoints[:200]
        if await values.get(f"PJSIP_ENDPOINT({name},direct_media)") in {"true", "yes"}
    ]
    if direct:
        named = ", ".join(direct[:6]) + (f" and {len(direct) - 6} more" if len(direct) > 6 else "")
        yield Finding(
            "warn", "members", f"direct_media is on for {named}: taps make calls renegotiate",
            "set direct_media = no on these endpoints in pjsip.conf, then: module reload res_pjsip.so",
        )  # fmt: skip

"""Penalties: tiers of agents as app_queue wants them, and what to change so that queues have them; pure.

app_queue knows one penalty per queue and member, whoever calls. The administrator's own penalties stay
the first order: the ranking orders members of equal own penalty, so that a second line that rings last
still does. Every penalty that is changed is remembered, to be put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from emocx_pbx.routing.policy import Policy
from emocx_pbx.routing.ranking import HARD, Ranking
from emocx_pbx.routing.tiers import Load, TierPlacing, placings

#: Queue and interface: what app_queue knows a member by.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A queue's member as the PBX has them."""

    queue: str
    interface: str
    agent: str
    """The member's name in grades."""
    penalty: int
    present: bool = True
    """Logged in and not paused."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a penalty that is not the administrator's."""

    queue: str
    interface: str
    original: int
    """The administrator's own."""
    applied: int
    """The last one known to be set."""
    applying: int | None = None
    """One that is just being set; after a crash it is unknown whether it was."""

    @property
    def key(self) -> Key:
        """Queue and interface."""
        return self.queue, self.interface

    def is_ours(self, penalty: int) -> bool:
        """Whether the service may have set this."""
        return penalty in (self.applied, self.applying)


@dataclass(frozen=True, slots=True)
class PenaltyPlan:
    """Steps to take, in this order: remember, set, then settle what was set and forget."""

    remember: tuple[Kept, ...] = ()
    """To be kept before anything is set; `applying` is the penalty to set."""
    forget: tuple[Key, ...] = ()
    """Nothing has to be put back there."""
    adopted: tuple[Kept, ...] = ()
    """Of those remembered: whose original is new, since the administrator changed it."""


def queue_emotions(policy: Policy) -> dict[str, str]:
    """The emotion by which each queue's members are ordered, for queues that a rule sends emotions to.

    app_queue knows one penalty per member and queue, whoever calls; so a queue that gets angry or upset
    callers at all is ordered by the angry ones, and any other by the first emotion that a rule sends there.
    The policy's `rank_by` goes before; "off" leaves a queue alone.
    """
    sent: dict[str, list[str]] = {}
    for rule in policy.rules:
        emotions = rule.emotion or ((HARD, "disappointed") if rule.upset else ())
        if rule.queue and emotions:
            sent.setdefault(rule.queue, []).extend(emotions)
    found: dict[str, str] = {queue: HARD if HARD in got else got[0] for queue, got in sent.items()}
    found |= policy.rank_by
    return {queue: emotion for queue, emotion in found.items() if emotion != "off"}


def queue_placings(
    policy: Policy,
    members: Mapping[str, Sequence[str]],
    ranking: Ranking,
    load: Mapping[str, Load] | None = None,
) -> dict[tuple[str, str], TierPlacing]:
    """The place of every agent in every queue that is ordered by an emotion, with its reason.

    Args:
        policy: tells which emotions a queue gets.
        members: agents by queue.
        ranking: expected grades of customers with them.
        load: each agent's recent calls, for the cap and the floor.
    """
    return {
        (queue, agent): placing
        for queue, emotion in queue_emotions(policy).items()
        for agent, placing in placings(ranking, emotion, members.get(queue, ()), load).items()
    }


def penalties(
    policy: Policy,
    members: Mapping[str, Sequence[str]],
    ranking: Ranking,
    load: Mapping[str, Load] | None = None,
) -> dict[tuple[str, str], int]:
    """Tiers alone of `queue_placings`; 0 rings first."""
    return {key: placing.tier for key, placing in queue_placings(policy, members, ranking, load).items()}


def agents_of(members: Iterable[Member]) -> dict[str, list[str]]:
    """Agents by queue, each once however many telephones they have."""
    found: dict[str, dict[str, None]] = {}
    for member in members:
        found.setdefault(member.queue, {})[member.agent] = None
    return {queue: list(agents) for queue, agents in found.items()}


def plan_penalties(
    members: Sequence[Member],
    kept: Mapping[Key, Kept],
    tier_of: Mapping[tuple[str, str], int],
    observed: Mapping[Key, int],
    number_of_tiers: int,
    queues: Iterable[str] = (),
) -> PenaltyPlan:
    """What has to change so that every member has the penalty that the ranking wants.

    Args:
        members: as the PBX has them now.
        kept: what was changed before.
        tier_of: tiers by queue and agent; nothing in it: put everything back.
        observed: penalties that somebody else was heard to set since the last plan.
        number_of_tiers: the width of a step of the administrator's own penalties.
        queues: queues that the PBX has; a member that is gone from one of them needs nothing put back.
    """
    remember: list[Kept] = []
    forget: list[Key] = []
    adopted: list[Kept] = []
    for member in members:
        key = member.queue, member.interface
        before = kept.get(key)
        original = observed.get(key)
        if original is None:
            ours = before is not None and before.is_ours(member.penalty)
            original = before.original if before and ours else member.penalty
        tier = tier_of.get((member.queue, member.agent))
        wanted = original if tier is None else original * number_of_tiers + tier
        now = Kept(member.queue, member.interface, original, member.penalty)
        if wanted != member.penalty:
            now = replace(now, applying=wanted)
            remember.append(now)
        elif wanted == original:
            if before:
                forget.append(key)
        elif before != now:
            remember.append(now)
        if before and original != before.original:
            adopted.append(now)
    there = {(member.queue, member.interface) for member in members}
    known = set(queues)
    forget += [key for key in kept if key not in there and key[0] in known]
    return PenaltyPlan(tuple(remember), tuple(forget), tuple(adopted))


def settled(change: Kept) -> Kept | None:
    """What to remember once `applying` was set; None: it is the administrator's own again."""
    done = change.applied if change.applying is None else change.applying
    return None if done == change.original else replace(change, applied=done, applying=None)

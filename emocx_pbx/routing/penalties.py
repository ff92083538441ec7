"""Penalties: tiers of agents as app_queue wants them, one number per queue and member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emocx_pbx.routing.policy import Policy
from emocx_pbx.routing.ranking import HARD, Load, Ranking, tiers


def queue_emotions(policy: Policy) -> dict[str, str]:
    """The emotion by which each queue's members are ordered, for queues that a rule sends emotions to.

    app_queue knows one penalty per member and queue, whoever calls; so a queue that gets angry callers
    at all is ordered by them, and any other by the first emotion that a rule sends there.
    """
    sent: dict[str, list[str]] = {}
    for rule in policy.rules:
        if rule.queue and rule.emotion:
            sent.setdefault(rule.queue, []).extend(rule.emotion)
    return {queue: HARD if HARD in emotions else emotions[0] for queue, emotions in sent.items()}


def penalties(
    policy: Policy,
    members: Mapping[str, Sequence[str]],
    ranking: Ranking,
    load: Mapping[str, Load] | None = None,
) -> dict[tuple[str, str], int]:
    """The penalty of every member of every queue that is ordered by an emotion; 0 rings first.

    Args:
        policy: tells which emotions a queue gets.
        members: agents by queue.
        ranking: how customers fare with them.
        load: what each got lately, for the cap and the floor.
    """
    return {
        (queue, agent): tier
        for queue, emotion in queue_emotions(policy).items()
        for agent, tier in tiers(ranking, emotion, members.get(queue, ()), load).items()
    }

"""Tiers: who rings first for callers of an emotion, and why each agent stands where they do. Pure.

A cap on angry callers protects people; a floor on calls keeps anybody from starving. Both look at counts
of a shift, which are small: a share is over the cap only when so few calls can already tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emocx_pbx.routing.ranking import HARD, Ranking, RankingPlan


@dataclass(frozen=True, slots=True)
class Load:
    """What an agent got in the window."""

    calls: int = 0
    hard: int = 0


@dataclass(frozen=True, slots=True)
class TierPlacing:
    """Where an agent stands for callers of an emotion."""

    tier: int
    """0 rings first."""
    why: str
    """As a sentence for people."""


def loads(calls: Iterable[tuple[str, str, float]], now: float, plan: RankingPlan) -> dict[str, Load]:
    """Each agent's load in the window, from (agent, emotion, Unix seconds) of calls."""
    found: dict[str, Load] = {}
    for agent, emotion, at in calls:
        if now - plan.load_window_s < at <= now:
            load = found.get(agent, Load())
            found[agent] = Load(load.calls + 1, load.hard + (emotion == HARD))
    return found


def placings(
    ranking: Ranking, emotion: str, agents: Sequence[str], load: Mapping[str, Load] | None = None
) -> dict[str, TierPlacing]:
    """Tiers of agents for callers of an emotion, each with its reason: 0 rings first.

    Agents within `step` points of the best share tier 0, those within `step` of the best of the rest
    tier 1, and so on. For angry callers an agent over the cap goes to the last tier until their share
    falls; for others one under the floor goes to the first until they have caught up.
    """
    if not agents:
        return {}
    plan, load = ranking.plan, load or {}
    index = {agent: ranking.estimate(agent, emotion).index(plan.optimism) for agent in agents}
    last = plan.tiers - 1
    found: dict[str, TierPlacing] = {}
    tier, best = 0, max(index.values())
    top = best
    for agent in sorted(index, key=lambda a: (-index[a], a)):
        if best - index[agent] >= plan.step:
            tier, best = tier + 1, index[agent]
        found[agent] = TierPlacing(min(last, tier), _behind(top - index[agent], tier, plan))
    if emotion == HARD:
        for agent in over_cap(load, agents, plan):
            found[agent] = TierPlacing(last, _capped(load, agents, agent, plan))
    else:
        for agent in under_floor(load, agents, plan):
            found[agent] = TierPlacing(0, _starved(load, agents, agent, plan))
    return found


def tiers(
    ranking: Ranking, emotion: str, agents: Sequence[str], load: Mapping[str, Load] | None = None
) -> dict[str, int]:
    """Tiers alone of `placings`."""
    return {agent: placing.tier for agent, placing in placings(ranking, emotion, agents, load).items()}


def _behind(points: float, tier: int, plan: RankingPlan) -> str:
    """Why an agent stands where the estimates put them, as a sentence."""
    if tier == 0:
        return "the best for these callers" if points == 0 else f"within {plan.step:g} points of the best"
    return f"{points:.1f} points behind the best"


def _capped(load: Mapping[str, Load], agents: Sequence[str], agent: str, plan: RankingPlan) -> str:
    own, (calls, hard) = load[agent], _together(load, agents)
    return (
        f"protected: {own.hard} of {own.calls} callers within {plan.load_window_s / 3600:g} h were angry, "
        f"surely over {plan.hard_cap:g} times everybody's {hard} of {calls}"
    )


def _starved(load: Mapping[str, Load], agents: Sequence[str], agent: str, plan: RankingPlan) -> str:
    calls, _ = _together(load, agents)
    own, equal = load.get(agent, Load()).calls, calls / len(agents)
    return (
        f"catching up: {own} calls within {plan.load_window_s / 3600:g} h, "
        f"under {plan.floor:g} times an equal share of {equal:.1f}"
    )


def over_cap(load: Mapping[str, Load], agents: Sequence[str], plan: RankingPlan) -> frozenset[str]:
    """Agents whose share of angry callers is surely over the cap; never all of them (cap at least 1)."""
    calls, hard = _together(load, agents)
    if not calls:
        return frozenset()
    most = max(1.0, plan.hard_cap) * hard / calls
    known = {a: load.get(a, Load()) for a in agents}
    return frozenset(
        a
        for a, x in known.items()
        if x.calls >= plan.least_calls
        and x.hard >= plan.least_hard
        and surely(x.hard, x.calls, plan.hard_doubt) > most
    )


def surely(hits: int, of: int, sds: float) -> float:
    """The least share that a count of so few still speaks for: lower bound of Wilson (1927), 0 to 1."""
    share, spread = hits / of, sds**2 / of
    half = sds * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, (share + spread / 2 - half) / (1 + spread))


def _together(load: Mapping[str, Load], agents: Sequence[str]) -> tuple[int, int]:
    """Calls and angry ones of these agents."""
    known = [load.get(a, Load()) for a in agents]
    return sum(x.calls for x in known), sum(x.hard for x in known)


def under_floor(load: Mapping[str, Load], agents: Sequence[str], plan: RankingPlan) -> frozenset[str]:
    """Agents with far fewer calls than an equal share, once there are enough calls to tell."""
    calls = [load.get(a, Load()).calls for a in agents]
    equal = sum(calls) / len(agents) if agents else 0.0
    if equal < plan.least_calls:
        return frozenset()
    return frozenset(a for a, n in zip(agents, calls, strict=True) if n < plan.floor * equal)

"""The ranking: from grades to how well each agent's customers of each emotion fare, and to tiers.

A score is taken as  mean of the emotion + agent + agent with that emotion + chance.  Both effects are
shrunk towards zero by how few calls they rest on (partial pooling; Efron & Morris 1975, James-Stein by
empirical Bayes), so nobody is ranked on three lucky calls. What is not known of an agent is counted in
his favour (optimism in the face of uncertainty; Auer 2002), so that new agents are tried. A cap on
angry callers protects people; a floor on calls keeps anybody from starving.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)

#: The emotion whose callers cost their agent most.
HARD: Final = "angry"


@dataclass(frozen=True, slots=True)
class RankingPlan:
    """Numbers that shape the ranking; all points are on the grade's scale of 0 to 100."""

    noise_sd: float = 15.0
    """Spread of one agent's grades with customers of one emotion."""
    agent_sd: float = 6.0
    """Spread of agents over all their customers."""
    pair_sd: float = 6.0
    """Spread of one agent over emotions."""
    prior_calls: float = 10.0
    """How many calls the mean of all emotions counts for in the mean of one."""
    half_life_s: float = 60 * 86400.0
    """A call so old counts half."""
    optimism: float = 0.5
    """Standard deviations of doubt that are counted in an agent's favour."""
    step: float = 2.0
    """Points that make a tier: who is as close as this to another is as good as he."""
    tiers: int = 8
    """Number of tiers; 0 is the best."""
    load_window_s: float = 8 * 3600.0
    """The time that the cap and the floor look back: about a shift."""
    hard_cap: float = 2.0
    """An agent's share of angry callers is at most so many times everybody's."""
    floor: float = 0.5
    """An agent gets at least about this part of an equal share of calls."""
    least_calls: int = 5
    """Under so many calls in the window a share means nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One graded segment."""

    agent: str
    emotion: str
    """The customer's, when the call was routed."""
    score: float
    at: float
    """Unix seconds."""
    calls: float = 1.0
    """How many such calls of that mean score it stands for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How customers of an emotion may be expected to fare with an agent."""

    mean: float
    """Points."""
    sd: float
    """Standard deviation of what is not known of it, points."""
    calls: float
    """Calls it rests on, old ones counted in part."""

    def index(self, optimism: float) -> float:
        """What agents are ordered by."""
        return self.mean + optimism * self.sd


@dataclass(frozen=True, slots=True)
class Load:
    """What an agent got in the window."""

    calls: int = 0
    hard: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """Estimates of every agent with every emotion that anybody was graded on."""

    plan: RankingPlan
    means: Mapping[str, float]
    """Expected score by emotion."""
    overall: float
    """Expected score of an emotion never seen."""
    agents: Mapping[str, tuple[float, float]]
    """By agent: his effect over all emotions, and the calls it rests on."""
    pairs: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """By agent and emotion: the further effect, and the calls it rests on."""

    def estimate(self, agent: str, emotion: str) -> Estimate:
        """Of any agent with any emotion; of a new one the mean, with all the doubt there is."""
        plan = self.plan
        noise = plan.noise_sd**2
        general, n_agent = self.agents.get(agent, (0.0, 0.0))
        special, n_pair = self.pairs.get((agent, emotion), (0.0, 0.0))
        k_agent, k_pair = noise / plan.agent_sd**2, noise / plan.pair_sd**2
        # What the pair's own calls tell needs no knowledge of the agent in general.
        borrowed = k_pair / (n_pair + k_pair)
        variance = noise / (n_pair + k_pair) + borrowed**2 * noise / (n_agent + k_agent)
        mean = self.means.get(emotion, self.overall) + general + special
        return Estimate(mean, math.sqrt(variance), n_pair)


def rank(outcomes: Iterable[Outcome], now: float, plan: RankingPlan | None = None) -> Ranking:
    """Estimate all effects from grades.

    Args:
        outcomes: graded segments with a score; in any order.
        now: Unix seconds; older calls weigh less.
        plan: numbers.
    """
    plan = plan or RankingPlan()
    weighed = [(o, o.calls * 0.5 ** (max(0.0, now - o.at) / plan.half_life_s)) for o in outcomes]
    overall = _shrunk(((w, o.score) for o, w in weighed), towards=50.0, calls=1.0)[0]
    means: dict[str, float] = {}
    for emotion, group in _grouped(weighed, lambda o: o.emotion).items():
        means[emotion] = _shrunk(((w, o.score) for o, w in group), overall, plan.prior_calls)[0]
    noise = plan.noise_sd**2
    agents: dict[str, tuple[float, float]] = {}
    for agent, group in _grouped(weighed, lambda o: o.agent).items():
        residuals = ((w, o.score - means[o.emotion]) for o, w in group)
        agents[agent] = _shrunk(residuals, 0.0, noise / plan.agent_sd**2)
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    for pair, group in _grouped(weighed, lambda o: (o.agent, o.emotion)).items():
        general = agents[pair[0]][0]
        rest = ((w, o.score - means[o.emotion] - general) for o, w in group)
        pairs[pair] = _shrunk(rest, 0.0, noise / plan.pair_sd**2)
    return Ranking(plan, means, overall, agents, pairs)


def loads(calls: Iterable[tuple[str, str, float]], now: float, plan: RankingPlan) -> dict[str, Load]:
    """Each agent's load in the window, from (agent, emotion, Unix seconds) of calls."""
    found: dict[str, Load] = {}
    for agent, emotion, at in calls:
        if now - plan.load_window_s < at <= now:
            load = found.get(agent, Load())
            found[agent] = Load(load.calls + 1, load.hard + (emotion == HARD))
    return found


def tiers(
    ranking: Ranking, emotion: str, agents: Sequence[str], load: Mapping[str, Load] | None = None
) -> dict[str, int]:
    """Tiers of agents for callers of an emotion: 0 rings first.

    Agents within `step` points of the best share tier 0, and so on. For angry callers an agent over
    the cap goes to the last tier until his share falls; for others one under the floor goes to the
    first until he has caught up.
    """
    if not agents:
        return {}
    plan, load = ranking.plan, load or {}
    index = {agent: ranking.estimate(agent, emotion).index(plan.optimism) for agent in agents}
    best = max(index.values())
    last = plan.tiers - 1
    found = {agent: min(last, int((best - i) / plan.step)) for agent, i in index.items()}
    protected = over_cap(load, agents, plan) if emotion == HARD else frozenset()
    hungry = under_floor(load, agents, plan) if emotion != HARD else frozenset()
    return {a: last if a in protected else 0 if a in hungry else tier for a, tier in found.items()}


def over_cap(load: Mapping[str, Load], agents: Sequence[str], plan: RankingPlan) -> frozenset[str]:
    """Agents whose share of angry callers is over the cap; never all of them (cap at least 1)."""
    known = {a: load.get(a, Load()) for a in agents}
    calls, hard = sum(x.calls for x in known.values()), sum(x.hard for x in known.values())
    if not calls:
        return frozenset()
    most = max(1.0, plan.hard_cap) * hard / calls
    return frozenset(a for a, x in known.items() if x.calls >= plan.least_calls and x.hard / x.calls > most)


def under_floor(load: Mapping[str, Load], agents: Sequence[str], plan: RankingPlan) -> frozenset[str]:
    """Agents with far fewer calls than an equal share, once there are enough calls to tell."""
    calls = [load.get(a, Load()).calls for a in agents]
    equal = sum(calls) / len(agents) if agents else 0.0
    if equal < plan.least_calls:
        return frozenset()
    return frozenset(a for a, n in zip(agents, calls, strict=True) if n < plan.floor * equal)


def _shrunk(values: Iterable[tuple[float, float]], towards: float, calls: float) -> tuple[float, float]:
    """Weighted mean pulled towards a value that counts for so many calls, and the weight it rests on."""
    total = weight = 0.0
    for w, value in values:
        weight += w
        total += w * (value - towards)
    return towards + total / (weight + calls), weight


def _grouped(
    items: Iterable[tuple[Outcome, float]], key: Callable[[Outcome], K]
) -> dict[K, list[tuple[Outcome, float]]]:
    groups: dict[K, list[tuple[Outcome, float]]] = defaultdict(list)
    for outcome, weight in items:
        groups[key(outcome)].append((outcome, weight))
    return groups

"""The ranking: from grades to the expected grade of each agent with customers of each emotion.

A score is taken as  mean of the emotion + agent + agent with that emotion + chance.  An agent's effects
have a prior (normal, around zero), so few calls pull towards the mean: partial pooling, as the exact
posterior of a linear model (Lindley & Smith 1972). A caller's emotion is never known for sure: what the
call itself told of it counts beside what was heard before (`Outcome.signals`), and an estimate for callers
heard as angry is one for the mixture of callers who were heard so. What is not known of an agent is
counted in their favour (optimism in the face of uncertainty; Auer 2002), so that new agents are tried.
Tiers are made of it in tiers.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from emocx_pbx.domain import LABELS, UNCERTAIN
from emocx_pbx.routing import linear
from emocx_pbx.routing.linear import Matrix, Vector

#: The emotions by which callers are distinguished.
EMOTIONS: Final = (*(str(label) for label in LABELS), UNCERTAIN)
_PLACE: Final = {emotion: place for place, emotion in enumerate(EMOTIONS)}
_UNSURE: Final = _PLACE[UNCERTAIN]
#: Means and agents' effects are estimated in turn, so often: by then nothing moves any more.
ROUNDS: Final = 3

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
    mean_sd: float = 15.0
    """Spread of emotions' means around that of all."""
    mixture_calls: float = 10.0
    """How many calls it takes to believe half that callers are not what they were heard as."""
    half_life_s: float = 60 * 86400.0
    """A call so old counts half."""
    optimism: float = 0.5
    """Standard deviations of doubt that are counted in an agent's favour."""
    step: float = 2.0
    """Points that make a tier: an agent this close to the best of a tier counts as good as the best."""
    tiers: int = 10
    """Number of tiers; 0 is the best, the last is also for agents who have had their share of anger."""
    load_window_s: float = 8 * 3600.0
    """The time that the cap and the floor look back: about a shift."""
    hard_cap: float = 2.0
    """An agent's share of angry callers is at most this many times everybody's."""
    least_hard: int = 3
    """With fewer angry callers in the window nobody is over the cap."""
    hard_doubt: float = 1.0
    """Standard deviations by which the share must be over the cap: few calls tell little of a share."""
    floor: float = 0.5
    """An agent gets at least about this part of an equal share of calls."""
    least_calls: int = 5
    """With fewer calls than this in the window a share means nothing."""


class RankingSample(msgspec.Struct, frozen=True, gc=False):
    """One graded segment. A Struct, because a ranking is made of very many."""

    agent: str
    emotion: str
    """The customer's, when the call was routed."""
    score: float
    at: float
    """Unix seconds."""
    calls: float = 1.0
    """How many such calls of that mean score it stands for."""
    signals: tuple[float, float, float, float] | None = None
    """Probabilities of what the customer was at the segment's begin, in LABELS' order, by all that is
    known after it; None: nothing is known but `emotion`."""

    def weights(self) -> Vector:
        """How much it tells of each of EMOTIONS."""
        if self.signals is not None:
            return [*self.signals, 0.0]
        return [1.0 if _kind(self.emotion) == emotion else 0.0 for emotion in EMOTIONS]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected grade of an agent with customers of one emotion."""

    mean: float
    """Points."""
    sd: float
    """Standard deviation of the estimate, in points."""
    calls: float
    """Calls it rests on, old ones counted in part."""

    def index(self, optimism: float) -> float:
        """What agents are ordered by."""
        return self.mean + optimism * self.sd


@dataclass(frozen=True, slots=True)
class Effects:
    """An agent's effect on customers of each of EMOTIONS: what is expected, and what is not known."""

    mean: Vector
    covariance: Matrix
    calls: Vector
    """Calls with customers heard as each emotion; old ones count in part."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Estimates of every agent with every emotion that anybody was graded on."""

    plan: RankingPlan
    means: Vector
    """Expected score by emotion."""
    mixture: Mapping[str, Vector]
    """What customers really were, by what they were heard as."""
    shares: Vector
    """Shares of all customers by emotion."""
    agents: Mapping[str, Effects]

    def estimate(self, agent: str, emotion: str) -> Estimate:
        """For callers heard as this emotion, with any agent; a new one gets all the doubt there is."""
        kind = _kind(emotion)
        calls = self.agents[agent].calls[_PLACE[kind]] if agent in self.agents else 0.0
        return self._expected(agent, self.mixture[kind], calls)

    def overall(self, agent: str) -> Estimate:
        """For callers as they come, with any agent."""
        calls = sum(self.agents[agent].calls) if agent in self.agents else 0.0
        return self._expected(agent, self.shares, calls)

    @property
    def level(self) -> float:
        """The score to expect of anybody with customers as they come."""
        return linear.dot(self.shares, self.means)

    def level_of(self, emotion: str) -> float:
        """The score to expect of anybody with customers heard as this emotion."""
        return linear.dot(self.mixture[_kind(emotion)], self.means)

    def _expected(self, agent: str, mixed: Vector, calls: float) -> Estimate:
        effects = self.agents.get(agent) or _unknown(self.plan)
        mean = linear.dot(mixed, self.means) + linear.dot(mixed, effects.mean)
        variance = linear.dot(mixed, linear.times(effects.covariance, mixed))
        return Estimate(mean, math.sqrt(variance), calls)


@dataclass(slots=True)
class _Sums:
    """What an agent's outcomes add up to."""

    alone: Vector
    """Weights of the outcomes that count for the emotion that was heard alone."""
    xx: Matrix
    xy: Vector
    calls: Vector
    apart: bool = True
    """Whether all outcomes are of that kind: then `xx` is diagonal."""

    @classmethod
    def none(cls) -> _Sums:
        """Of no outcome."""
        return cls(linear.zeros(), linear.square(), linear.zeros(), linear.zeros())


def rank(outcomes: Iterable[RankingSample], now: float, plan: RankingPlan | None = None) -> Ranking:
    """Estimate all effects from grades.

    Args:
        outcomes: graded segments with a score; in any order.
        now: Unix seconds; older calls weigh less.
        plan: numbers.
    """
    plan = plan or RankingPlan()
    sums: dict[str, _Sums] = {}
    mixed = linear.square()
    for outcome in outcomes:
        age_s = now - outcome.at
        weight = outcome.calls * 0.5 ** (age_s / plan.half_life_s) if age_s > 0.0 else outcome.calls
        own = sums.get(outcome.agent)
        if own is None:
            own = sums[outcome.agent] = _Sums.none()
        kind = _PLACE.get(outcome.emotion, _UNSURE)
        if outcome.signals is None:  # as most are
            own.alone[kind] += weight
            own.xy[kind] += weight * outcome.score
            continue
        own.apart = False
        own.calls[kind] += weight
        x = outcome.weights()
        for i, share in enumerate(x):
            own.xy[i] += weight * share * outcome.score
            linear.add(own.xx[i], x, weight * share)
        linear.add(mixed[kind], x, weight)
    for own in sums.values():
        for kind, weight in enumerate(own.alone):
            own.xx[kind][kind] += weight
            own.calls[kind] += weight
            mixed[kind][kind] += weight
    covariances = {agent: _covariance(own, plan) for agent, own in sums.items()}
    gains = {agent: linear.scaled(found, plan.noise_sd**-2) for agent, found in covariances.items()}
    effects = {agent: linear.zeros() for agent in sums}
    together = _Together.of(sums, plan)
    means = together.means(effects)
    for _ in range(ROUNDS):
        for agent, own in sums.items():
            left = linear.minus(own.xy, linear.times(own.xx, means))
            effects[agent] = linear.times(gains[agent], left)
        means = together.means(effects)
    return Ranking(
        plan,
        means,
        {
            observed: _mixture(observed, really, plan)
            for observed, really in zip(EMOTIONS, mixed, strict=True)
        },
        _shares(mixed),
        {agent: Effects(effects[agent], covariances[agent], own.calls) for agent, own in sums.items()},
    )


@dataclass(frozen=True, slots=True)
class _Together:
    """What all agents' outcomes add up to: the same in each round of estimating their effects."""

    sums: Mapping[str, _Sums]
    xx: Matrix
    weight: float
    solved: Matrix
    """Inverse of `xx` with the prior of the emotions' means."""

    @classmethod
    def of(cls, sums: Mapping[str, _Sums], plan: RankingPlan) -> _Together:
        in_order = {agent: sums[agent] for agent in sorted(sums)}
        rows = zip(linear.square(), *(own.xx for own in in_order.values()), strict=True)
        xx = [linear.total(of_all) for of_all in rows]
        prior = (plan.noise_sd / plan.mean_sd) ** 2
        with_prior = [[v + prior if i == j else v for j, v in enumerate(row)] for i, row in enumerate(xx)]
        return cls(in_order, xx, sum(map(sum, xx)), linear.inverse(with_prior))

    def means(self, effects: Mapping[str, Vector]) -> Vector:
        """Scores to expect by emotion, less the agents' effects, pulled towards the mean of all."""
        xy = linear.total(
            linear.minus(own.xy, linear.times(own.xx, effects[agent])) for agent, own in self.sums.items()
        )
        overall = (50.0 + sum(xy)) / (1.0 + self.weight)
        rest = linear.minus(xy, linear.times(self.xx, [overall] * len(EMOTIONS)))
        return [overall + d for d in linear.times(self.solved, rest)]


def _covariance(own: _Sums, plan: RankingPlan) -> Matrix:
    """Of an agent's effects: what their prior and their calls leave open."""
    shared, single, size = plan.agent_sd**2, plan.pair_sd**2, len(EMOTIONS)
    # The prior's precision is the inverse of shared * ones + single * identity (Sherman & Morrison 1950).
    off = -shared / (single * (single + size * shared))
    precision = linear.scaled(own.xx, plan.noise_sd**-2)
    for place, row in enumerate(precision):
        row[place] += 1 / single
    if own.apart:
        return linear.inverse_of_diagonal_and(off, [row[place] for place, row in enumerate(precision)])
    return linear.inverse([[value + off for value in row] for row in precision])


def _mixture(observed: str, really: Vector, plan: RankingPlan) -> Vector:
    """Shares of what customers heard so were; with few of them, mostly what they were heard as."""
    prior = [plan.mixture_calls if emotion == observed else 0.0 for emotion in EMOTIONS]
    total = sum(really) + plan.mixture_calls
    return [(a + b) / total for a, b in zip(prior, really, strict=True)]


def _shares(mixed: Iterable[Vector]) -> Vector:
    """Shares of all customers by emotion; equal while there is none."""
    total = linear.total(mixed)
    every = sum(total)
    return [part / every if every else 1 / len(EMOTIONS) for part in total]


def _kind(emotion: str) -> str:
    """One of EMOTIONS; whatever else was written down, nothing was heard for sure."""
    return emotion if emotion in EMOTIONS else UNCERTAIN


def _unknown(plan: RankingPlan) -> Effects:
    """Of an agent without a grade."""
    return Effects(linear.zeros(), _covariance(_Sums.none(), plan), linear.zeros())

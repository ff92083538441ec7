"""The page of agents: the ranking with its uncertainty, by the customer's emotion, trend, and letters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from emocx_pbx.routing.ranking import Estimate, Ranking, RankingPlan, RankingSample, rank
from emocx_pbx.store.list_rows import AgentCell
from emocx_pbx.web.shown.intervals import Z95, ShownInterval, Sums, change, interval, mean_interval, together
from emocx_pbx.web.shown.scale import Scale, points_scale
from emocx_pbx.web.strings import t

#: Letters, best first.
LETTERS: Final = ("A", "B", "C", "D", "E")
#: The emotions that customers arrive with, worst first; none: no query was made.
ARRIVALS: Final = ("angry", "disappointed", "neutral", "happy", "uncertain", "none")
#: Bins that the period is cut into, for trends.
BINS: Final = 8


class TrendPoint(msgspec.Struct, frozen=True, gc=False):
    """One bin of a trend; `y` values are per cent from the top. A Struct, because a page has very many."""

    x: float
    since: float
    until: float
    mean: float | None
    low: float | None
    high: float | None
    number: int
    y: float
    y_high: float
    height: float


@dataclass(frozen=True, slots=True)
class LetterShare:
    """How often a letter was given."""

    letter: str
    number: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent in the ranking."""

    agent: str
    estimate: ShownInterval
    """Estimate for the chosen emotion, or for all."""
    best_place: int
    worst_place: int
    """The agent's rank is between these: others' intervals overlap theirs."""
    by_emotion: tuple[tuple[str, ShownInterval], ...]
    graded: int
    insufficient: int
    """Number of segments with too little speech for a grade."""
    letters: tuple[LetterShare, ...]
    trend: tuple[TrendPoint, ...]
    trend_words: str

    @property
    def places(self) -> str:
        """`1 to 3`, or `1`."""
        low, high = self.best_place, self.worst_place
        return t("agents.place", n=1 + high - low, low=low, high=high)


@dataclass(frozen=True, slots=True)
class AgentsView:
    """All agents, best first."""

    rows: tuple[AgentRow, ...]
    emotion: str | None
    scale: Scale
    emotions: tuple[tuple[str, int], ...]
    """What can be chosen, with the number of grades."""
    graded: int
    distinguishable: bool
    """Whether any two agents differ significantly."""

    @property
    def words(self) -> Mapping[str, str]:
        """What each of `emotions` is called."""
        return {
            e: t("agents.nothing_asked") if e == "none" else t(f"common.emotion.{e}")
            for e, _ in self.emotions
        }


def agents_view(
    cells: Sequence[AgentCell],
    letters: Mapping[str, Mapping[str, int]],
    since: float,
    now: float,
    emotion: str | None = None,
    only_agent: str | None = None,
    plan: RankingPlan | None = None,
) -> AgentsView:
    """The ranking as a page.

    Args:
        cells: the grades of a period, in BINS bins; of all agents, since an estimate borrows from others.
        letters: how often each agent got each letter; `-` is insufficient evidence.
        since: begin of the period.
        now: end of the period.
        emotion: order agents by results with customers who arrived with it; None: with all customers.
        only_agent: show only this agent (what an agent may see).
        plan: the ranking's numbers.
    """
    step = max(1.0, now - since) / BINS
    outcomes = (
        RankingSample(c.agent, c.arrived_as, c.mean, since + (c.bin + 0.5) * step, c.graded)
        for c in cells
        if c.graded
    )
    ranking = rank(outcomes, now, plan)
    counts: Counter[str] = Counter()
    of_agent: dict[str, list[AgentCell]] = {}
    for c in cells:
        counts[c.arrived_as] += c.graded
        of_agent.setdefault(c.agent, []).append(c)
    agents = sorted({*of_agent, *letters})
    all_bounds = {agent: _bounds(_estimate(ranking, agent, emotion)) for agent in agents}
    places = Places.of([(low, high) for _, low, high, _ in all_bounds.values()])
    shown = {a: b for a, b in all_bounds.items() if only_agent is None or a == only_agent}
    emotions = [e for e in ARRIVALS if counts[e]]
    pairs = {(a, e): _bounds(ranking.estimate(a, e)) for a in shown for e in emotions}
    scale = points_scale([v for _, low, high, _ in [*shown.values(), *pairs.values()] for v in (low, high)])
    adjustments = {e: ranking.level - ranking.level_of(e) for e in counts}
    rows = []
    for agent in sorted(shown, key=lambda a: (-all_bounds[a][0], a)):
        own, given, bounds = of_agent.get(agent, []), letters.get(agent, {}), all_bounds[agent]
        words, trend = _trend(own, adjustments, since, now)
        best, worst = places.between(bounds[1], bounds[2])
        rows.append(
            AgentRow(
                agent=agent,
                estimate=interval(*bounds, scale),
                best_place=best,
                worst_place=worst,
                by_emotion=tuple([(e, interval(*pairs[agent, e], scale)) for e in emotions]),
                graded=sum([c.graded for c in own]),
                insufficient=given.get("-", 0),
                letters=letter_shares(given),
                trend=trend,
                trend_words=words,
            )
        )
    apart = any(r.worst_place < len(agents) or r.best_place > 1 for r in rows)
    arrived_as = tuple((e, counts[e]) for e in emotions)
    return AgentsView(tuple(rows), emotion, scale, arrived_as, sum(counts.values()), apart)


def _estimate(ranking: Ranking, agent: str, emotion: str | None) -> Estimate:
    """With one emotion, or over all that anybody was graded on."""
    if emotion is not None:
        return ranking.estimate(agent, emotion)
    return ranking.overall(agent)


Bounds = tuple[float, float, float, float]
"""Mean, low, high, and the number of calls behind them."""


def _bounds(estimate: Estimate) -> Bounds:
    low, high = estimate.mean - Z95 * estimate.sd, estimate.mean + Z95 * estimate.sd
    return estimate.mean, max(0.0, low), min(100.0, high), estimate.calls


@dataclass(frozen=True, slots=True)
class Places:
    """All agents' ranges, for the places that each may have among them."""

    lows: Sequence[float]
    highs: Sequence[float]
    """Both in ascending order."""

    @classmethod
    def of(cls, ranges: Sequence[tuple[float, float]]) -> Places:
        """From each agent's low and high."""
        return cls(sorted([low for low, _ in ranges]), sorted([high for _, high in ranges]))

    def between(self, low: float, high: float) -> tuple[int, int]:
        """The best and the worst place of one of them: behind those who are surely better, and before those
        who are surely not as good.
        """
        number = len(self.lows)
        better = number - bisect_right(self.lows, high)
        worse = bisect_left(self.highs, low)
        beside_itself = int(low > high)  # a range off the scale's end is no reason to be behind oneself
        return 1 + better - beside_itself, number - worse + beside_itself


def letter_shares(letters: Mapping[str, int]) -> tuple[LetterShare, ...]:
    """The letters as shares of a bar; those never given are left out."""
    names = (*LETTERS, *sorted(set(letters) - {*LETTERS, "-"}))
    total = sum(letters.get(name, 0) for name in names)
    scale, found, at = Scale(0.0, float(total)), [], 0
    for name in names:
        if number := letters.get(name, 0):
            found.append(LetterShare(name, number, scale.at(at), scale.width(at, at + number)))
            at += number
    return tuple(found)


def _trend(
    own: Sequence[AgentCell], adjustments: Mapping[str, float], since: float, now: float
) -> tuple[str, tuple[TrendPoint, ...]]:
    """Means over time, adjusted for how customers arrived, and what can be said about their change."""
    numbers, totals, squares = [0] * BINS, [0.0] * BINS, [0.0] * BINS
    for cell in own:
        number, by, place = cell.graded, adjustments[cell.arrived_as], min(BINS - 1, max(0, cell.bin))
        total = number * cell.mean
        numbers[place] += number
        totals[place] += total + number * by
        squares[place] += cell.squares + by * (2 * total + number * by)
    if not any(numbers):
        return t("agents.trend.none"), ()
    of_bins = [
        Sums.of(number, total / number, square) if number else Sums(0, 0.0, 0.0)
        for number, total, square in zip(numbers, totals, squares, strict=True)
    ]
    middle = (next(i for i, number in enumerate(numbers) if number) + BINS) // 2
    step = (now - since) / BINS
    points = tuple([
        _trend_point(i, since + i * step, since + (i + 1) * step, sums) for i, sums in enumerate(of_bins)
    ])  # fmt: skip
    return _moved_words(change(together(of_bins[:middle]), together(of_bins[middle:]))), points


def _trend_point(number: int, since: float, until: float, sums: Sums) -> TrendPoint:
    x, found = round(100 * (number + 0.5) / BINS, 2), mean_interval(sums)
    if found is None:
        return TrendPoint(x, since, until, None, None, None, sums.number, 0.0, 0.0, 0.0)
    low, high = max(0.0, found[0]), min(100.0, found[1])
    return TrendPoint(
        x, since, until, sums.mean, low, high, sums.number,
        round(100 - sums.mean, 2), round(100 - high, 2), round(high - low, 2),
    )  # fmt: skip


def _moved_words(moved: tuple[float, float] | None) -> str:
    if moved is None:
        return t("agents.trend.few")
    low, high = moved
    if low > 0:
        return t("agents.trend.rising", low=f"{low:.0f}", high=f"{high:.0f}")
    if high < 0:
        return t("agents.trend.falling", low=f"{-high:.0f}", high=f"{-low:.0f}")
    return t("agents.trend.unclear")

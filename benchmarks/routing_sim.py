"""Does routing by grades pay? A simulated call centre, run through the real policy, decision and ranking.

    python -m benchmarks.routing_sim [--json] [--seeds N] [--learn N] [--calls N] [--right P] [--plot FILE]

Callers with emotions come by a daily curve, agents have true skills per emotion that nobody tells the
router. Every call goes: noisy classification -> `decide` -> free member of lowest penalty (that is
app_queue's rule; ties go to the longest idle) -> noisy grade -> `rank` -> `penalties`. Routers compared:
random, longest idle, ours, and two oracles that know every skill: one hears callers as we do, the other
knows their true emotion. All are work-conserving: nobody waits while an agent is free.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from emocx_pbx.domain import LABELS, Scores
from emocx_pbx.emotion.fusion import fuse
from emocx_pbx.routing.decision import QueryFacts, decide
from emocx_pbx.routing.penalties import penalties
from emocx_pbx.routing.policy import Policy, Rule
from emocx_pbx.routing.ranking import HARD, RankingPlan, RankingSample, rank
from emocx_pbx.routing.tiers import loads

EMOTIONS = tuple(str(label) for label in LABELS)


#: Fewer calls leave agents without callers, and nobody waiting.
LEAST_CALLS: Final = 500


@dataclass(frozen=True, slots=True)
class World:
    """The simulated centre."""

    agents: int = 24
    mix: tuple[float, ...] = (0.2, 0.45, 0.22, 0.13)
    """Share of callers by emotion, in LABELS' order."""
    means: tuple[float, ...] = (45.0, 64.0, 50.0, 78.0)
    """Mean outcome by emotion."""
    agent_sd: float = 5.0
    pair_sd: float = 6.0
    noise_sd: float = 14.0
    """Of an outcome that agent and emotion do not explain, and of its grade."""
    right: float = 0.7
    """Share of callers whose emotion is classified rightly before the call."""
    right_after: float = 0.79
    """Share whose emotion the first readings tell rightly: the recall of voice/2 on its test set."""
    handle_s: float = 280.0
    handle_sigma: float = 0.6
    """Of the logarithm: handle times are lognormal."""
    busy: float = 0.7
    """Share of agents' time in calls, over the day."""
    graded: float = 0.85
    """Share of calls with evidence enough for a grade."""
    newcomer_at: int = 700
    """After so many calls one agent is replaced by a new one of unknown skill."""


@dataclass(slots=True)
class Caller:
    """One call on its way."""

    number: int
    at: float
    emotion: str
    heard: str
    """What the classifier says."""
    sounded: str
    """What the readings of the call say."""
    handle_s: float
    noise: float
    graded: bool


@dataclass(slots=True)
class Tally:
    """What a router achieved in the calls that count."""

    outcomes: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    by_emotion: dict[str, list[float]] = field(default_factory=lambda: {e: [] for e in EMOTIONS})
    per_agent: dict[str, list[str]] = field(default_factory=dict)
    course: list[float] = field(default_factory=list)
    """Every outcome from the first call on, for the learning curve."""


#: The real policy's shape: a queue for each emotion, all agents members of all.
POLICY = Policy(rules=tuple(Rule(name=e, emotion=(e,), queue=e) for e in EMOTIONS))  # type: ignore[arg-type]

#: Chooses one of the free agents, longest idle first, for a caller.
Router = Callable[[Caller, Sequence[str]], str]


def skills(world: World, rng: random.Random) -> dict[tuple[str, str], float]:
    """True mean outcome of every agent (and the newcomer) with every emotion."""
    found = {}
    for i in range(world.agents + 1):
        general = rng.gauss(0, world.agent_sd)
        for emotion, mean in zip(EMOTIONS, world.means, strict=True):
            found[f"a{i:02d}", emotion] = mean + general + rng.gauss(0, world.pair_sd)
    return found


def callers(world: World, number: int, rng: random.Random) -> list[Caller]:
    """Arrivals by a daily curve (two humps), thinned from a Poisson process."""
    mean_handle = world.handle_s * math.exp(world.handle_sigma**2 / 2)
    rate = world.busy * world.agents / mean_handle
    peak = 1.35
    at, found = 0.0, list[Caller]()
    while len(found) < number:
        at += rng.expovariate(rate * peak)
        hour = at % 36000 / 3600  # a day of ten hours, without the night between
        curve = 1 + 0.3 * math.sin(2 * math.pi * hour / 5 - math.pi / 2)
        if rng.random() * peak > curve:
            continue
        emotion = rng.choices(EMOTIONS, world.mix)[0]
        others = [e for e in EMOTIONS if e != emotion]
        heard = emotion if rng.random() < world.right else rng.choice(others)
        sounded = emotion if rng.random() < world.right_after else rng.choice(others)
        handle = world.handle_s * math.exp(rng.gauss(0, world.handle_sigma))
        noise, graded = rng.gauss(0, world.noise_sd), rng.random() < world.graded
        found.append(Caller(len(found), at, emotion, heard, sounded, handle, noise, graded))
    return found


def expected(world: World, true: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """True mean outcome of every agent with the callers that are heard as an emotion (Bayes)."""
    found = {}
    for heard in EMOTIONS:
        odds = [
            share * (world.right if e == heard else (1 - world.right) / 3)
            for e, share in zip(EMOTIONS, world.mix, strict=True)
        ]
        for agent in {a for a, _ in true}:
            mean = sum(o * true[agent, e] for o, e in zip(odds, EMOTIONS, strict=True)) / sum(odds)
            found[agent, heard] = mean
    return found


def scores(emotion: str, right: float) -> Scores:
    """A classifier's answer that is right so often, and says so."""
    return Scores.of([right if e == emotion else (1 - right) / 3 for e in EMOTIONS], 0.3)


class Learner:
    """Ours: the decision gives the queue, tiers give its members' penalties, grades come back."""

    def __init__(self, world: World, plan: RankingPlan, listens: bool = True) -> None:
        self._world, self._plan, self._listens = world, plan, listens
        self._outcomes: list[RankingSample] = []
        self._history: deque[tuple[str, str, float]] = deque()
        self._penalties: dict[tuple[str, str], int] = {}
        self._stale = 0

    def choose(self, caller: Caller, free: Sequence[str], everybody: Sequence[str]) -> str:
        """Lowest penalty of the decided queue; `free` is ordered by idle time."""
        decision = decide(
            QueryFacts(scores(caller.heard, self._world.right), default_queue="neutral"), POLICY,
            decision_id=str(caller.number), at=caller.at,
        )  # fmt: skip
        if self._stale <= 0 or not self._penalties:
            self._refresh(caller.at, everybody)
        chosen = min(free, key=lambda agent: self._penalties.get((decision.queue, agent), 0))
        self._history.append((chosen, caller.heard, caller.at))
        return chosen

    def learn(self, caller: Caller, agent: str, score: float, now: float) -> None:
        """A grade came in; query and readings are taken together as the store does."""
        before = scores(caller.heard, self._world.right)
        both = fuse(before, scores(caller.sounded, self._world.right_after)) if self._listens else before
        signals = both.probabilities if both and self._listens else None
        self._outcomes.append(RankingSample(agent, caller.heard, score, now, signals=signals))
        self._stale -= 1

    def _refresh(self, now: float, everybody: Sequence[str]) -> None:
        """As the service does every few grades."""
        while self._history and self._history[0][2] < now - self._plan.load_window_s:
            self._history.popleft()
        ranking = rank(self._outcomes, now, self._plan)
        load = loads(self._history, now, self._plan)
        self._penalties = penalties(POLICY, dict.fromkeys(EMOTIONS, everybody), ranking, load)
        self._stale = max(10, len(self._outcomes) // 50)


def run(world: World, router: str, number: int, count_from: int, seed: int, plan: RankingPlan) -> Tally:
    """One router through one world; the same seed gives every router the same callers and skills."""
    rng = random.Random(seed)
    true = skills(world, rng)
    queue_of_calls = callers(world, number, rng)
    rng = random.Random(seed + 1)
    everybody = [f"a{i:02d}" for i in range(world.agents)]
    idle: dict[str, float] = dict.fromkeys(everybody, 0.0)
    busy: list[tuple[float, int, str, Caller]] = []
    waiting: deque[Caller] = deque()
    learner = Learner(world, plan, listens=router == "ours")
    by_ear = expected(world, true)
    tally = Tally()

    def pick(caller: Caller) -> str:
        free = sorted(idle, key=lambda a: idle[a])
        if router == "random":
            return rng.choice(free)
        if router == "longest idle":
            return free[0]
        if router == "oracle":
            return max(free, key=lambda a: true[a, caller.emotion])
        if router == "oracle, our ears":
            return max(free, key=lambda a: by_ear[a, caller.heard])
        return learner.choose(caller, free, everybody)

    def serve(caller: Caller, agent: str, now: float) -> None:
        del idle[agent]
        outcome = min(100.0, max(0.0, true[agent, caller.emotion] + caller.noise))
        heapq.heappush(busy, (now + caller.handle_s, caller.number, agent, caller))
        tally.course.append(outcome)
        if caller.number >= count_from:
            tally.outcomes.append(outcome)
            tally.waits.append(now - caller.at)
            tally.by_emotion[caller.emotion].append(outcome)
            tally.per_agent.setdefault(agent, []).append(caller.heard)

    def finish(until: float) -> None:
        while busy and busy[0][0] <= until:
            now, _, agent, caller = heapq.heappop(busy)
            score = min(100.0, max(0.0, true[agent, caller.emotion] + caller.noise))
            if caller.graded:
                learner.learn(caller, agent, score, now)
            if agent in everybody:
                idle[agent] = now
            if waiting and idle:
                next_one = waiting.popleft()
                serve(next_one, pick(next_one), now)

    for caller in queue_of_calls:
        finish(caller.at)
        if caller.number == world.newcomer_at:
            newcomer = f"a{world.agents:02d}"
            everybody[0] = newcomer
            idle.pop("a00", None)
            idle[newcomer] = caller.at
        if idle and not waiting:
            serve(caller, pick(caller), caller.at)
        else:
            waiting.append(caller)
    finish(math.inf)
    return tally


ROUTERS = ("random", "longest idle", "ours", "oracle, our ears", "oracle")
#: Ours, if it had only the query to judge a caller by: not the readings of the call.
DEAF = "ours, query alone"


def compare(world: World, seeds: int, learn: int, measure: int, plan: RankingPlan) -> dict[str, Any]:
    """Means over seeds of every router, the share of the gap closed and the waits' ratio."""
    routers = (*ROUTERS, DEAF)
    runs = {r: [run(world, r, learn + measure, learn, s, plan) for s in range(seeds)] for r in routers}
    table = {
        name: {
            "outcome": round(statistics.mean(statistics.mean(t.outcomes) for t in tallies), 3),
            "wait_s": round(statistics.mean(statistics.mean(t.waits) for t in tallies), 2),
            "by_emotion": {
                e: round(statistics.mean(statistics.mean(t.by_emotion[e]) for t in tallies), 2)
                for e in EMOTIONS
            },
            "busiest_agent": round(statistics.mean(_busiest(t) for t in tallies), 2),
            "hardest_agent": round(statistics.mean(_hardest(t) for t in tallies), 2),
        }
        for name, tallies in runs.items()
    }
    wait = {name: statistics.mean(statistics.mean(t.waits) for t in runs[name]) for name in ROUTERS}
    closed, low, high = _closed(runs, "ours", "oracle, our ears")
    omniscient, *ends = _closed(runs, "ours", "oracle")
    return {
        "gap_closed": closed,
        "gap_closed_ci95": [low, high],
        "gap_closed_to": "an oracle that knows every skill and hears callers before the call as we do",
        "gap_closed_of_omniscient": omniscient,
        "gap_closed_of_omniscient_ci95": ends,
        "gap_closable_of_omniscient": _closed(runs, "oracle, our ears", "oracle")[0],
        "gap_closed_by_query_alone": _closed(runs, DEAF, "oracle, our ears")[0],
        "wait_ratio": round(wait["ours"] / wait["longest idle"], 3),
        "calls_learnt": learn,
        "calls_measured": measure,
        "seeds": seeds,
        "classified_rightly": world.right,
        "read_rightly": world.right_after,
        "routers": table,
    }


def _closed(runs: dict[str, list[Tally]], router: str, oracle: str) -> tuple[float, float, float]:
    """Share of the gap between random and an oracle that is closed: mean and 95 % interval over seeds."""
    shares = []
    for ours, chance, best in zip(runs[router], runs["random"], runs[oracle], strict=True):
        floor = statistics.mean(chance.outcomes)
        shares.append((statistics.mean(ours.outcomes) - floor) / (statistics.mean(best.outcomes) - floor))
    mean = statistics.mean(shares)
    half = 1.96 * statistics.stdev(shares) / math.sqrt(len(shares)) if len(shares) > 1 else math.nan
    return round(mean, 3), round(mean - half, 3), round(mean + half, 3)


def _busiest(tally: Tally) -> float:
    """Calls of the busiest agent, as a multiple of an equal share."""
    counts = [len(c) for c in tally.per_agent.values()]
    return max(counts) / statistics.mean(counts)


def _hardest(tally: Tally) -> float:
    """Largest share of angry callers of an agent, as a multiple of everybody's."""
    heard = [h for calls in tally.per_agent.values() for h in calls]
    overall = heard.count(HARD) / len(heard)
    return (
        max(calls.count(HARD) / len(calls) for calls in tally.per_agent.values() if len(calls) > 20) / overall
    )


def main() -> int:
    """Run, print, plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--learn", type=int, default=2000, help="calls before measuring")
    parser.add_argument("--calls", type=int, default=3000, help="calls measured")
    parser.add_argument("--right", type=float, default=World().right, help="share classified rightly")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the learning curve (PNG or SVG)")
    args = parser.parse_args()
    if min(args.learn, args.calls) < LEAST_CALLS:
        parser.error(
            f"--learn and --calls: {LEAST_CALLS} at least, so that every agent has callers to compare"
        )
    world, plan = World(right=args.right), RankingPlan()
    result = compare(world, args.seeds, args.learn, args.calls, plan)
    if args.plot:
        plot(world, plan, args.plot, args.learn + args.calls)
    print(json.dumps(result) if args.json else words(result))
    return 0


def words(result: dict[str, Any]) -> str:
    """The result as a table and sentences."""
    head = f"{'router':<18}{'outcome':>9}{'wait s':>8}" + "".join(f"{e:>14}" for e in EMOTIONS)
    lines = [head + f"{'busiest':>9}{'hardest':>9}"]
    for name, row in result["routers"].items():
        lines.append(
            f"{name:<18}{row['outcome']:>9.2f}{row['wait_s']:>8.2f}"
            + "".join(f"{row['by_emotion'][e]:>14.2f}" for e in EMOTIONS)
            + f"{row['busiest_agent']:>9.2f}{row['hardest_agent']:>9.2f}"
        )
    low, high = result["gap_closed_ci95"]
    ends = result["gap_closed_of_omniscient_ci95"]
    lines += [
        f"{result['classified_rightly']:.0%} of callers are classified rightly before the call, "
        f"{result['read_rightly']:.0%} by its first readings",
        f"gap from random to an oracle with our ears closed: {result['gap_closed']} (95 %: {low} to {high})",
        f"  by the query alone, without readings: {result['gap_closed_by_query_alone']}",
        f"gap from random to an omniscient oracle closed: {result['gap_closed_of_omniscient']}"
        f" (95 %: {ends[0]} to {ends[1]})",
        f"  the oracle with our ears closes: {result['gap_closable_of_omniscient']}",
        f"wait, ours / longest idle: {result['wait_ratio']}",
    ]
    return "\n".join(lines)


def plot(world: World, plan: RankingPlan, file: Path, number: int) -> None:
    """Mean outcome over the last 500 calls, by router."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for name in ROUTERS:
        courses = [run(world, name, number, number, seed, plan).course for seed in range(6)]
        mean = [statistics.mean(values) for values in zip(*courses, strict=True)]
        smooth = [statistics.mean(mean[max(0, i - 500) : i + 1]) for i in range(100, len(mean), 50)]
        axes.plot(range(100, len(mean), 50), smooth, label=name)
    axes.set_xlabel("calls")
    axes.set_ylabel("customers' outcome, mean of the last 500 calls")
    axes.legend()
    figure.savefig(file)


if __name__ == "__main__":
    raise SystemExit(main())

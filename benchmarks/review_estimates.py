"""Do the figures of *Accuracy here* tell the truth? Simulated sites whose truth is known, drawn and labelled.

A site has callers of one to eight windows, most of them neutral, each caller with a mood of their own. Its
model is right less often where it is unsure, and unsure more often about some callers. Rounds are drawn,
weighted and reported by the very code of the service. For each figure: the site's own value, the mean of the
estimates, what plain counting of the labelled windows says, how often the 95 % interval holds the site's own
value, and how wide it is; all means over sites.

    python -m benchmarks.review_estimates --sites 200 --random 100 --doubt 50
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from emocx_pbx.domain import Scores
from emocx_pbx.review.accuracy import Accuracy, accuracy
from emocx_pbx.review.sampling import Frame, Key, draw
from emocx_pbx.review.shares import Share
from emocx_pbx.review.windows import NAMES, Labelled, RoundSize

#: What callers feel like, in NAMES' order: most are neutral.
MIX: Final = (0.08, 0.75, 0.09, 0.08)
THRESHOLD: Final = 0.45
UPSET: Final = 0.4
_UPSET: Final = ("angry", "disappointed")
Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of the site, with the label that anybody would give it."""

    heard: Labelled
    truth: str


def site_of(callers: int, rng: random.Random) -> list[Window]:
    """All windows of a site."""
    found = []
    for number in range(callers):
        mood = rng.choices(range(4), MIX)[0]
        doubt = rng.betavariate(1.2, 4.0)  # how often the model is unsure of this caller
        for place in range(rng.randrange(1, 9)):
            truth = mood if rng.random() < 0.7 else rng.choices(range(4), MIX)[0]
            found.append(_window(f"c{number}", place, truth, rng.random() < doubt, rng))
    return found


def _window(caller: str, place: int, truth: int, unsure: bool, rng: random.Random) -> Window:
    right = rng.random() < (0.35 if unsure else 0.85)
    said = truth if right else rng.choice([k for k in range(4) if k != truth])
    top = rng.uniform(0.3, 0.5) if unsure else rng.uniform(0.55, 0.98)
    p = [(1 - top) / 3] * 4
    p[said] = top
    scores = Scores((p[0], p[1], p[2], p[3]), THRESHOLD)
    doubtful = scores.confidence < max(THRESHOLD, 0.5)
    heard = Labelled(1, doubtful, caller, float(place), "voice/0", scores.emotion, scores.probabilities, ())
    return Window(heard, NAMES[truth])


def drawn(site: Sequence[Window], number: int, doubts: int, rng: random.Random) -> tuple[Accuracy, Values]:
    """The report of a round, labelled by somebody who is always right; and plain counting of it."""
    keys: list[tuple[Key, bool]] = [((str(n), 0.0, 0.0), w.heard.doubtful) for n, w in enumerate(site)]
    rng.shuffle(keys)
    some = [key for key, doubtful in keys if doubtful]
    rng.shuffle(some)
    found = draw(Frame(len(site), len(some), keys, some), number, doubts, 0.0, lambda key: True, rng)
    windows = [site[int(item.key[0])] for item in found.items]
    labelled = [replace(w.heard, labels=(("ann", w.truth),)) for w in windows]
    report = accuracy(labelled, {1: RoundSize(found.sure, found.doubtful)}, UPSET, rng)
    return report, counted(windows)


def counted(windows: Sequence[Window]) -> Values:
    """The figures of some windows, each counted once: of all of a site's, the truth."""

    def share(hits: Callable[[Window], bool], of: Callable[[Window], bool]) -> float | None:
        chosen = [w for w in windows if of(w)]
        return sum(map(hits, chosen)) / len(chosen) if chosen else None

    def answered(label: str) -> Callable[[Window], bool]:
        return lambda w: w.heard.answer == label

    def over(w: Window) -> bool:
        return w.heard.probabilities[0] + w.heard.probabilities[2] >= UPSET

    return {
        "right": share(lambda w: w.heard.answer == w.truth, lambda w: True),
        "recall angry": share(answered("angry"), lambda w: w.truth == "angry"),
        "recall neutral": share(answered("neutral"), lambda w: w.truth == "neutral"),
        "false alarms angry": share(answered("angry"), lambda w: w.truth != "angry"),
        "upset found": share(over, lambda w: w.truth in _UPSET),
        "upset, false alarms": share(over, lambda w: w.truth not in _UPSET),
    }


def shares(report: Accuracy) -> Mapping[str, Share | None]:
    """The figures that are looked at."""
    return {
        "right": report.right,
        "recall angry": report.recall["angry"],
        "recall neutral": report.recall["neutral"],
        "false alarms angry": report.false_alarms["angry"],
        "upset found": report.upset_found,
        "upset, false alarms": report.upset_alarms,
    }


def main() -> int:
    """Simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--callers", type=int, default=600)
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--doubt", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    rows: dict[str, list[tuple[float, float, float, bool, float]]] = {}
    for _ in range(args.sites):
        site = site_of(args.callers, rng)
        truth, (report, plain) = counted(site), drawn(site, args.random, args.doubt, rng)
        for name, found in shares(report).items():
            true, naive = truth[name], plain[name]
            if found is not None and true is not None and naive is not None:
                held = found.low <= true <= found.high
                rows.setdefault(name, []).append((true, found.value, naive, held, found.high - found.low))
    keys = ("site", "estimate", "counted", "held", "width")
    table = {}
    for name, own in rows.items():
        means = (round(statistics.fmean(column), 4) for column in zip(*own, strict=True))
        table[name] = dict(zip(keys, means, strict=True))
    if args.json:
        print(json.dumps(table))
        return 0
    print(f"{'figure':22}", *(f"{key:>9}" for key in keys))
    for name, row in table.items():
        print(f"{name:22}", *(f"{row[key]:9.3f}" for key in keys))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Shares of weighted windows, with intervals that allow for windows of one caller being alike. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emocx_pbx.routing.threshold import wilson

#: Draws of a bootstrap: enough for 95 % intervals to two digits.
DRAWS: Final = 400
#: Additions of a bootstrap over many callers, in all, so that a page waits for seconds at most.
MOST_ADDED: Final = 4_000_000
#: With fewer callers a bootstrap over them says nothing.
LEAST_CALLERS: Final = 5


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """What one window adds to a share."""

    caller: str
    weight: float
    """Windows of the site that it stands for; 0 or more."""
    hit: float
    """The part of the weight that counts as a hit, 0 to `weight`."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    windows: int
    """Number of labelled windows that it rests on."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Any other figure with its 95 % interval; without it where there are too few callers."""

    value: float
    low: float | None
    high: float | None


def weighted_share(windows: Sequence[CountedWindow]) -> Share | None:
    """The share of hits; None where nothing has weight.

    The interval is Wilson's for the effective number of windows: what is left of them once unequal weights
    and the likeness of one caller's windows are allowed for (variance of a ratio, linearised over callers as
    in Korn and Graubard 1998). Where all or none are hits, each caller counts once.
    """
    counted = [w for w in windows if w.weight > 0]
    total = math.fsum(w.weight for w in counted)
    if total <= 0:
        return None
    value = min(1.0, max(0.0, math.fsum(w.hit for w in counted) / total))
    found = wilson(value, _effective(counted, value, total))
    return Share(value, min(value, found.low), max(value, found.high), len(counted))


def _effective(counted: Sequence[CountedWindow], value: float, total: float) -> float:
    """How many independent windows of equal weight would say as much."""
    by_weight = total**2 / math.fsum(w.weight**2 for w in counted)
    own: dict[str, list[float]] = {}
    for w in counted:
        sums = own.setdefault(w.caller, [0.0, 0.0])
        sums[0] += w.weight
        sums[1] += w.hit - w.weight * value
    by_caller = total**2 / math.fsum(sums[0] ** 2 for sums in own.values())
    number = len(own)
    spread = math.fsum(sums[1] ** 2 for sums in own.values())
    if number < 2 or spread <= 1e-12 * total**2:
        return by_caller
    variance = number / (number - 1) * spread / total**2
    return min(by_weight, max(by_caller / number, value * (1 - value) / variance))


def difference(first: Share, second: Share) -> Figure:
    """Second share minus first, of different windows; Newcombe's interval (1998) from two of Wilson's."""
    value = second.value - first.value
    down = math.hypot(second.value - second.low, first.high - first.value)
    up = math.hypot(second.high - second.value, first.value - first.low)
    return Figure(value, max(-1.0, value - down), min(1.0, value + up))


def bootstrap(
    sums: Mapping[str, Sequence[float]],
    figure: Callable[[Sequence[float]], float | None],
    rng: random.Random,
) -> Figure | None:
    """A figure of sums over callers, with its interval over resampled callers (2.5 to 97.5 %).

    Args:
        sums: by caller, what the caller's windows add up to; all of one length.
        figure: of the total of all callers' sums; None: it can't be told.
        rng: source of the draws.
    """
    rows = [list(row) for row in sums.values()]
    if not rows or (value := figure(_added(rows))) is None:
        return None
    if len(rows) < LEAST_CALLERS:
        return Figure(value, None, None)
    draws = max(100, min(DRAWS, MOST_ADDED // (len(rows) * max(1, len(rows[0])))))
    found = [figure(_added(rng.choices(rows, k=len(rows)))) for _ in range(draws)]
    values = sorted(f for f in found if f is not None)
    if len(values) < 0.9 * draws:  # a class that hardly any caller has
        return Figure(value, None, None)
    low, high = values[int(0.025 * len(values))], values[min(len(values) - 1, int(0.975 * len(values)))]
    return Figure(value, min(value, low), max(value, high))


def _added(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) for column in zip(*rows, strict=True)]

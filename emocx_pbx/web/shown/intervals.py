"""Estimates as intervals: a mean is never shown without its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from emocx_pbx.routing.benefit import t95
from emocx_pbx.web.shown.scale import Scale
from emocx_pbx.web.shown.words import span_words

#: Standard deviations of a 95 % interval.
Z95: Final = 1.96
#: With fewer values than this the spread of a mean is unknown.
LEAST: Final = 8


class ShownInterval(msgspec.Struct, frozen=True, gc=False):
    """A mean with its 95 % interval, drawn on a scale. A Struct, because a ranking shows very many."""

    mean: float
    low: float
    high: float
    number: float
    """Number of calls that it rests on."""
    x: float
    x_low: float
    width: float

    @property
    def words(self) -> str:
        """`58 to 66`."""
        return span_words(self.low, self.high)

    @property
    def short(self) -> str:
        """`58–66`."""
        return f"{self.low:.0f}–{self.high:.0f}"


def interval(mean: float, low: float, high: float, number: float, scale: Scale) -> ShownInterval:
    """An interval on a scale."""
    x_low = scale.at(low)
    width = round(max(0.0, scale.at(high) - x_low), 3)
    return ShownInterval(mean, low, high, number, scale.at(mean), x_low, width)


class Sums(msgspec.Struct, frozen=True, gc=False):
    """Values added up: their number, mean, and sum of squares around the mean."""

    number: int
    mean: float
    around: float

    @classmethod
    def of(cls, number: int, mean: float, squares: float) -> Sums:
        """From the sum of squares around zero, as the store computes it."""
        return cls(number, mean, max(0.0, squares - number * mean * mean))


def together(parts: Sequence[Sums]) -> Sums:
    """Several groups of values as one."""
    number = sum([p.number for p in parts])
    if not number:
        return Sums(0, 0.0, 0.0)
    mean = math.fsum([p.number * p.mean for p in parts]) / number
    around = math.fsum([p.around + p.number * (p.mean - mean) ** 2 for p in parts])
    return Sums(number, mean, around)


def mean_interval(sums: Sums) -> tuple[float, float] | None:
    """95 % interval of a mean; None with too few values."""
    if sums.number < LEAST:
        return None
    half = t95(sums.number - 1) * math.sqrt(_variance_of_mean(sums))
    return sums.mean - half, sums.mean + half


def change(before: Sums, after: Sums) -> tuple[float, float] | None:
    """95 % interval of the change of a mean (Welch 1947); None if either side has too few values."""
    if min(before.number, after.number) < LEAST:
        return None
    a, b = _variance_of_mean(before), _variance_of_mean(after)
    difference = after.mean - before.mean
    if a + b == 0:
        return difference, difference
    freedom = (a + b) ** 2 / (a * a / (before.number - 1) + b * b / (after.number - 1))
    half = t95(freedom) * math.sqrt(a + b)
    return difference - half, difference + half


def _variance_of_mean(sums: Sums) -> float:
    return sums.around / (sums.number - 1) / sums.number

"""Scales of charts: maps values to per cent of a drawing's width, and gives round ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Steps between the ticks of a time axis, seconds.
_STEPS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
#: At most this many ticks fit a phone's width.
MOST_TICKS: Final = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    x: float
    value: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` over a drawing's width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Per cent of the width, clamped to the drawing."""
        low, high = self.low, self.high
        if value <= low or high <= low:
            return 0.0
        return 100.0 if value >= high else round(100 * (value - low) / (high - low), 3)

    def width(self, low: float, high: float) -> float:
        """Per cent between two values."""
        return round(max(0.0, self.at(high) - self.at(low)), 3)

    def ticks(self, step: float) -> tuple[Tick, ...]:
        """Marks at multiples of a step."""
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        return tuple(Tick(self.at(i * step), i * step) for i in range(first, last + 1))


def time_step(total_s: float) -> float:
    """A round step that leaves a time axis at most MOST_TICKS marks."""
    return next(
        (s for s in _STEPS if total_s / s < MOST_TICKS), math.ceil(total_s / MOST_TICKS / 3600) * 3600
    )


def points_scale(values: list[float], least: float = 20.0) -> Scale:
    """A scale of points that shows all values, with round ends and not too narrow; within 0 to 100."""
    if not values:
        return Scale(0.0, 100.0)
    low, high = min(values), max(values)
    middle, reach = (low + high) / 2, max(high - low, least) / 2
    low = max(0.0, math.floor((middle - reach) / 10) * 10)
    high = min(100.0, math.ceil((middle + reach) / 10) * 10)
    return Scale(low, high)


def line(values: list[tuple[float, float]], width: float, height: float) -> str:
    """An SVG path through (x, y) of 0 to 1, y upwards, in a drawing of that size."""
    steps = [
        f"{'M' if i == 0 else 'L'}{round(x * width, 1):g} {round((1 - y) * height, 1):g}"
        for i, (x, y) in enumerate(values)
    ]
    return "".join(steps)

"""Places of callers: means of what a model measured of their speech, kept as sums over callers. Pure.

A place is a few hundred directions of a model's measurements. A sum is the number of callers followed by the
sum of their places, in which each counts once and within a bound; it holds no audio, and with ten callers or
more (fewer are dropped when anybody is erased) nothing of one voice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from emocx_pbx.domain import CallerPlace

#: Directions that are kept at most.
MOST: Final = 512
#: No direction of a caller counts for more than this; measurements have a spread of about 1 in each.
BOUND: Final = 10.0
#: Digits kept after the point.
_DIGITS: Final = 4


def mean_place(parts: Sequence[CallerPlace]) -> tuple[float, ...]:
    """The mean (d,) of a caller's readings from their means in parts of the call; empty: it is not known."""
    width = len(parts[0].mean) if parts else 0
    readings = sum(part.readings for part in parts)
    if readings <= 0 or any(len(part.mean) != width for part in parts):
        return ()
    return tuple(sum(part.mean[i] * part.readings for part in parts) / readings for i in range(width))


def bounded(place: Sequence[float]) -> tuple[float, ...]:
    """A place (d,) as the sum (1 + d,) of one caller; empty where there is none, or none to be believed."""
    if not place or len(place) > MOST or not all(math.isfinite(x) for x in place):
        return ()
    return (1.0, *(round(max(-BOUND, min(BOUND, x)), _DIGITS) for x in place))


def added_places(sums: Sequence[float], more: Sequence[float], times: float = 1.0) -> tuple[float, ...]:
    """The one plus this many times the other; where their lengths differ, of the other alone."""
    if not more:
        return tuple(sums)
    if len(sums) != len(more):
        sums = (0.0,) * len(more)
    return tuple(round(a + times * b, _DIGITS) for a, b in zip(sums, more, strict=True))


def callers_of(sums: Sequence[float]) -> float:
    """How many callers sums are of."""
    return sums[0] if sums else 0.0


def mean_of(sums: Sequence[float]) -> tuple[float, ...]:
    """The mean place (d,); empty without callers."""
    callers = callers_of(sums)
    return tuple(round(s / callers, _DIGITS) for s in sums[1:]) if callers > 0 else ()

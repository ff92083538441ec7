"""The site's own threshold of P(upset): where a given share of its calm customers are false alarms. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Draws of the bootstrap.
DRAWS: Final = 1000
#: False alarms that there must be to go by, at least: under it a threshold would follow a few messages.
LEAST_ALARMS: Final = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold, and what it does on the messages that it was found on."""

    threshold: Interval
    false_alarms: Interval
    """Share of the calm at it or over."""
    found: Interval | None
    """Share of the upset at it or over; None: there are none that are known."""
    calm: int
    upset: int


def least_calm(alarms: float) -> int:
    """How many calm messages a share of false alarms needs."""
    return math.ceil(LEAST_ALARMS / alarms)


def propose(
    calm: Sequence[float], upset: Sequence[float], alarms: float, rng: random.Random
) -> Proposal | None:
    """The least threshold at which at most this share of calm customers is an alarm; None: too few are known.

    So that it holds for the next calm customer too, not only for these, one more is counted among the
    alarms than there were (as in conformal prediction). The intervals are of a bootstrap.

    Args:
        calm: P(upset) of messages of customers who were not upset.
        upset: of those who were; may be empty.
        alarms: share of false alarms, over 0 and under 1.
        rng: source of the bootstrap's draws.
    """
    if len(calm) < least_calm(alarms):
        return None
    threshold = _threshold(calm, alarms)
    drawn = sorted(_threshold(rng.choices(calm, k=len(calm)), alarms) for _ in range(DRAWS))
    return Proposal(
        Interval(threshold, _at(drawn, 0.025), _at(drawn, 0.975)),
        _share_over(threshold, calm),
        _share_over(threshold, upset) if upset else None,
        len(calm),
        len(upset),
    )


def _threshold(calm: Sequence[float], alarms: float) -> float:
    """Just over the calm message of that rank, in steps of .001."""
    ranked = sorted(calm, reverse=True)
    allowed = max(0, math.floor(alarms * (len(ranked) + 1)) - 1)
    return min(1.0, math.floor(1000 * ranked[allowed] + 1) / 1000)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _share_over(threshold: float, values: Sequence[float]) -> Interval:
    return wilson(sum(p >= threshold for p in values) / len(values), len(values))


def wilson(share: float, count: float) -> Interval:
    """A share of `count` (over 0, perhaps an effective number) and its interval by Wilson (1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))

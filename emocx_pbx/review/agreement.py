"""How far two people agree on what they heard: Cohen's kappa with its interval. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emocx_pbx.routing.threshold import wilson


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement on windows that two people labelled."""

    pairs: int
    observed: float
    """Share of windows to which both gave the same label."""
    kappa: float | None
    """1: always the same; 0: no more often than by chance. None: by chance alone all would be the same."""
    low: float | None
    """95 % interval of kappa."""
    high: float | None


def cohen(pairs: Sequence[tuple[str, str]]) -> Agreement | None:
    """Cohen's kappa (1960) of pairs of labels, (first person's, second person's); None without a pair.

    The interval treats the agreement by chance as known, as Cohen's own standard error does, and Wilson's
    interval for the observed agreement, so that few pairs that all agree are not taken for certainty.
    """
    if not pairs:
        return None
    number = len(pairs)
    observed = sum(a == b for a, b in pairs) / number
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[label] * second[label] for label in first) / number**2
    if chance >= 1.0:
        return Agreement(number, observed, None, None, None)
    found = wilson(observed, number)
    kappa, low, high = ((p - chance) / (1 - chance) for p in (observed, found.low, found.high))
    return Agreement(number, observed, kappa, min(kappa, low), max(kappa, high))

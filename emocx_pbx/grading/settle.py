"""Makes a call's readings consistent: what a voice shows rarely changes from one second to the next.

A reading hears a few seconds and is often wrong; its neighbours show in which direction. This is the
forward-backward algorithm of a hidden Markov model (Rabiner 1989, Proc. IEEE 77(2)) whose states are the four
classes: a state is left after `stay_s` seconds of speech on average, for any of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from emocx_pbx.domain import LABELS, Reading, Scores

#: A reading with this much new speech counts as one full observation, a shorter one for less.
FULL_S: Final = 3.0

#: No reading rules a class out for its neighbours.
LEAST: Final = 1e-3


def settled(readings: Sequence[Reading], stay_s: float) -> list[Reading]:
    """The readings, in time order, each with its probabilities given all of the call's readings.

    Args:
        readings: Cut so that they don't overlap (segments.cut_readings).
        stay_s: Mean seconds of speech in one class; 0 changes nothing.
    """
    ordered = sorted(readings, key=lambda r: (r.t0, r.t1))
    if stay_s <= 0 or not ordered:
        return ordered
    seen = [_likelihood(r) for r in ordered]
    forward = [_normal(seen[0])]
    for i in range(1, len(ordered)):
        moved = _moved(forward[-1], _change(ordered[i - 1], ordered[i], stay_s))
        forward.append(_normal([m * s for m, s in zip(moved, seen[i], strict=True)]))
    backward = [1.0 / len(LABELS)] * len(LABELS)
    found: list[Reading] = []
    for i in range(len(ordered) - 1, -1, -1):
        posterior = _normal([f * b for f, b in zip(forward[i], backward, strict=True)])
        scores = Scores.of(posterior, ordered[i].scores.threshold)
        found.append(replace(ordered[i], scores=scores))
        if i:
            message = _normal([b * s for b, s in zip(backward, seen[i], strict=True)])
            backward = _moved(message, _change(ordered[i - 1], ordered[i], stay_s))
    return found[::-1]


class Settling:
    """The same for readings as they arrive: each given those before it, by one step of the forward pass."""

    def __init__(self, stay_s: float) -> None:
        """`stay_s` as for `settled`."""
        self._stay_s = stay_s
        self._last: Reading | None = None
        self._state: list[float] = []

    def add(self, reading: Reading) -> Scores:
        """The next reading in time, without the speech of those before; its scores, given them."""
        if self._stay_s <= 0:
            return reading.scores
        seen = _likelihood(reading)
        if self._last is not None:
            moved = _moved(self._state, _change(self._last, reading, self._stay_s))
            seen = [m * s for m, s in zip(moved, seen, strict=True)]
        self._last, self._state = reading, _normal(seen)
        return Scores.of(self._state, reading.scores.threshold)


def _likelihood(reading: Reading) -> list[float]:
    """The likelihood of what was heard under each class, up to a factor.

    Models are calibrated on equally frequent classes, so probabilities are likelihoods as they are.
    """
    weight = min(1.0, max(0.0, reading.speech_s) / FULL_S)
    return [max(p, LEAST) ** weight for p in reading.scores.probabilities]


def _change(before: Reading, after: Reading, stay_s: float) -> float:
    """Probability that the class was drawn anew between the middles of two readings."""
    seconds = (max(0.0, before.speech_s) + max(0.0, after.speech_s)) / 2
    return 1.0 - math.exp(-seconds / stay_s)


def _moved(state: Sequence[float], change: float) -> list[float]:
    """The state after a step: kept, or with probability `change` any class."""
    return [(1 - change) * p + change / len(LABELS) for p in state]


def _normal(values: Sequence[float]) -> list[float]:
    total = math.fsum(values)
    return [v / total for v in values]

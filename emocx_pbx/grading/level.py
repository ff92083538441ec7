"""The course of a conversation: level (valence) as a step function of the customer's speech.

Everything a grade is made of is an integral over this function, so cutting a reading into two equal ones
can't change a grade.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emocx_pbx.domain import Reading

#: Rows true class, columns answered class, in LABELS' order: counts or rates of a test set.
Confusion = Sequence[Sequence[float]]

#: Less than this is what rounding leaves of a reading that ends where a stretch begins.
SLIVER_S: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Step:
    """One reading's stretch of speech."""

    reading: int
    """Its index among the segment's readings."""
    begin: float
    """Seconds of customer speech before it."""
    end: float
    level: float
    """Expected valence, -1 to 1. Probabilities that are spread out give a level near the middle of their own
    accord."""
    spread: float
    """Standard deviation of the true valence, given what the model answered."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A change of level between two neighbouring readings."""

    before: int
    after: int
    position: float
    """Where it is within the judged stretch, 0 to 1."""
    change: float


def steps_of(
    readings: Sequence[Reading], valence: Sequence[float], confusion: Confusion | None
) -> list[Step]:
    """Readings by time, as steps along seconds of speech; readings without speech are left out."""
    steps: list[Step] = []
    at = 0.0
    for index in sorted(range(len(readings)), key=lambda i: (readings[i].t0, readings[i].t1)):
        reading = readings[index]
        if reading.speech_s <= 0:
            continue
        probabilities = reading.scores.probabilities
        level = sum(p * v for p, v in zip(probabilities, valence, strict=True))
        spread = _spread(probabilities, valence, confusion)
        steps.append(Step(index, at, at + reading.speech_s, level, spread))
        at += reading.speech_s
    return steps


def level_between(steps: Sequence[Step], begin: float, end: float) -> float:
    """Mean level over [begin, end] seconds of speech; 0 for an empty stretch."""
    parts = [(min(s.end, end) - max(s.begin, begin), s) for s in steps]
    total = math.fsum(length for length, _ in parts if length > 0)
    if total <= 0:
        return 0.0
    return math.fsum(length * s.level for length, s in parts if length > 0) / total


def readings_between(steps: Sequence[Step], begin: float, end: float) -> tuple[int, ...]:
    """Indices of the readings that have a part in [begin, end]."""
    return tuple(s.reading for s in steps if min(s.end, end) - max(s.begin, begin) > SLIVER_S)


def jumps_between(steps: Sequence[Step], begin: float, end: float) -> list[Jump]:
    """Changes of level inside (begin, end)."""
    inside = [s for s in steps if min(s.end, end) - max(s.begin, begin) > SLIVER_S]
    return [
        Jump(a.reading, b.reading, (b.begin - begin) / (end - begin), b.level - a.level)
        for a, b in itertools.pairwise(inside)
        if a.level != b.level
    ]


def _spread(probabilities: Sequence[float], valence: Sequence[float], confusion: Confusion | None) -> float:
    """Standard deviation of the valence, by the reading's own doubt or by the model's known confusions.

    The larger of the two: a model may be sure of itself and still be known to confuse classes.
    """
    own = _deviation(probabilities, valence)
    if confusion is None:
        return own
    known = [0.0] * len(valence)
    for answered, p in enumerate(probabilities):
        column = [row[answered] for row in confusion]
        total = math.fsum(column)
        for true, count in enumerate(column):
            # Nothing is known of a class that was never answered in the test: take the answer as true.
            known[true] += p * (count / total if total > 0 else float(true == answered))
    return max(own, _deviation(known, valence))


def _deviation(probabilities: Sequence[float], valence: Sequence[float]) -> float:
    mean = math.fsum(p * v for p, v in zip(probabilities, valence, strict=True))
    return math.sqrt(math.fsum(p * (v - mean) ** 2 for p, v in zip(probabilities, valence, strict=True)))

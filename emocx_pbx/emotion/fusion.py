"""Fuses what the words say with how the voice sounds, for a question spoken in the IVR."""

from __future__ import annotations

import math
from typing import Final

from emocx_pbx.domain import LABELS, Scores

#: Share of each side's log-odds that is kept: words and voice come from one sentence of one person,
#: so their evidence overlaps and a plain product (1.0) would be too sure of itself.
_SHARE: Final = 0.75

#: Least probability, so that one side's certainty never silences the other.
_FLOOR: Final = 0.02


def fuse(words: Scores | None, voice: Scores | None) -> Scores | None:
    """Scores of both together; either alone is passed on as it is, None when there is neither.

    The two are multiplied as tempered log-probabilities (a logarithmic opinion pool, Genest &
    Zidek 1986), then mixed with the uniform distribution by how far they disagree (total variation
    distance, 0 to 1). So agreement strengthens, disagreement lowers confidence, never above the
    surer side, and the order of the two does not matter. The threshold is the stricter of the two.
    """
    if words is None or voice is None:
        return words or voice
    first, second = (_floored(scores.probabilities) for scores in (words, voice))
    pooled = [math.exp(_SHARE * (math.log(p) + math.log(q))) for p, q in zip(first, second, strict=True)]
    total = sum(pooled)
    distance = 0.5 * sum(abs(p - q) for p, q in zip(first, second, strict=True))
    doubt = 0.6 * distance
    mixed = [(1.0 - doubt) * p / total + doubt / len(LABELS) for p in pooled]
    if words.best != voice.best:
        mixed = _capped(mixed, max(words.confidence, voice.confidence))
    return Scores.of(mixed, max(words.threshold, voice.threshold))


def _floored(probabilities: tuple[float, float, float, float]) -> list[float]:
    floored = [max(p, _FLOOR) for p in probabilities]
    total = sum(floored)
    return [p / total for p in floored]


def _capped(probabilities: list[float], most: float) -> list[float]:
    """Mix with uniform until no probability exceeds `most` (which is at least 1 / classes)."""
    uniform, top = 1.0 / len(probabilities), max(probabilities)
    if top <= most:
        return probabilities
    keep = max(0.0, (most - uniform) / (top - uniform))
    return [keep * p + (1.0 - keep) * uniform for p in probabilities]

"""Fuses what the words say with how the voice sounds: of a question in the IVR, of a call's phrase. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from emocx_pbx.domain import LABELS, Scores

#: Least probability, so that one side's certainty never silences the other.
_FLOOR: Final = 0.02


@dataclass(frozen=True, slots=True)
class FusionRule:
    """How much each side's evidence counts. A voice without words stays as it is, and so do words without a
    voice: whether there are words says nothing about a customer.
    """

    voice: float
    """Exponent of the voice's probabilities where there are words, too."""
    words: float
    """Exponent of the words' probabilities."""
    bias: tuple[float, float, float, float]
    """Added to the logarithms where there are words, in LABELS' order: text models are calibrated on what
    people write, voices on classes as frequent as each other."""
    doubt: float
    """Share of uniform mixed in at full disagreement (total variation distance 1)."""


#: Chosen on dev speakers and messages: `python -m benchmarks.words --fit`.
RULE: Final = FusionRule(voice=0.94, words=0.87, bias=(0.0, 0.0, 0.0, 0.0), doubt=0.15)


def fuse(
    words: Scores | None, voice: Scores | None, share: float = 1.0, rule: FusionRule = RULE
) -> Scores | None:
    """Scores of both together; either alone is passed on as it is, None when there is neither.

    A logarithmic opinion pool (Genest & Zidek 1986): weighted log-probabilities and a bias are summed, then
    mixed with the uniform distribution by how far both disagree. So agreement strengthens, disagreement
    lowers confidence, never above the surer side. The threshold is the stricter of the two; what is `plain`
    stays the voice's.

    Args:
        words: what the words say.
        voice: what the voice says.
        share: how much of the words' evidence counts, 0 (as if there were none) to 1.
        rule: the weights.
    """
    if words is None or voice is None:
        return words or voice
    if share <= 0.0:
        return voice
    first, second = _floored(words.probabilities), _floored(voice.probabilities)
    of_words, of_voice = share * rule.words, 1.0 + share * (rule.voice - 1.0)
    sums = [
        of_words * math.log(w) + of_voice * math.log(v) + share * b
        for w, v, b in zip(first, second, rule.bias, strict=True)
    ]
    most = max(sums)
    pooled = [math.exp(s - most) for s in sums]
    total = sum(pooled)
    distance = 0.5 * sum(abs(p - q) for p, q in zip(first, second, strict=True))
    doubt = share * rule.doubt * distance
    mixed = [(1.0 - doubt) * p / total + doubt / len(LABELS) for p in pooled]
    if words.best != voice.best:
        mixed = _capped(mixed, max(words.confidence, voice.confidence))
    return replace(Scores.of(mixed, max(words.threshold, voice.threshold)), plain=voice.plain)


def pooled_words(said: Sequence[tuple[Scores, float]]) -> Scores:
    """Combine several phrases (at least one), by weight (> 0): the geometric mean, normalised."""
    total = sum(weight for _, weight in said)
    logs = [
        sum(weight * math.log(max(scores.probabilities[k], _FLOOR)) for scores, weight in said) / total
        for k in range(len(LABELS))
    ]
    return Scores.of([math.exp(value) for value in logs], max(scores.threshold for scores, _ in said))


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

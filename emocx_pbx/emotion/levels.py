"""How strong signals of anger usually are on a line: counts by which a site has percentiles of its own.

A threshold that is right for one recording raises alarms for half of the neutral callers of another.
What only a few of a line's own callers reach means the same everywhere. Each caller counts as one.
Pure, and without numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emocx_pbx.domain import LABELS, Emotion

_ANGRY: Final = LABELS.index(Emotion.ANGRY)
_DISAPPOINTED: Final = LABELS.index(Emotion.DISAPPOINTED)
#: What is counted: P(angry), and P(upset) = P(angry) + P(disappointed).
SIGNALS: Final = ("angry", "upset")
#: Bins of each, equally wide.
BINS: Final = 50

NO_COUNTS: Final = (0.0,) * (len(SIGNALS) * BINS)


def signal_of(probabilities: Sequence[float], signal: str) -> float:
    """P(angry) or P(upset) of an answer (4,)."""
    angry = probabilities[_ANGRY]
    return angry if signal == "angry" else angry + probabilities[_DISAPPOINTED]


def caller_counts(answers: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Counts of one caller's plain answers (n, 4) by each signal's strength; 1 in all for each signal."""
    counts = [0.0] * len(NO_COUNTS)
    for answer in answers:
        for row, signal in enumerate(SIGNALS):
            at = min(BINS - 1, int(signal_of(answer, signal) * BINS))
            counts[row * BINS + at] += 1 / len(answers)
    return tuple(counts)


def level_at(counts: Sequence[float], signal: str, percentile: float) -> float | None:
    """The strength that `percentile` (0 to 100) of what was counted stays under; None of nothing.

    Within a bin readings count as spread evenly.
    """
    start = SIGNALS.index(signal) * BINS
    own = counts[start : start + BINS]
    total = sum(own)
    if total <= 0:
        return None
    wanted, below = total * percentile / 100, 0.0
    for at, count in enumerate(own):
        if count > 0 and below + count >= wanted:
            return (at + (wanted - below) / count) / BINS
        below += count
    return 1.0

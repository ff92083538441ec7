"""What matters most about a classifier: that it ranks anger and upset above the rest, and leaves neutral
alone.

*Upset* is angry or disappointed. Intervals are over speakers: clips of one speaker are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.stats

from emocx_pbx.domain import LABELS, Emotion
from emocx_pbx.training.figures import uar

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]

ANGRY: Final = LABELS.index(Emotion.ANGRY)
NEUTRAL: Final = LABELS.index(Emotion.NEUTRAL)
DISAPPOINTED: Final = LABELS.index(Emotion.DISAPPOINTED)
#: Draws of a bootstrap over speakers.
DRAWS: Final = 400
#: Share of the draws that an interval holds.
SHARE: Final = 0.9


def auc(positive: Bools, scores: npt.NDArray[Any]) -> float | None:
    """Area under the ROC curve: how often a positive (n,) scores above another; None without either."""
    count = int(positive.sum())
    if count in (0, len(positive)):
        return None
    ranks = scipy.stats.rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def upset_of(probabilities: Floats) -> Floats:
    """P(angry) + P(disappointed) (n,)."""
    both: Floats = probabilities[:, ANGRY] + probabilities[:, DISAPPOINTED]
    return both


def neutral_as_angry(truth: Ints, best: Ints) -> float | None:
    """Share of neutral clips that are taken for angry; None if there are none."""
    neutral = truth == NEUTRAL
    return float(np.mean(best[neutral] == ANGRY)) if neutral.any() else None


def signals(truth: Ints, probabilities: Floats) -> dict[str, float | None]:
    """`uar`, `anger_auc`, `upset_auc` and `neutral_as_angry` of labels (n,) and probabilities (n, 4)."""
    best = probabilities.argmax(axis=1)
    found = {
        "uar": uar(truth, best),
        "anger_auc": auc(truth == ANGRY, probabilities[:, ANGRY]),
        "upset_auc": auc((truth == ANGRY) | (truth == DISAPPOINTED), upset_of(probabilities)),
        "neutral_as_angry": neutral_as_angry(truth, best),
    }
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def intervals(
    voices: Names, measure: Callable[[Ints], dict[str, float | None]], seed: int = 0
) -> dict[str, list[float] | None]:
    """The middle SHARE of each figure that `measure` finds on rows, over resampled speakers.

    Speakers (n,) are drawn within their corpus (the name before the slash). None if there is only one
    speaker, or a figure is missing in a draw.
    """
    names = np.unique(voices)
    rows = {str(name): np.flatnonzero(voices == name) for name in names}
    corpora: dict[str, list[str]] = {}
    for name in rows:
        corpora.setdefault(name.split("/")[0], []).append(name)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(DRAWS if len(names) > 1 else 0):
        drawn = [name for own in corpora.values() for name in rng.choice(own, len(own))]
        draws.append(measure(np.concatenate([rows[str(name)] for name in drawn])))
    found: dict[str, list[float] | None] = {}
    edges = ((1 - SHARE) / 2, (1 + SHARE) / 2)
    for name in draws[0] if draws else measure(np.arange(len(voices))):
        values = [value for draw in draws if (value := draw[name]) is not None]
        spread = len(values) == len(draws) > 0
        found[name] = [round(float(v), 4) for v in np.quantile(values, edges)] if spread else None
    return found

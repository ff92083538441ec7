"""Figures of a classifier: recalls, UAR, F1, confusion, calibration error, coverage. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_BINS: Final = 10
_CLASSES: Final = len(LABELS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How probabilities are made from logits; chosen on speakers that are not in the test."""

    temperature: float
    threshold: float


def recalls(truth: Ints, best: Ints) -> list[float]:
    """Recall of each class; 0 for a class without clips."""
    return [float(np.mean(best[truth == k] == k)) if (truth == k).any() else 0.0 for k in range(_CLASSES)]


def uar(truth: Ints, best: Ints) -> float:
    """Unweighted average recall over the classes that have clips."""
    present = [k for k in range(_CLASSES) if (truth == k).any()]
    each = recalls(truth, best)
    return float(np.mean([each[k] for k in present])) if present else 0.0


def macro_f1(truth: Ints, best: Ints) -> float:
    """Mean F1 over the classes that have clips."""
    scores = []
    for k in range(_CLASSES):
        if not (truth == k).any():
            continue
        hits = float(np.sum((truth == k) & (best == k)))
        scores.append(2 * hits / (float(np.sum(truth == k)) + float(np.sum(best == k))))
    return float(np.mean(scores)) if scores else 0.0


def expected_calibration_error(truth: Ints, probabilities: Floats) -> float:
    """ECE of the best class over ten equal bins of confidence (Guo et al., 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(right[bins == b].mean()) - float(confidence[bins == b].mean())) * float(np.mean(bins == b))
        for b in range(_BINS)
        if (bins == b).any()
    ]
    return float(sum(gaps))


def most_confident_uar(truth: Ints, probabilities: Floats, share: float = 0.7) -> float:
    """UAR on the `share` of clips with the highest confidence."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(share * len(truth)))]
    return uar(truth[order], probabilities[order].argmax(axis=1))


def confusion(truth: Ints, probabilities: Floats, threshold: float) -> list[list[int]]:
    """Counts, rows true, columns predicted in LABELS' order, "uncertain" last (4 x 5)."""
    answer = np.where(probabilities.max(axis=1) >= threshold, probabilities.argmax(axis=1), _CLASSES)
    table = np.zeros((_CLASSES, _CLASSES + 1), int)
    np.add.at(table, (truth, answer), 1)
    counts: list[list[int]] = table.tolist()
    return counts


def figures(truth: Ints, probabilities: Floats, threshold: float) -> dict[str, Any]:
    """Every figure of clips with labels (n,) and probabilities (n, 4)."""
    best = probabilities.argmax(axis=1)
    return {
        "clips": len(truth),
        "uar": round(uar(truth, best), 4),
        "accuracy": round(float(np.mean(best == truth)), 4),
        "macro_f1": round(macro_f1(truth, best), 4),
        "recall": {str(k): round(r, 4) for k, r in zip(LABELS, recalls(truth, best), strict=True)},
        "confusion": confusion(truth, probabilities, threshold),
        "ece": round(expected_calibration_error(truth, probabilities), 4),
        "coverage": round(float(np.mean(probabilities.max(axis=1) >= threshold)), 4),
        "uar_70_most_confident": round(most_confident_uar(truth, probabilities), 4),
    }


def softmax(logits: Floats) -> Floats:
    """Row-wise softmax (n, 4)."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: Floats = e / e.sum(axis=-1, keepdims=True)
    return out


def even_temperature(parts: Sequence[tuple[Ints, Floats]]) -> float:
    """The temperature with the smallest sum of calibration errors over parts, each of labels (n,) and logits
    (n, 4).
    """
    grid = np.geomspace(0.5, 2.0, 57)
    errors = [sum(expected_calibration_error(y, softmax(z / t)) for y, z in parts) for t in grid]
    return round(float(grid[int(np.argmin(errors))]), 4)


def calibrate(
    truth: Ints,
    logits: Floats,
    accuracy: float = 0.85,
    coverage: float = 0.7,
    temperature: float | None = None,
    weights: Floats | None = None,
) -> Calibration:
    """The temperature with the least log loss (unless given) and a threshold, from labels (n,) and logits (n,
    4).

    The threshold is the lowest at which the clips over it are right `accuracy` of the time, or the
    one that keeps `coverage` of the clips, whichever is lower; clips count by `weights` (n,), or alike.
    """
    counts = np.ones(len(truth)) if weights is None else weights.astype(np.float64)
    if temperature is None:
        rows = np.arange(len(truth))
        grid = np.geomspace(0.3, 5.0, 113)
        losses = [-float(counts @ np.log(softmax(logits / t)[rows, truth] + 1e-9)) for t in grid]
        temperature = float(grid[int(np.argmin(losses))])
    p = softmax(logits / temperature)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == truth
    order = np.argsort(-confidence, kind="stable")
    answered = np.cumsum(counts[order])
    good = np.flatnonzero(np.cumsum((counts * right)[order]) >= accuracy * answered)
    enough = int(np.searchsorted(answered, coverage * answered[-1] * (1 - 1e-9)))
    keep = 1 + max(int(good[-1]) if good.size else 0, enough)
    return Calibration(round(temperature, 4), round(float(confidence[order[keep - 1]]) - 1e-4, 4))

"""Figures of "upset or not" (angry or disappointed), with intervals by bootstrap, alone and against another
model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import UPSET_THRESHOLD
from emocx_pbx.training.figures import uar

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DRAWS: Final = 1000
#: Share of false alarms at which models are compared, whatever their thresholds.
ALARMS: Final = 0.05


def is_upset(labels: IntArray) -> BoolArray:
    """Which labels, indices in LABELS (n,), are angry or disappointed."""
    return np.asarray((labels == 0) | (labels == 2))


def upset_of(probabilities: FloatArray) -> FloatArray:
    """P(upset) (n,) of class probabilities (n, 4)."""
    return np.asarray(probabilities[:, 0] + probabilities[:, 2])


def auc(upset: BoolArray, said: FloatArray) -> float:
    """Probability that an upset message gets a higher value than a calm one, ties counting half; nan without
    either.
    """
    calm = int((~upset).sum())
    found = int(upset.sum())
    if not calm or not found:
        return float("nan")
    _, place, count = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[upset].sum() - found * (found + 1) / 2) / (found * calm))


def found_at(upset: BoolArray, said: FloatArray, alarms: float = ALARMS) -> float:
    """Share of upset messages found at the threshold that this share of calm ones exceeds; nan without
    either.
    """
    if upset.all() or not upset.any():
        return float("nan")
    return float((said[upset] > np.quantile(said[~upset], 1 - alarms)).mean())


def calibration_gap(upset: BoolArray, said: FloatArray, bins: int = 10) -> float:
    """Expected calibration error of P(upset) over equal bins."""
    at = np.minimum((said * bins).astype(np.int64), bins - 1)
    parts = [(at == b) for b in range(bins) if (at == b).any()]
    return float(sum(p.mean() * abs(float(upset[p].mean()) - float(said[p].mean())) for p in parts))


def _figures(threshold: float) -> Mapping[str, Callable[[IntArray, FloatArray], float]]:
    def share(labels: IntArray, given: FloatArray, wanted: bool) -> float:
        chosen = is_upset(labels) == wanted
        return float((upset_of(given)[chosen] >= threshold).mean()) if chosen.any() else float("nan")

    return {
        "auc": lambda labels, given: auc(is_upset(labels), upset_of(given)),
        "found": lambda labels, given: share(labels, given, True),
        "false_alarms": lambda labels, given: share(labels, given, False),
        "found_at_5": lambda labels, given: found_at(is_upset(labels), upset_of(given)),
        "uar": lambda labels, given: uar(labels, given.argmax(axis=1)),
    }


def upset_figures(
    labels: IntArray,
    given: FloatArray,
    other: FloatArray | None = None,
    *,
    threshold: float = UPSET_THRESHOLD,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures for probabilities (n, 4) of messages with labels (n,), each with its 95 % interval.

    auc: of P(upset); found, false_alarms: at `threshold`; found_at_5: where 5 % of the calm are alarms;
    uar: of the four classes; calibration: expected error of P(upset). With `other`, another model's
    probabilities of the same messages, `difference` is this one's less the other's, drawn in pairs.
    """
    figures = _figures(threshold)
    rng = np.random.default_rng(seed)
    mine: dict[str, list[float]] = {name: [] for name in figures}
    gained: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(draws):
        rows = rng.integers(len(labels), size=len(labels))
        for name, figure in figures.items():
            mine[name].append(figure(labels[rows], given[rows]))
            if other is not None:
                gained[name].append(mine[name][-1] - figure(labels[rows], other[rows]))
    answer: dict[str, Any] = {
        "n": len(labels),
        "upset": int(is_upset(labels).sum()),
        "threshold": threshold,
        "calibration": round(calibration_gap(is_upset(labels), upset_of(given)), 4),
    }
    for name, figure in figures.items():
        answer[name] = _interval(figure(labels, given), mine[name])
    if other is not None:
        answer["difference"] = {
            name: _interval(figure(labels, given) - figure(labels, other), gained[name])
            for name, figure in figures.items()
        }
    return answer


def _interval(value: float, drawn: list[float]) -> dict[str, float | None]:
    """A figure and its 95 % interval; None where there is nothing to measure it on."""
    if np.isnan(value):
        return {"value": None, "low": None, "high": None}
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}

"""Grades and readings of such calls with words off, sampled and all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.grade_quality import compare, perfect
from benchmarks.words.calls import MODES, WordedCall, fused
from benchmarks.words.interval import interval
from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.domain import LABELS, Grade
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import grade_segment
from emocx_pbx.training.text.upset import auc, is_upset

#: True grades, and those given.
Pairs = Sequence[tuple[Grade, Grade]]


def grades(calls: Sequence[WordedCall], rubric: Rubric) -> dict[str, Any]:
    """Figures of the grades with words off, sampled and all, and of the differences to off."""
    pairs: dict[str, list[tuple[Grade, Grade]]] = {mode: [] for mode in MODES}
    for each in calls:
        true = grade(each.call.truth, rubric)
        length = len(each.call.customer) / SAMPLE_RATE
        for mode in MODES:
            pairs[mode].append((true, grade_segment(fused(each, mode), (0, length), each.spans, rubric)))
    out: dict[str, Any] = {}
    for mode in MODES:
        starts = {
            str(LABELS[k]): compare(
                [p for p, c in zip(pairs[mode], calls, strict=True) if c.call.start == k], rubric
            ).get("bias", 0.0)
            for k in range(len(LABELS))
        }
        out[mode] = {
            **compare(pairs[mode], rubric),
            "bias_by_start": starts,
            "worst_start_bias": max(abs(b) for b in starts.values()),
            "readings": _readings(calls, mode),
        }
    for mode in MODES[1:]:
        out[mode]["spearman_gain_95"] = interval(partial(_rank_gained, pairs["off"], pairs[mode]), len(calls))
        out[mode]["mae_gain_95"] = interval(partial(_error_spared, pairs["off"], pairs[mode]), len(calls))
    return out


def _readings(calls: Sequence[WordedCall], mode: str) -> dict[str, Any]:
    """How readings of one true label are read: right answers by class, and AUC of upset."""
    labels, given = [], []
    for each in calls:
        for reading in fused(each, mode):
            true = perfect(reading, each.call.truth).scores
            if true.confidence > 0.99:
                labels.append(LABELS.index(true.best))
                given.append(reading.scores.probabilities)
    known, said = np.array(labels), np.array(given, np.float32)
    best = said.argmax(axis=1)
    recalls = {str(LABELS[k]): round(float((best[known == k] == k).mean()), 3) for k in range(len(LABELS))}
    return {
        "number": len(known),
        "uar": round(statistics.mean(recalls.values()), 3),
        "recalls": recalls,
        "upset_auc": round(auc(is_upset(known), said[:, 0] + said[:, 2]), 3),
        "log_loss": round(float(-np.log(np.maximum(said[np.arange(len(known)), known], 1e-9)).mean()), 3),
    }


def _both(pairs: Pairs, at: Any) -> list[tuple[float, float]]:
    drawn = [pairs[i] for i in at]
    return [(t.score, g.score) for t, g in drawn if t.score is not None and g.score is not None]


def _rank(pairs: Pairs, at: Any) -> float:
    both = _both(pairs, at)
    return float(spearmanr([t for t, _ in both], [g for _, g in both]).statistic)


def _error(pairs: Pairs, at: Any) -> float:
    return statistics.mean(abs(t - g) for t, g in _both(pairs, at))


def _rank_gained(off: Pairs, on: Pairs, at: Any) -> float:
    return _rank(on, at) - _rank(off, at)


def _error_spared(off: Pairs, on: Pairs, at: Any) -> float:
    return _error(off, at) - _error(on, at)

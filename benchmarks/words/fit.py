"""The rule by which words and voice are fused, chosen on dev."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from benchmarks.grade_quality import perfect
from benchmarks.words.calls import WordedCall
from emocx_pbx.analysis.call_words import Worded
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.emotion.fusion import FusionRule, fuse, pooled_words


def fit(calls: Sequence[WordedCall]) -> dict[str, Any]:
    """The rule with the least log loss on readings of dev calls with words; weights at most 1."""
    cases = [
        (pooled_words(said), reading.scores, share, perfect(reading, each.call.truth).scores.probabilities)
        for each in calls
        for reading in each.readings
        for said, share in [_said_within(reading, each.words)]
        if said
    ]

    def rule_of(x: npt.NDArray[np.float64]) -> FusionRule:
        voice, words, doubt = (float(1 / (1 + np.exp(-v))) for v in (x[0], x[1], x[2]))
        bias = np.append(x[3:6], -x[3:6].sum())
        a, n, d, h = (float(b) for b in bias)
        return FusionRule(voice, words, (a, n, d, h), doubt)

    def loss(x: npt.NDArray[np.float64]) -> float:
        rule, total = rule_of(x), 0.0
        for words, voice, share, true in cases:
            both = fuse(words, voice, share, rule)
            assert both is not None
            total += _log_loss(true, both)
        return total / len(cases) + 1e-3 * float((x**2).sum())

    start = np.array([1.0, 1.0, -1.0, 0.0, 0.0, 0.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 400, "xatol": 0.02, "fatol": 1e-4})
    rule = rule_of(found.x)
    return {
        "readings": len(cases),
        "voice": round(rule.voice, 2),
        "words": round(rule.words, 2),
        "bias": [round(b, 2) for b in rule.bias],
        "doubt": round(rule.doubt, 2),
        "log_loss": round(float(found.fun), 4),
        "log_loss_of_the_rule_in_use": round(
            statistics.mean(_log_loss(true, fuse(w, v, s) or v) for w, v, s, true in cases), 4
        ),
        "log_loss_of_the_voice": round(statistics.mean(_log_loss(true, v) for _, v, _, true in cases), 4),
    }


def _said_within(reading: Reading, words: Sequence[Worded]) -> tuple[list[tuple[Scores, float]], float]:
    """What was said within a reading, with for how long (s), and the share of the words that lies in it."""
    within = [(w, s) for w in words if (s := min(reading.t1, w.t1) - max(reading.t0, w.t0)) > 0]
    return [(w.scores, s) for w, s in within], min(1.0, sum(s / (w.t1 - w.t0) for w, s in within))


def _log_loss(true: Sequence[float], given: Scores) -> float:
    return -float(sum(t * np.log(max(p, 1e-9)) for t, p in zip(true, given.probabilities, strict=True)))

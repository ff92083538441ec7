from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.training.text.evaluate import (
    best_bias,
    best_temperature,
    best_threshold,
    bias_within,
    calibration_error,
    measure,
    softmax,
)

FloatArray = npt.NDArray[np.float32]

SURE = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0, 0.3, 0.7, 0], [0, 0.6, 0, 0.4]], np.float32)


def test_figures_of_a_small_example() -> None:
    figures = measure(SURE, np.array([0, 1, 2, 3]), 0.7)
    assert figures["labels"] == ["angry", "neutral", "disappointed", "happy"]
    assert figures["recall"] == {"angry": 1.0, "neutral": 1.0, "disappointed": 1.0, "happy": 0.0}
    assert figures["uar"] == figures["accuracy"] == 0.75
    assert figures["macro_f1"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4, abs=1e-4)
    assert figures["coverage"] == 0.75
    assert figures["confusion"] == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]
    assert figures["upset_recall"] == 1.0
    assert figures["upset_false_alarms"] == 0.0


def test_classes_that_do_not_occur_do_not_count() -> None:
    figures = measure(SURE[:2], np.array([0, 1]), 0.0)
    assert figures["uar"] == figures["macro_f1"] == 1.0
    assert set(figures["recall"]) == {"angry", "neutral"}


@given(st.integers(0, 10_000))
def test_figures_are_consistent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), 30).astype(np.float32)
    labels = rng.integers(0, 4, 30)
    figures = measure(probabilities, labels, 0.5)
    assert sum(map(sum, figures["confusion"])) == 30
    assert 0 <= figures["ece"] <= 1
    assert 0 <= figures["macro_f1"] <= 1


def test_calibration_error_sees_overconfidence() -> None:
    sure = np.tile(np.array([[0.97, 0.01, 0.01, 0.01]], np.float32), (100, 1))
    half = np.repeat([0, 1], 50)
    assert calibration_error(sure, half) == pytest.approx(0.47, abs=0.01)


def test_temperature_cools_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 4)).astype(np.float32)
    labels = np.array([rng.choice(4, p=row / row.sum()) for row in softmax(logits).astype(np.float64)])
    assert best_temperature(logits, labels) == pytest.approx(1.0, abs=0.12)
    assert best_temperature(2 * logits, labels) == pytest.approx(2.0, abs=0.24)


def test_bias_never_harms_where_it_was_chosen() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 400)
    logits = (np.eye(4)[labels] + rng.normal(0, 1, (400, 4)) + [0, 0.5, 0, 0]).astype(np.float32)
    bias = best_bias(logits, labels)
    before, after = (measure(softmax(x), labels, 0.0)["macro_f1"] for x in (logits, logits + bias))
    assert after >= before
    assert np.abs(bias).max() <= 0.5 + 1e-6


def test_threshold_keeps_the_coverage() -> None:
    probabilities = softmax(np.random.default_rng(2).normal(0, 2, (1000, 4)).astype(np.float32))
    threshold = best_threshold(probabilities, 0.9)
    assert threshold == 0.4 or (probabilities.max(axis=1) >= threshold).mean() >= 0.9


def test_bias_beside_dev_stays_over_the_floor() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 400)
    dev = (2 * np.eye(4)[labels] + rng.normal(0, 1, (400, 4))).astype(np.float32)
    beside = (2 * np.eye(4)[labels] + rng.normal(0, 1, (400, 4)) + [-1, 0, 0, 0]).astype(np.float32)

    def f1(logits: FloatArray) -> float:
        return float(measure(softmax(logits), labels, 0.0)["macro_f1"])

    floor = f1(dev) - 0.02
    bias = bias_within((dev, labels), (beside, labels), floor)
    assert f1(dev + bias) >= floor - 1e-3
    assert f1(beside + bias) > f1(beside)
    # Nothing reaches this floor: what is best for dev alone.
    assert np.array_equal(bias_within((dev, labels), (beside, labels), 1.0), best_bias(dev, labels))

"""Old against new on the same held-out items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emocx_pbx.training.compare import compare

Floats = npt.NDArray[np.float32]


def right_on(truth: npt.NDArray[np.int64], share: float, seed: int) -> Floats:
    """Probabilities that are right on about `share` of the items."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(truth)) < share, truth, (truth + 1) % 4)
    return np.asarray(np.eye(4)[said] * 0.7 + 0.075, np.float32)


TRUTH = np.arange(400) % 4


def test_a_better_model_is_promoted() -> None:
    found = compare(TRUTH, right_on(TRUTH, 0.5, 1), right_on(TRUTH, 0.8, 2))
    assert found["promote"]
    assert found["low"] > 0.1
    assert found["uar_new"] > found["uar_old"]


def test_a_worse_model_is_refused_with_both_figures() -> None:
    found = compare(TRUTH, right_on(TRUTH, 0.8, 1), right_on(TRUTH, 0.5, 2))
    assert not found["promote"]
    assert str(found["why"]).startswith("worse: UAR 0.5")
    assert found["high"] < 0


def test_the_same_model_is_not_worse() -> None:
    said = right_on(TRUTH, 0.6, 1)
    found = compare(TRUTH, said, said)
    assert found["promote"]
    assert found["difference"] == found["low"] == found["high"] == 0


def test_a_gain_that_may_be_chance_is_refused() -> None:
    """One item of forty better, and a dozen changed each way."""
    truth = TRUTH[:40]
    old, new = right_on(truth, 1.0, 0), right_on(truth, 1.0, 0)
    wrong = np.asarray(np.eye(4)[(truth + 1) % 4], np.float32)
    old[:13], new[20:32] = wrong[:13], wrong[20:32]
    found = compare(truth, old, new)
    assert found["difference"] > 0
    assert not found["promote"]
    assert "too uncertain" in str(found["why"])


def test_few_items_decide_nothing() -> None:
    found = compare(TRUTH[:10], right_on(TRUTH[:10], 0.1, 1), right_on(TRUTH[:10], 1.0, 1))
    assert not found["promote"]
    assert "at least 20" in str(found["why"])


def test_callers_are_drawn_as_a_whole() -> None:
    """Forty clips of one caller are hardly more evidence than one of them."""
    old, new = right_on(TRUTH, 0.6, 1), right_on(TRUTH, 0.6, 1)
    new[:40] = np.asarray(np.eye(4)[TRUTH[:40]], np.float32)
    callers = [f"caller {i // 40}" for i in range(400)]
    single, whole = compare(TRUTH, old, new), compare(TRUTH, old, new, callers)
    assert (single["drawn"], whole["drawn"]) == ("items", "callers")
    assert whole["high"] - whole["low"] > single["high"] - single["low"]


def test_comparing_again_gives_the_same() -> None:
    old, new = right_on(TRUTH, 0.6, 1), right_on(TRUTH, 0.7, 2)
    assert compare(TRUTH, old, new) == compare(TRUTH, old, new)

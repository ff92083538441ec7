"""What the light model gets wrong about a caller is learned from windows that both models read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.analysis.correction import Correction
from emocx_pbx.domain import Emotion, Scores

ANGRY, CALM, GLAD = (
    Scores.of([0.8, 0.1, 0.05, 0.05], 0.6),
    Scores.of([0.1, 0.8, 0.05, 0.05], 0.6),
    Scores.of([0.01, 0.01, 0.01, 0.97], 0.6),
)
ANSWERS = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda row: sum(row) > 0).map(Scores.of)


def after(pairs: int, accurate: Scores, light: Scores, since: int = 0) -> Correction:
    """What is known after so many windows that both read, and so many more that one read."""
    correction = Correction()
    for _ in range(pairs):
        correction.passed()
        correction.learn(accurate, light)
    for _ in range(since):
        correction.passed()
    return correction


def test_nothing_is_changed_before_anything_was_learned() -> None:
    assert Correction().corrected(CALM) is CALM


def test_a_caller_whom_the_light_model_misreads_is_read_as_the_accurate_one_did() -> None:
    corrected = after(2, ANGRY, CALM).corrected(CALM)
    assert corrected.best is Emotion.ANGRY
    assert (corrected.plain, corrected.threshold) == (CALM.probabilities, 0.6)


def test_what_the_light_model_hears_anew_is_heard() -> None:
    assert after(2, ANGRY, CALM).corrected(GLAD).best is Emotion.HAPPY


def test_models_that_agree_stay_as_they_are() -> None:
    assert after(3, CALM, CALM).corrected(ANGRY).probabilities == pytest.approx(ANGRY.probabilities)


def test_what_was_learned_fades() -> None:
    upset = [after(2, ANGRY, CALM, since).corrected(CALM).probabilities[0] for since in (0, 4, 8, 40)]
    assert upset == sorted(upset, reverse=True)
    assert upset[-1] == pytest.approx(CALM.probabilities[0], abs=1e-3)


def test_the_latest_counts_most() -> None:
    correction = after(3, ANGRY, CALM, since=6)
    correction.learn(CALM, CALM)
    assert correction.corrected(CALM).best is Emotion.NEUTRAL


def test_a_line_s_own_correction_is_kept_beside_the_models_answer() -> None:
    light = Scores(CALM.probabilities, 0.6, plain=GLAD.probabilities)
    assert after(1, ANGRY, light).corrected(light).plain == GLAD.probabilities


@given(ANSWERS, ANSWERS, ANSWERS)
def test_whatever_both_say_the_answer_is_one(accurate: Scores, light: Scores, next_one: Scores) -> None:
    corrected = after(2, accurate, light).corrected(next_one)
    assert math.fsum(corrected.probabilities) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in corrected.probabilities)

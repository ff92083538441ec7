"""Adapting to a caller: voices with a known offset, mixed and of one emotion only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.emotion.caller import BEAM, CallerBelief, CallerPrior, Weights
from emocx_pbx.errors import ModelError

MEANS = 2.0 * np.eye(4, dtype=np.float32)
PRIOR = CallerPrior(
    project=np.zeros((9, 4), np.float32),
    means=MEANS,
    shared=np.full(4, 4.0, np.float32),
    own=np.full(4, 0.2, np.float32),
    known=Weights(2.0, 1.0),
    strange=Weights(4.0, 0.5),
)


def plain(z: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Log probabilities of a model that knows nothing of callers."""
    distance = -0.5 * ((z - MEANS) ** 2).sum(axis=1) / 5.2
    logs: npt.NDArray[np.float32] = (distance - np.log(np.exp(distance).sum())).astype(np.float32)
    return logs


def call(
    labels: Iterable[int], offset: npt.NDArray[Any], seed: int = 0, noise: float = 0.5
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Plain and adapted answers along a call."""
    rng = np.random.default_rng(seed)
    belief = CallerBelief(PRIOR)
    before, after = [], []
    for k in labels:
        z = MEANS[k] + offset + noise * rng.normal(size=4)
        before.append(int(plain(z).argmax()))
        after.append(int(belief.hear(z, plain(z)).argmax()))
    return np.array(before), np.array(after)


def test_the_first_reading_is_the_plain_one() -> None:
    z = np.array([1.0, 0.5, -0.3, 0.2])
    observed = CallerBelief(PRIOR).hear(z, plain(z))
    np.testing.assert_allclose(np.exp(observed) / np.exp(observed).sum(), np.exp(plain(z)), atol=1e-6)


def test_neutral_speech_is_expected_until_something_else_is_heard() -> None:
    z, none = np.zeros(4), np.full(4, np.log(0.25), np.float32)
    expecting = CallerBelief(PRIOR, neutral_share=0.7)
    observed = np.exp(expecting.hear(z, none))
    np.testing.assert_allclose(observed / observed.sum(), [0.1, 0.7, 0.1, 0.1], atol=1e-6)
    observed = np.exp(CallerBelief(PRIOR, neutral_share=0.7).hear(3 * MEANS[0], plain(3 * MEANS[0])))
    assert observed.argmax() == 0


def test_a_caller_whose_voice_is_off_is_learnt_along_a_mixed_call() -> None:
    labels = np.tile([0, 1, 2, 3], 20)
    offset = np.array([3.0, 0.0, 0.0, 0.0])
    before, after = call(labels, offset)
    assert np.mean(before[20:] == labels[20:]) < 0.6
    assert np.mean(after[20:] == labels[20:]) > 0.9


@pytest.mark.parametrize("label", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_a_caller_of_one_emotion_keeps_it(label: int, seed: int) -> None:
    before, after = call([label] * 40, np.zeros(4), seed)
    assert np.mean(after == label) >= np.mean(before == label) - 0.01


def test_on_strange_recordings_distances_count_for_less() -> None:
    moved = []
    for known in (1.0, 0.5, 0.0):
        belief = CallerBelief(PRIOR)
        for k in (0, 1, 2):
            belief.hear(MEANS[k] + [3.0, 0.0, 0.0, 0.0], np.full(4, np.log(0.25), np.float32), known)
        z = MEANS[3] + [3.0, 0.0, 0.0, 0.0]
        observed = belief.hear(z, plain(z), known) - plain(z)
        moved.append(observed[3] - observed[0])
    assert moved[0] > moved[1] > moved[2] > 0


def test_long_calls_keep_a_bounded_beam_and_finite_answers() -> None:
    belief = CallerBelief(PRIOR)
    rng = np.random.default_rng(1)
    for _ in range(300):
        z = 3 * rng.normal(size=4)
        assert np.isfinite(belief.hear(z, plain(z))).all()
    assert len(belief._weights) == BEAM


def test_what_the_plain_model_rules_out_stays_out() -> None:
    belief = CallerBelief(PRIOR)
    sure = np.log(np.array([1 - 3e-9, 1e-9, 1e-9, 1e-9], np.float32))
    for _ in range(10):
        assert belief.hear(MEANS[1].astype(float), sure).argmax() == 0


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = {"project": np.zeros((9, 4)), "means": MEANS, "shared": np.ones(4)}
    with pytest.raises(ModelError, match="own"):
        CallerPrior.of(arrays, PRIOR.known)
    with pytest.raises(ModelError, match="fit each other"):
        CallerPrior.of({**arrays, "own": np.ones(3)}, PRIOR.known)

"""Heads on a caller's own centre: voices far from any centre learnt from, mixed and of one emotion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.emotion.adaptation import Adaptation, AdaptationInputs, CallerSession
from emocx_pbx.emotion.caller import CallerPrior, Weights
from emocx_pbx.emotion.centred import RECENT, Centred, Centring, Doubles, PlacedReading
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.errors import ModelError

#: What each emotion adds to a voice's centre, in six directions.
CLASSES = np.eye(4, 6, dtype=np.float32) - 0.25 * np.ones((1, 6), np.float32)
EVEN = np.full(4, 0.25)


def heads(**other: Any) -> Centred:
    """One head of four hidden units, each of which answers for the emotion in whose direction it looks."""
    first = np.vstack((8 * np.eye(6, 4), np.full((1, 4), 2.0))).astype(np.float32)
    found = Centred(
        components=np.eye(6, dtype=np.float32),
        clip=np.stack((np.zeros(6), np.ones(6))).astype(np.float32),
        classes=CLASSES,
        doubt=np.full(6, 0.2, np.float32),
        usual=np.zeros(6, np.float32),
        stack=StackedHeads(first, np.eye(4, dtype=np.float32), np.zeros((1, 4), np.float32), np.array([4])),
        familiar=np.zeros((7, 0), np.float32),
        edge=np.zeros(2, np.float32),
    )
    return replace(found, **other)


def plain(place: npt.NDArray[np.floating]) -> Doubles:
    """Log probabilities of one who takes every voice for the usual one, and is not sure of it."""
    z = -((place - CLASSES) ** 2).sum(axis=1)
    return np.asarray(z - np.log(np.exp(z).sum()), np.float64)


def call(
    labels: npt.NDArray[np.integer], centre: Doubles, known: float = 1.0, seed: int = 0
) -> tuple[float, float]:
    """Shares of right answers, plain and centred, in the second half of a call."""
    rng = np.random.default_rng(seed)
    caller, before, after = Centring(heads(), EVEN), [], []
    for k in labels:
        place = (CLASSES[k] + centre + 0.15 * rng.normal(size=6)).astype(np.float32)
        observed = plain(place)
        before.append(observed.argmax())
        after.append(caller.hear(PlacedReading(place, known, observed)).argmax())
    half = len(labels) // 2
    first, second = (float(np.mean(np.array(a[half:]) == labels[half:])) for a in (before, after))
    return first, second


VOICE = np.array([0.9, 0.0, -0.4, 0.0, 1.0, 0.0])


def test_a_voice_off_the_usual_centre_is_learnt_along_a_mixed_call() -> None:
    before, after = call(np.tile([0, 1, 2, 3], 10), VOICE)
    assert before <= 0.7
    assert after > 0.95


@pytest.mark.parametrize("label", range(4))
def test_a_caller_of_one_emotion_keeps_it(label: int) -> None:
    before, after = call(np.full(40, label), np.zeros(6))
    assert after >= before - 0.01


def test_recordings_that_the_heads_do_not_know_are_left_to_the_rest() -> None:
    before, after = call(np.tile([0, 1, 2, 3], 10), VOICE, known=0.0)
    assert after == before


def test_the_first_reading_is_the_plain_one() -> None:
    place = CLASSES[2] + np.float32(0.3)
    said = Centring(heads(), EVEN).hear(PlacedReading(place, 1.0, plain(place)))
    np.testing.assert_allclose(said, plain(place), atol=1e-5)


def test_only_recent_readings_are_judged_anew_and_sums_stay_whole() -> None:
    caller, rng = Centring(heads(), EVEN), np.random.default_rng(2)
    for _ in range(50):
        place = rng.normal(size=6).astype(np.float32)
        assert np.isfinite(caller.hear(PlacedReading(place, 1.0, plain(place)))).all()
    assert len(caller._recent) == RECENT
    assert caller._counts.sum() == pytest.approx(50)


def test_stored_heads_come_back_and_answer_alike() -> None:
    one, rows = heads(), np.random.default_rng(3).normal(size=(5, 6)).astype(np.float32)
    again = Centred.of(one.arrays())
    assert again is not None
    np.testing.assert_allclose(again.stack.read(rows), one.stack.read(rows), atol=1e-3)
    np.testing.assert_array_equal(again.known(rows), np.ones(5))
    assert Centred.of({"means": np.ones(4)}) is None


def test_familiar_recordings_are_told_by_their_own_map() -> None:
    familiar = np.zeros((7, 2), np.float32)
    familiar[0, 0] = familiar[1, 1] = 1.0
    known = heads(familiar=familiar, edge=np.array([0.5, 20.0], np.float32)).known
    near, far = np.eye(6, dtype=np.float32)[[0, 1]], np.zeros((1, 6), np.float32)
    assert (known(near) > 0.99).all()
    assert (known(far) < 0.01).all()


def test_heads_that_do_not_fit_are_refused() -> None:
    arrays = heads().arrays()
    with pytest.raises(ModelError, match="fit each other"):
        Centred.of({**arrays, "centred_doubt": np.ones(5)})
    del arrays["centred_usual"]
    with pytest.raises(ModelError, match="centred_usual"):
        Centred.of(arrays)


def test_a_session_hears_both_and_an_older_model_the_first_alone() -> None:
    prior = CallerPrior(
        project=np.vstack((np.eye(6, 4), np.zeros((4, 4)))).astype(np.float32),
        means=CLASSES[:, :4],
        shared=np.full(4, 1.0, np.float32),
        own=np.full(4, 0.2, np.float32),
        known=Weights(8.0, 0.6),
        strange=Weights(16.0, 0.3),
    )
    rng, labels = np.random.default_rng(4), np.tile([0, 1, 2, 3], 10)
    measured = (CLASSES[labels] + VOICE + 0.15 * rng.normal(size=(40, 6))).astype(np.float32)
    log_p = np.array([plain(row) for row in measured], np.float32)
    right = []
    for model in (Adaptation(prior, heads()), Adaptation(prior, None)):
        session, inputs = CallerSession(model), model.inputs(measured, log_p)
        assert isinstance(inputs, AdaptationInputs)
        said = np.array([session.hear(inputs, i) for i in range(len(labels))])
        right.append(np.mean(said[20:].argmax(axis=1) == labels[20:]))
    assert right[0] > 0.95
    assert right[0] >= right[1]


def test_a_recipe_without_its_weights_is_refused() -> None:
    with pytest.raises(ModelError, match=r"adaptation is incomplete: 'trust'"):
        Adaptation.of({}, {"mix": 8.0})

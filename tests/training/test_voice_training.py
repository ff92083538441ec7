"""Parts of training `voice`: heads in numpy, folds by speaker, what is learnt of callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.emotion.adaptation import Adaptation
from emocx_pbx.emotion.centred import Centred
from emocx_pbx.emotion.speech import SpeechClassifier
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.training.speech import heads, voice
from emocx_pbx.training.speech.callers import (
    Unheard,
    caller_figures,
    check_teaches,
    cross_fitted_figures,
    histories,
    learn_prior,
    measured_callers,
)
from emocx_pbx.training.speech.centred import fit_centred
from emocx_pbx.training.speech.crossfit import FOLDS, Recipe, cross_fit, deal
from emocx_pbx.training.speech.data import Clip
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.relative import Ints, Names, Relative, fit_relative

QUICK = Fit(epochs=30, hidden=(16,), batch=16, rate=1e-2, drop_in=0.0, drop=0.1, noise=0.0)

WEIGHTS = {"mix": 1.0, "trust": 0.6}


def clip(corpus: str, speaker: str, label: int) -> Clip:
    return Clip(corpus, speaker, "train", label, "", np.zeros(8, np.float32))


def test_heads_learn_what_can_be_learnt_and_repeat_from_their_seed() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    x = (np.eye(4, 6)[labels] * 3 + rng.normal(size=(200, 6))).astype(np.float32)[None]
    y = np.eye(4, dtype=np.float32)[labels]
    found, curve = heads.train(x, y, np.ones(200, np.float32), QUICK, seed=3)
    assert np.mean(heads.answer(found, x[0]).argmax(axis=1) == labels) > 0.85
    assert curve[-1] < curve[0]
    again, _ = heads.train(x, y, np.ones(200, np.float32), QUICK, seed=3)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_principal_components_of_few_clips_are_those_of_as_many_again() -> None:
    x = np.random.default_rng(4).normal(size=(1, 20, 30)).astype(np.float32) * np.linspace(
        3, 1, 30, dtype=np.float32
    )
    few, many = (
        heads.fit_compressor(rows, 5) for rows in (x, np.concatenate([x, x]))
    )  # fewer rows than numbers, more
    for a, b in zip(few(x[0]).T, many(x[0]).T, strict=True):
        # Which end of a direction counts as positive is chance.
        assert abs(np.corrcoef(a, b)[0, 1]) == pytest.approx(1, abs=1e-2)
        assert a.std() == pytest.approx(b.std(), rel=1e-2)


def test_the_gradient_is_that_of_the_loss() -> None:
    fit = Fit(hidden=(5,), drop_in=0.0, drop=0.0, noise=0.0)
    rng = np.random.default_rng(1)
    weights = [w.astype(np.float64) for w in heads.fresh(3, 5, rng)]
    x, y = rng.normal(size=(7, 3)), np.eye(4)[rng.integers(4, size=7)]
    counts = rng.uniform(0.5, 2, size=(7, 1))

    # In double precision, for the sake of the differences.
    slopes_of = cast(Any, heads._slopes)

    def loss() -> Any:
        return slopes_of(weights, x, y, counts, fit, np.random.default_rng(0))[0]

    _, slopes = slopes_of(weights, x, y, counts, fit, np.random.default_rng(0))
    for w, slope in zip(weights, slopes, strict=True):
        at = tuple(0 for _ in w.shape)
        w[at] += 1e-4
        above = loss()
        w[at] -= 2e-4
        below = loss()
        w[at] += 1e-4
        assert slope[at] == pytest.approx((above - below) / 2e-4, rel=1e-2, abs=1e-4)


def test_no_speaker_is_in_two_folds_and_every_fold_hears_every_large_corpus() -> None:
    clips = [clip(c, f"s{s}", k) for c in "ab" for s in range(10) for k in range(4)]
    folds = deal(clips)
    by_voice: dict[str, int] = {}
    for one, fold in zip(clips, folds, strict=True):
        assert by_voice.setdefault(one.voice, fold) == fold
    assert {(c.corpus, f) for c, f in zip(clips, folds, strict=True)} == {
        (c, f) for c in "ab" for f in range(FOLDS)
    }


def test_a_single_speaker_cannot_be_cross_fitted() -> None:
    clips = [clip("a", "s", k) for k in range(4)]
    with pytest.raises(InputError, match="two speakers"):
        cross_fit(
            np.zeros((1, 4, 6), np.float32),
            clips,
            Recipe((QUICK,), (slice(6),), 1),
            lambda *_: None,
        )


def speakers(count: int = 40, clips: int = 12, seed: int = 0) -> tuple[FloatArray, FloatArray, Ints, Names]:
    """Measurements (n, 8) of speakers whose voices add an offset to all their emotions."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(clips) % 4, count)
    voices = np.repeat([f"v{i}" for i in range(count)], clips)
    place = np.zeros((4, 8))
    place[:, :4] = 2 * np.eye(4)
    offset = np.repeat(rng.normal(size=(count, 8)), clips, axis=0)
    x = (place[labels] + offset + 0.6 * rng.normal(size=(labels.size, 8))).astype(np.float32)
    score = -((x[:, None, :4] - place[None, :, :4]) ** 2).sum(axis=2) / 6
    log_p = (score - np.log(np.exp(score).sum(axis=1, keepdims=True))).astype(np.float32)
    return x, log_p, labels, voices


def unheard(seed: int = 0, count: int = 40) -> tuple[FloatArray, Relative, Unheard]:
    """Measurements of speakers, the relative map, and what is said of them."""
    x, log_p, labels, voices = speakers(count, seed=seed)
    corpora = np.full(labels.size, "c")
    relative = fit_relative(x[None], labels, voices, corpora, (slice(8),))
    folds = np.repeat(np.arange(count) % 2, 12)
    known = np.ones(labels.size, np.float32)
    return x, relative, Unheard(relative(x), log_p, known, labels, voices, corpora, folds)


def test_what_is_learnt_of_callers_helps_mixed_ones_and_spares_those_of_one_emotion() -> None:
    x, relative, said = unheard()
    arrays, points = learn_prior(said, relative)
    model = Adaptation.of(arrays, WEIGHTS)
    np.testing.assert_allclose(points, model.inputs(x, said.log_p).points, atol=1e-3)
    x, log_p, labels, voices = speakers(seed=1)
    found = caller_figures(model, model.inputs(x, log_p), labels, voices, seed=0)
    assert found["mixed"] > found["unadapted"] + 0.05
    assert found["one_emotion"] > found["unadapted"] - 0.05


def test_callers_are_cross_fitted_by_what_never_heard_them() -> None:
    x, relative, said = unheard()
    clips = [Clip("c", str(v), "train", int(k), "", np.zeros(8, np.float32))
             for k, v in zip(said.labels, said.voices, strict=True)]  # fmt: skip
    fitted = cross_fit(x[None], clips, Recipe((QUICK,), (slice(8),), 1), lambda *_: None)
    centred = fit_centred(x[None], clips, said.folds, fitted, (QUICK,), 1, lambda *_: None)
    found = cross_fitted_figures(said, relative, centred.by_fold, x, 0, WEIGHTS)
    assert found["mixed"] > found["unadapted"] + 0.05
    arrays, points = learn_prior(said, relative, said.folds == 0)
    other = x.copy()
    other[said.folds == 1] += 9
    again, _ = learn_prior(replace(said, contrasts=relative(other)), relative, said.folds == 0)
    assert points.shape[0] == said.labels.size
    np.testing.assert_array_equal(arrays["means"], again["means"])


def test_all_folds_heads_together_are_the_model_and_come_back_from_a_file(tmp_path: Path) -> None:
    x, _, said = unheard()
    clips = [Clip("c", str(v), "train", int(k), "", np.zeros(8, np.float32))
             for k, v in zip(said.labels, said.voices, strict=True)]  # fmt: skip
    fitted = cross_fit(x[None], clips, Recipe((QUICK,), (slice(8),), 1), lambda *_: None)
    centred = fit_centred(x[None], clips, said.folds, fitted, (QUICK,), 1, lambda *_: None)
    assert len(centred.whole.stack.sizes) == sum(len(one.stack.sizes) for one in centred.by_fold.values())
    np.savez(tmp_path / "caller.npz", **centred.whole.arrays())
    with np.load(tmp_path / "caller.npz") as stored:
        again = Centred.of(stored)
    assert again is not None
    places = centred.whole.places(x)
    np.testing.assert_allclose(again.places(x), places, atol=0.02)
    np.testing.assert_allclose(
        np.exp(again.stack.read(places)), np.exp(centred.whole.stack.read(places)), atol=0.02
    )


def test_clips_that_do_not_teach_how_callers_differ_are_refused() -> None:
    _, _, labels, voices = speakers(4)
    folds = np.repeat(np.arange(4) % 2, 12)
    check_teaches(labels, voices, folds)
    with pytest.raises(InputError, match="too few clips of the same speakers"):
        check_teaches(labels, np.arange(labels.size).astype(str), folds)
    with pytest.raises(InputError, match="--base"):
        check_teaches(np.where(labels == 3, 2, labels), voices, folds)


def test_histories_are_of_the_speaker_and_of_the_kind() -> None:
    _, _, labels, voices = speakers(4)
    for row in histories(labels, voices, "one_emotion", 0):
        assert row[-1] not in row[:-1]
        assert len({voices[i] for i in row}) == 1
        assert len({labels[i] for i in row}) == 1
    assert len(histories(labels, voices, "mixed", 0)) == labels.size


class Stub:
    """A classifier whose measurement of a clip is the clip's own first samples."""

    name = "stub/1"

    def __init__(self, caller: Adaptation | None) -> None:
        self.caller = caller

    def measure(self, samples: FloatArray) -> list[FloatArray]:
        return [samples[:8].astype(np.float32)]

    def calibrated(self, measured: FloatArray) -> FloatArray:
        return np.full(4, 0.25, np.float32)


def test_callers_are_assembled_from_clips_for_each_expected_share() -> None:
    x, relative, said = unheard(count=6)
    model = Adaptation.of(learn_prior(said, relative)[0], WEIGHTS)
    clips = [
        Clip("c", str(v), "test", int(k), "", np.tile(row / 10, 200).astype(np.float32))
        for row, k, v in zip(x, said.labels, said.voices, strict=True)
    ]
    observed = []
    stub = cast(SpeechClassifier, Stub(model))
    found = measured_callers(stub, clips, (0.25, 0.5), lambda done, total: observed.append((done, total)))
    assert list(found) == ["8 earlier clips, 0.25 neutral expected", "8 earlier clips, 0.50 neutral expected"]
    assert all({"unadapted", "mixed", "one_emotion"} == set(row) for row in found.values())
    assert observed[-1] == (len(clips), len(clips))


def test_a_model_that_does_not_adapt_is_refused() -> None:
    with pytest.raises(ModelError, match=r"stub/1 does not adapt"):
        measured_callers(cast(SpeechClassifier, Stub(None)), [], (0.25,), lambda *_: None)


def test_measurements_broken_off_go_on_from_the_last_whole_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [Clip("c", str(v), "train", 0, "", np.full(8000, v / 10, np.float32)) for v in range(3)]
    asked: list[FloatArray] = []

    def front(recipe: Mapping[str, Any]) -> Callable[[FloatArray], FloatArray]:
        def of(samples: FloatArray) -> FloatArray:
            asked.append(samples)
            if len(asked) == 5:  # the second variant's second clip
                raise KeyboardInterrupt
            return samples[:8]

        return of

    monkeypatch.setattr(voice, "VoiceFrontEnd", front)
    recipe = {"encoders": ["one"]}
    with pytest.raises(KeyboardInterrupt):
        voice.measure(recipe, clips, 1, 7, lambda *_: None, tmp_path)
    found = voice.measure(recipe, clips, 1, 7, lambda *_: None, tmp_path)
    assert len(asked) == 5 + 3
    assert np.array_equal(found, voice.measure(recipe, clips, 1, 7, lambda *_: None, tmp_path))
    assert len(asked) == 8

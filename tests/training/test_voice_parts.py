"""Parts of `voice`: the relative map, what is familiar, their blend, and the network of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.errors import ModelError
from emocx_pbx.training.figures import uar
from emocx_pbx.training.speech.blend import Answers, fit_blend, fit_temperature
from emocx_pbx.training.speech.crossfit import Recipe, cross_fit, log_mean
from emocx_pbx.training.speech.data import Clip
from emocx_pbx.training.speech.familiar import fit_familiar
from emocx_pbx.training.speech.heads import fit_compressor
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.relative import CONTRASTS, Relative, fit_relative

QUICK = Fit(epochs=15, hidden=(16,), batch=32, rate=1e-2, drop_in=0.0, drop=0.1, noise=0.1)
#: Where the emotions lie in six of twelve dimensions; voices and corpora move speech in all of them.
PLACE = 2 * np.eye(4, 12)


def speech(
    corpora: str = "abc", speakers: int = 6, clips: int = 16, seed: int = 0, away: float = 0.0
) -> tuple[FloatArray, list[Clip]]:
    """Measurements (1, n, 12) and their clips; `away` moves corpora apart."""
    rng = np.random.default_rng(seed)
    rows, found = [], []
    for corpus in corpora:
        there = away * np.random.default_rng(ord(corpus)).normal(size=12)
        for speaker in range(speakers):
            voice = rng.normal(size=12)
            for i in range(clips):
                rows.append(PLACE[i % 4] + voice + there + 0.4 * rng.normal(size=12))
                found.append(Clip(corpus, f"s{speaker}", "train", i % 4, "", np.zeros(8, np.float32)))
    return np.array(rows, np.float32)[None], found


def names(clips: Sequence[Clip]) -> tuple[Any, Any, Any]:
    return (
        np.array([c.label for c in clips]),
        np.array([c.voice for c in clips]),
        np.array([c.corpus for c in clips]),
    )


def test_the_relative_map_finds_emotions_in_corpora_that_it_never_heard() -> None:
    x, clips = speech("abc", away=3.0)
    relative = fit_relative(x, *names(clips), (slice(6), slice(6, 12)))
    other, others = speech("d", speakers=30, seed=1, away=3.0)
    scores = relative(other[0]) @ CONTRASTS.T
    centred = scores - scores.mean(axis=0)
    assert uar(names(others)[0], centred.argmax(axis=1)) > 0.6


def test_a_voice_adds_a_constant_to_the_relative_map() -> None:
    x, clips = speech()
    relative = fit_relative(x, *names(clips), (slice(12),))
    offset = np.full((1, 12), 0.7, np.float32)
    moved = relative(x[0] + offset) - relative(x[0])
    np.testing.assert_allclose(moved, np.tile(moved[:1], (len(moved), 1)), atol=1e-4)


def test_known_corpora_are_familiar_and_others_are_not() -> None:
    x, clips = speech("abc", away=8.0)
    corpora = names(clips)[2]
    familiar = fit_familiar(x, corpora)
    assert familiar.corpora == ("a", "b", "c")
    own = familiar(x[0])[np.arange(x.shape[1]), np.searchsorted(familiar.corpora, corpora)]
    assert own.min() > 0.5
    twice = familiar.scaled({"a": 0.5, "b": 0.5, "c": 0.5})
    np.testing.assert_allclose(twice(x[0]), 2 * familiar(x[0]), rtol=1e-4, atol=1e-4)


def answers(
    right_heads: float, right_relative: float, familiar: float, n: int = 400, seed: int = 0
) -> Answers:
    """Answers of heads and relative map that are right so often."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n)

    def said(share: float) -> FloatArray:
        best = np.where(rng.random(n) < share, labels, rng.integers(4, size=n))
        return np.eye(4, dtype=np.float32)[best]

    heads = np.log(0.9 * said(right_heads) + 0.025).astype(np.float32)
    level = (familiar + 0.05 * rng.normal(size=n)).astype(np.float32)
    contrasts = (said(right_relative) @ CONTRASTS).astype(np.float32)
    return Answers(heads, contrasts, level, labels, np.full(n, "c"))


def test_the_blend_trusts_heads_on_what_is_familiar_and_the_map_elsewhere() -> None:
    inside, outside = answers(0.9, 0.5, 1.0), answers(0.2, 0.7, 0.4, seed=1)
    blend = fit_blend(inside, outside)
    assert 0.5 < blend.middle < 0.9
    for given, least in ((inside, 0.85), (outside, 0.7)):
        assert uar(given.labels, blend(given).argmax(axis=1)) > least


def test_a_corpus_of_many_clips_makes_the_blend_no_surer() -> None:
    easy, hard = answers(0.99, 0.9, 1.0), answers(0.5, 0.5, 1.0, seed=1)
    both = [np.concatenate(pair) for pair in zip(astuple(easy), astuple(hard), strict=True)]
    both[4] = np.repeat(["easy", "hard"], 400)
    alike = fit_blend(Answers(*both), None)
    many = fit_blend(Answers(*(np.concatenate((a, *[a[:400]] * 9)) for a in both)), None)
    assert many.known_heads == pytest.approx(alike.known_heads, abs=1e-3)
    assert alike.known_heads < fit_blend(easy, None).known_heads


def test_without_corpora_left_out_everything_counts_as_known() -> None:
    inside = answers(0.9, 0.5, 1.0)
    blend = fit_blend(inside, None)
    strange = answers(0.9, 0.5, 0.0)
    np.testing.assert_allclose(blend(strange), blend(answers(0.9, 0.5, 1.0)), atol=1e-5)
    assert fit_temperature(blend, inside, None) == 1.0


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_network_answers_as_its_parts_do_and_gives_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emocx_pbx.emotion.engines import LiteRtEngine
    from emocx_pbx.training.speech import networks
    from emocx_pbx.training.speech.voice_network import network, opened

    x, clips = speech("abc", away=3.0)
    fitted = cross_fit(x, clips, Recipe((QUICK,), (slice(12),), 1), lambda *_: None)
    parts = fitted.parts
    assert fitted.outside is not None and parts.familiar is not None
    model = network(parts)
    rows = x[0, :40]
    given = Answers(
        log_mean(parts.heads, parts.front(rows)),
        parts.relative(rows),
        parts.familiar.most(rows),
        names(clips)[0][:40],
        names(clips)[2][:40],
    )
    np.testing.assert_allclose(model.predict(rows, verbose=0), parts.blend(given), atol=1e-3)
    folder = tmp_path / "voice" / "1"
    networks.save(model, folder, (12,))
    served = LiteRtEngine(folder / "model.tflite")
    np.testing.assert_allclose(served(rows[:1]), parts.blend(given)[:1], atol=0.05)
    # Which file a card means is not what this is about.
    monkeypatch.setattr(networks, "keras_file", lambda base: base / networks.KERAS)
    start = opened(folder, "voice")
    np.testing.assert_allclose(start.relative(rows), parts.relative(rows), atol=1e-2)
    np.testing.assert_allclose(start.front(rows), parts.front(rows), atol=1e-2)
    tuned = cross_fit(x, clips, Recipe((QUICK,), (slice(12),), 1), lambda *_: None, start)
    assert tuned.parts.familiar is None and tuned.outside is None
    with pytest.raises(ModelError, match="has 5 heads, not 10"):
        cross_fit(x, clips, Recipe((QUICK, QUICK), (slice(12),), 1), lambda *_: None, start)
    with pytest.raises(ModelError, match="no mlp model"):
        opened(folder, "mlp")


def test_a_relative_map_is_linear() -> None:
    weights, bias = np.ones((2, 3), np.float32), np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(Relative(weights, bias)(np.ones((1, 2), np.float32)), [[3, 4, 5]])


def test_components_are_the_directions_of_largest_variance() -> None:
    x, _ = speech()
    found = fit_compressor(x, 3)(x)
    assert found.shape == (*x.shape[:2], 3)
    spread = found.reshape(-1, 3).var(axis=0)
    assert spread.mean() == pytest.approx(1, rel=0.01)
    largest = np.linalg.eigvalsh(np.corrcoef(x.reshape(-1, x.shape[2]).T))[:-4:-1]
    np.testing.assert_allclose(spread / spread.sum(), largest / largest.sum(), rtol=0.05)

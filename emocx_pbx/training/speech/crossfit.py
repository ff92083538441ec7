"""Fits the parts of `voice` across speakers and corpora, so that every choice is made on voices not heard
before.

Speakers are dealt into folds. Each fold's parts learn from the other folds' speakers and answer for the
fold's own; all folds' heads together are the model. Each corpus is left out in turn too: what is learnt
without it answers for it. Both kinds of answers, of known and of unknown recordings, choose the blend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.training.speech.blend import Answers, Blend, fit_blend
from emocx_pbx.training.speech.data import Clip, balance, labels_of
from emocx_pbx.training.speech.familiar import Familiar, fit_familiar
from emocx_pbx.training.speech.heads import Compressor, Weights, answer, fit_compressor, train
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.relative import CONTRASTS, Relative, fit_relative

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Tell = Callable[[str, int, int], None]

FOLDS: Final = 5
#: Directions of largest variance that the heads see.
DIRECTIONS: Final = 320
#: Corpora needed to learn what an unknown one does.
_CORPORA: Final = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit the parts."""

    fits: tuple[Fit, ...]
    """Every fold has one head of each."""
    relative: tuple[slice, ...]
    """The blocks of a measurement that the relative map learns from."""
    seed: int


@dataclass(frozen=True, slots=True)
class VoiceParts:
    """The parts of a model."""

    front: Compressor
    heads: tuple[Weights, ...]
    relative: Relative
    familiar: Familiar | None
    """None where everything counts as known."""
    blend: Blend


@dataclass(frozen=True, slots=True)
class Outsider:
    """Parts that never heard one corpus."""

    front: Compressor
    heads: tuple[Weights, ...]
    relative: Relative
    familiar: Familiar


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """A model's parts, and the answers about the clips learnt from by parts that never heard the speaker."""

    parts: VoiceParts
    inside: Answers
    outside: Answers | None
    """The same of each corpus by parts that never heard the corpus."""
    outsiders: Mapping[str, Outsider]
    """Those parts, by the corpus that they never heard; empty without `outside`."""
    curves: list[list[float]]
    """Loss of each head after each epoch."""


@dataclass(frozen=True, slots=True)
class Start:
    """The parts of an earlier model, to learn on from."""

    front: Compressor
    heads: tuple[Weights, ...]
    relative: Relative


def deal(clips: Sequence[Clip]) -> Ints:
    """Fold (n,) of each clip: speakers in turn, corpus by corpus, so that each fold hears every corpus."""
    turn = {voice: i for i, voice in enumerate(sorted({c.voice for c in clips}))}
    return np.array([turn[c.voice] % FOLDS for c in clips], np.int64)


def cross_fit(
    x: Floats, clips: Sequence[Clip], recipe: Recipe, tell: Tell, start: Start | None = None
) -> CrossFitted:
    """Fit on variants x (variants, n, width) of clips, the first variant as it came over the line.

    With `start` its heads are trained further, its relative map stays, and all clips count as known: a model
    that is tuned for a site's calls will hear such calls. Raises InputError when all clips are of one
    speaker, ModelError when `start` has another number of heads.
    """
    folds = deal(clips)
    if len(np.unique(folds)) < 2:
        raise InputError("clips of at least two speakers are needed, to keep one apart")
    total = FOLDS * len(recipe.fits)
    if start is not None and len(start.heads) != total:
        raise ModelError(f"the model to start from has {len(start.heads)} heads, not {total}")
    labels, corpora = labels_of(clips), np.array([c.corpus for c in clips])
    front = fit_compressor(x, DIRECTIONS) if start is None else start.front
    ready = front(x)
    # (variants, n, DIRECTIONS)
    log_p = np.zeros((len(clips), len(LABELS)), np.float32)
    contrasts = np.zeros((len(clips), CONTRASTS.shape[1]), np.float32)
    names = np.unique(corpora)
    claims = np.zeros((len(clips), len(names)), np.float32)
    heads: list[Weights] = []
    curves = []
    for k in range(FOLDS):
        rest, held = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
        some = [clips[int(i)] for i in rest]
        for fit in recipe.fits:
            tell("train", len(heads), total)
            before = None if start is None else start.heads[len(heads)]
            found, curve = _head(ready[:, rest], some, fit, recipe.seed * 100 + len(heads), before)
            heads.append(found)
            curves.append(curve)
        log_p[held] = log_mean(heads[-len(recipe.fits) :], ready[0, held])
        apart = _relative(x[:, rest], some, recipe) if start is None else start.relative
        contrasts[held] = apart(x[0, held])
        if len(np.unique(corpora[rest])) == len(names):
            claims[held] = fit_familiar(x[:, rest], corpora[rest])(x[0, held])
    usual = {str(c): float(claims[corpora == c, i].mean()) for i, c in enumerate(names)}
    knows_others = start is None and len(names) >= _CORPORA and min(usual.values()) > 0
    known = (claims / np.array(list(usual.values()))).max(axis=1) if knows_others else np.ones(len(clips))
    inside = Answers(log_p, contrasts, known.astype(np.float32), labels, corpora)
    outsiders = fit_outsiders(x, clips, recipe, usual, tell) if knows_others else {}
    outside = asked(outsiders, x[0], clips) if outsiders else None
    parts = VoiceParts(
        front,
        tuple(heads),
        _relative(x, clips, recipe) if start is None else start.relative,
        fit_familiar(x, corpora).scaled(usual) if knows_others else None,
        fit_blend(inside, outside),
    )
    tell("train", total, total)
    return CrossFitted(parts, inside, outside, outsiders, curves)


def fit_outsiders(
    x: Floats, clips: Sequence[Clip], recipe: Recipe, usual: Mapping[str, float], tell: Tell
) -> dict[str, Outsider]:
    """For each corpus of the clips with x (variants, n, width) what is learnt from all others.

    `usual` is what a corpus' unheard speakers usually get of the map that tells corpora apart.
    """
    corpora = np.array([c.corpus for c in clips])
    names, found = np.unique(corpora), {}
    for done, name in enumerate(names):
        tell("leave out", done, len(names))
        rest = np.flatnonzero(corpora != name)
        some, seen = [clips[int(i)] for i in rest], np.ascontiguousarray(x[:, rest])
        front = fit_compressor(seen, DIRECTIONS)
        ready = front(seen)
        heads = [_head(ready, some, fit, recipe.seed * 100 + i)[0] for i, fit in enumerate(recipe.fits)]
        familiar = fit_familiar(seen, corpora[rest]).scaled(usual)
        found[str(name)] = Outsider(front, tuple(heads), _relative(seen, some, recipe), familiar)
    tell("leave out", len(names), len(names))
    return found


def asked(outsiders: Mapping[str, Outsider], x: Floats, clips: Sequence[Clip]) -> Answers:
    """Answers about clips with x (n, width), each by the parts that never heard its corpus."""
    of = np.array([c.corpus for c in clips])
    log_p = np.zeros((len(clips), len(LABELS)), np.float32)
    contrasts = np.zeros((len(clips), CONTRASTS.shape[1]), np.float32)
    familiar = np.zeros(len(clips), np.float32)
    for name in np.unique(of):
        own, parts = np.flatnonzero(of == name), outsiders[str(name)]
        log_p[own] = log_mean(parts.heads, parts.front(x[own]))
        contrasts[own] = parts.relative(x[own])
        familiar[own] = parts.familiar.most(x[own])
    return Answers(log_p, contrasts, familiar, labels_of(clips), of)


def log_mean(heads: Sequence[Weights], ready: Floats) -> Floats:
    """Log of the heads' mean probabilities (n, 4) of rows (n, DIRECTIONS)."""
    logs: Floats = np.log(np.mean([answer(one, ready) for one in heads], axis=0) + 1e-9)
    return logs


def _head(
    ready: Floats, clips: Sequence[Clip], fit: Fit, seed: int, before: Weights | None = None
) -> tuple[Weights, list[float]]:
    y = np.eye(len(LABELS), dtype=np.float32)[labels_of(clips)]
    seen = np.ascontiguousarray(ready if fit.varied else ready[:1])
    return train(seen, y, balance(clips), fit, seed, before)


def _relative(x: Floats, clips: Sequence[Clip], recipe: Recipe) -> Relative:
    voices, corpora = np.array([c.voice for c in clips]), np.array([c.corpus for c in clips])
    return fit_relative(x, labels_of(clips), voices, corpora, recipe.relative)

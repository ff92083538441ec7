"""Fits heads across speakers: each clip gets an answer from heads that never heard its speaker.

Speakers are dealt into folds. Each fold's heads learn from the other folds' speakers and answer for the
fold's own; all folds' heads together are the model. The answers are as honest as those of a dev split,
and there is one for every speaker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import InputError
from emocx_pbx.training import networks
from emocx_pbx.training.data import Clip, labels_of
from emocx_pbx.training.heads import answer, train
from emocx_pbx.training.networks import Fit

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]

FOLDS: Final = 5
#: Directions of largest variance that the heads see.
DIRECTIONS: Final = 320
#: Statistics at a measurement's end that the heads don't see: the line's level.
UNSEEN: Final = 2


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Heads of all folds, and what they answer about speakers they never heard."""

    front: Any
    heads: list[Any]
    log_p: Floats
    """(n, 4) of the clips learnt from, each by the heads of its own fold; uncalibrated."""
    folds: Ints
    """(n,)"""
    curves: list[list[float]]


def deal(clips: Sequence[Clip]) -> Ints:
    """Fold (n,) of each clip: speakers in turn, corpus by corpus, so that each fold hears every corpus."""
    turn = {voice: i for i, voice in enumerate(sorted({c.voice for c in clips}))}
    return np.array([turn[c.voice] % FOLDS for c in clips], np.int64)


def cross_fit(
    x: Floats,
    clips: Sequence[Clip],
    weights: Callable[[Sequence[Clip]], Floats],
    fits: Sequence[Fit],
    seed: int,
    tell: Progress,
    start: tuple[Any, list[Any]] | None = None,
) -> CrossFitted:
    """One head of each fit and fold on variants x (variants, n, width), the first as it came over the line.

    `start` gives another model's compressor and heads, to learn on. Raises InputError when all clips
    are of one speaker.
    """
    folds = deal(clips)
    if len(np.unique(folds)) < 2:
        raise InputError("clips of at least two speakers are needed, to keep one apart")
    front = compressor(x.reshape(-1, x.shape[2]), DIRECTIONS) if start is None else start[0]
    ready = np.stack([front.predict(v, batch_size=1024, verbose=0) for v in x])
    y = np.eye(len(LABELS), dtype=np.float32)[labels_of(clips)]
    log_p = np.zeros((len(clips), len(LABELS)), np.float32)
    heads: list[Any] = []
    curves = []
    total = FOLDS * len(fits)
    for k in range(FOLDS):
        rest, held = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
        importance = weights([clip for clip, fold in zip(clips, folds, strict=True) if fold != k])
        shares = []
        for fit in fits:
            number = len(heads)
            tell("train", number, total)
            before = None if start is None else start[1][number].get_weights()
            seen = np.ascontiguousarray(ready[:, rest])
            found, curve = train(seen, y[rest], importance, fit, seed * 100 + number, before)
            head = networks.head(ready.shape[2], fit, f"head_{number}")
            head.set_weights(found)
            heads.append(head)
            curves.append(curve)
            shares.append(answer(found, ready[0, held]))
        log_p[held] = np.log(np.mean(shares, axis=0) + 1e-9)
    tell("train", total, total)
    return CrossFitted(front, heads, log_p, folds, curves)


def answers_for(
    x: Floats,
    clips: Sequence[Clip],
    x_others: Floats,
    weights: Callable[[Sequence[Clip]], Floats],
    fits: Sequence[Fit],
    seed: int,
) -> Floats:
    """Log probabilities (m, 4) of measurements (m, width) by one head of each fit, learnt from all of x."""
    front = compressor(x.reshape(-1, x.shape[2]), DIRECTIONS)
    ready = np.stack([front.predict(v, batch_size=1024, verbose=0) for v in x])
    y = np.eye(len(LABELS), dtype=np.float32)[labels_of(clips)]
    seen = front.predict(x_others, batch_size=1024, verbose=0)
    found = [train(ready, y, weights(clips), fit, seed * 100 + i)[0] for i, fit in enumerate(fits)]
    log_p: Floats = np.log(np.mean([answer(one, seen) for one in found], axis=0) + 1e-9)
    return log_p


def compressor(rows: Floats, directions: int) -> Any:
    """A Keras model from a measurement (width,) to its principal components, fitted on rows (n, width)."""
    import keras
    from keras import ops

    mean, variance = rows.mean(axis=0), rows.var(axis=0) + 1e-8
    scaled = np.clip((rows - mean) / np.sqrt(variance), -6.0, 6.0)
    scaled[:, -UNSEEN:] = 0
    _, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    chosen = np.ascontiguousarray(vectors[:, ::-1][:, :directions], np.float32)
    # Of variance 1 on average, as the heads' noise expects.
    chosen /= np.sqrt((scaled @ chosen).var(axis=0).mean())
    inputs = keras.Input((rows.shape[1],))
    x = ops.clip(keras.layers.Normalization(mean=mean, variance=variance)(inputs), -6.0, 6.0)
    components = keras.layers.Dense(chosen.shape[1], use_bias=False, name="components")
    model = keras.Model(inputs, components(x), name="standardise")
    components.set_weights([chosen])
    return model

"""Trains the heads on centred measurements (`emotion.centred`), and learns what is known of voices' centres.

A speaker's centre is the mean of the speaker's emotions, each counted once. Speakers are cross-fitted as
for the other parts: a fold's heads never hear its speakers, and all folds' heads together are the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.centred import Centred
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.training.speech.crossfit import CrossFitted, Tell
from emocx_pbx.training.speech.data import Clip, balance, labels_of
from emocx_pbx.training.speech.heads import Compressor, Weights, train
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.relative import balanced, speakers_means

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

#: How many of the directions of largest variance are used; the plain heads see them, too.
DIRECTIONS: Final = 192


@dataclass(frozen=True, slots=True)
class CentredParts:
    """The heads of a model, and for each fold those that never heard its speakers."""

    whole: Centred
    by_fold: dict[int, Centred]


@dataclass(frozen=True, slots=True)
class _Space:
    """Maps a measurement to its place."""

    components: Floats
    """(width, d)"""
    clip: Floats
    """(2, width)"""


@dataclass(frozen=True, slots=True)
class _Voices:
    """What is known of voices' centres, as in `Centred`."""

    classes: Floats
    doubt: Floats
    usual: Floats


def fit_centred(
    x: Floats,
    clips: Sequence[Clip],
    folds: Ints,
    fitted: CrossFitted,
    fits: Sequence[Fit],
    seed: int,
    tell: Tell,
) -> CentredParts:
    """Fit on variants x (variants, n, width) of clips, beside the fitted parts of a model."""
    labels, front = labels_of(clips), fitted.parts.front
    voices, corpora = np.array([c.voice for c in clips]), np.array([c.corpus for c in clips])
    places, centres, within = placed(x, front, labels, voices)
    space = _Space(front.components[:, :DIRECTIONS] / within, np.stack((front.mean, front.spread)))
    by_fold: dict[int, Centred] = {}
    heads: list[Weights] = []
    names = np.unique(folds)
    for k in names:
        tell("centre", len(by_fold), len(names))
        rest = np.flatnonzero(folds != k)
        some = [clips[int(i)] for i in rest]
        targets = np.eye(len(LABELS), dtype=np.float32)[labels[rest]]
        centred = (places - centres)[:, rest]
        own: list[Weights] = []
        for fit in fits:
            seen = np.ascontiguousarray(centred if fit.varied else centred[:1])
            found, _ = train(seen, targets, balance(some), fit, seed * 100 + len(heads) + len(own))
            own.append(found)
        heads += own
        rest_voices = _voices(places[0, rest], centres[rest], labels[rest], voices[rest], corpora[rest])
        by_fold[int(k)] = _beside(space, rest_voices, own)
    whole = _beside(space, _voices(places[0], centres, labels, voices, corpora), heads)
    tell("centre", len(names), len(names))
    familiar, blend = fitted.parts.familiar, fitted.parts.blend
    if familiar is not None:
        stacked = np.vstack((familiar.weights, familiar.bias)).astype(np.float32)
        whole = replace(whole, familiar=stacked, edge=np.array([blend.middle, blend.slope], np.float32))
    return CentredParts(whole, by_fold)


def placed(x: Floats, front: Compressor, labels: Ints, voices: Names) -> tuple[Floats, Floats, float]:
    """Places (variants, n, d) of x (variants, n, width), their speakers' centres (n, d), and their scale.

    The scale is what components are divided by: the heads' noise expects a variance of 1 around the centres.
    """
    places = front(x)[:, :, :DIRECTIONS]
    centres = speakers_means(places[:1], labels, voices)
    within = float(np.sqrt(((places[0] - centres) ** 2).mean()))
    return places / np.float32(within), centres / np.float32(within), within


def _voices(places: Floats, centres: Floats, labels: Ints, voices: Names, corpora: Names) -> _Voices:
    weights, off = balanced(labels, corpora), places - centres
    classes = [np.average(off[labels == k], axis=0, weights=weights[labels == k]) for k in range(len(LABELS))]
    noise = (off - np.array(classes)[labels]).var(axis=0)
    _, first = np.unique(voices, return_index=True)
    centre, of = centres[first], corpora[first]
    # (speakers, d)
    names = np.unique(of)
    means = np.array([centre[of == name].mean(axis=0) for name in names])
    between = np.mean([centre[of == name].var(axis=0) for name in names], axis=0) + means.var(axis=0)
    return _Voices(
        np.array(classes, np.float32),
        (noise / np.maximum(between, 1e-6)).astype(np.float32),
        means.mean(axis=0).astype(np.float32),
    )


def _beside(space: _Space, voices: _Voices, heads: Sequence[Weights]) -> Centred:
    """Heads side by side, which treat all recordings as known."""
    return Centred(
        components=space.components.astype(np.float32),
        clip=space.clip.astype(np.float32),
        classes=voices.classes,
        doubt=voices.doubt,
        usual=voices.usual,
        stack=StackedHeads.beside(heads),
        familiar=np.zeros((len(space.components) + 1, 0), np.float32),
        edge=np.zeros(2, np.float32),
    )

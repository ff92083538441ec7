"""Where a clip lies among its own speaker's emotions: a linear map that hardly depends on voice or corpus.

It is learnt from measurements minus their speaker's mean, so from nothing that distinguishes speakers,
languages or recordings. Alone it is weaker than heads on speakers like those it learned from, and stronger on
corpora that it never heard; the `voice` model adds both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.linalg

from emocx_pbx.domain import LABELS

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

_CLASSES: Final = len(LABELS)
#: Three orthogonal differences between four classes (4, 3).
CONTRASTS: Final = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32) / 2
_RIDGE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Relative:
    """Contrasts (n, 3) = measured (n, width) @ weights + bias."""

    weights: Floats
    """(width, 3)"""
    bias: Floats
    """(3,); an unknown speaker counts as the mean of all corpora's."""

    def __call__(self, measured: Floats) -> Floats:
        """Contrasts (n, 3), about -1 to 1, of measurements (n, width)."""
        out: Floats = measured @ self.weights + self.bias
        return out


def fit_relative(x: Floats, labels: Ints, voices: Names, corpora: Names, blocks: Sequence[slice]) -> Relative:
    """Ridge regression of the class on blocks of x (variants, n, width), minus the speaker's mean.

    A block is a layer's statistics. Each has a regression of its own, and their mean is taken, which carries
    over to unheard corpora better than one regression on all. What is in no block does not count.
    """
    weights = np.tile(balanced(labels, corpora), len(x))
    target = np.tile((np.eye(_CLASSES, dtype=np.float32)[labels] - 1 / _CLASSES) @ CONTRASTS, (len(x), 1))
    found, bias = np.zeros((x.shape[2], 3)), np.zeros(3)
    for block in blocks:
        seen = x[:, :, block]
        width = seen.shape[2]
        rows = seen.reshape(-1, width)
        # (variants * n, width)
        spread = rows.std(axis=0) + 1e-6
        means = speakers_means(seen, labels, voices)
        usual = np.mean([means[corpora == c].mean(axis=0) for c in np.unique(corpora)], axis=0)
        scaled = np.clip((rows - np.tile(means, (len(x), 1))) / spread, -6.0, 6.0)
        weighed = (scaled * weights[:, None]).T
        gram = weighed @ scaled
        gram[np.diag_indices(width)] += _RIDGE * np.trace(gram) / width
        solved = scipy.linalg.solve(gram, weighed @ target, assume_a="pos") / spread[:, None] / len(blocks)
        found[block] = solved
        bias -= usual @ solved
    return Relative(found.astype(np.float32), bias.astype(np.float32))


def balanced(labels: Ints, corpora: Names) -> Floats:
    """Weights (n,) of mean 1: small classes of small corpora are raised by a square root."""
    cell = [f"{c} {k}" for c, k in zip(corpora, labels, strict=True)]
    sizes = Counter(cell)
    weights = np.array([sizes[name] ** -0.5 for name in cell], np.float32)
    scaled: Floats = weights / weights.mean()
    return scaled


def speakers_means(x: Floats, labels: Ints, voices: Names) -> Floats:
    """For each clip of x (variants, n, width) the mean (n, width) of its speaker's emotions, each counted
    once.
    """
    mean = x.mean(axis=0)
    out: Floats = np.empty_like(mean)
    for voice in np.unique(voices):
        own = voices == voice
        each = [mean[own & (labels == k)].mean(axis=0) for k in np.unique(labels[own])]
        out[own] = np.mean(each, axis=0)
    return out

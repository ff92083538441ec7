"""How much a clip sounds like the corpora learnt from: language, microphone, room and way of speaking.

Heads err on recordings unlike those they learned from, and don't know it. A linear map distinguishes the
corpora; a clip that none of its outputs claims belongs to none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.linalg

Floats = npt.NDArray[np.float32]
Names = npt.NDArray[np.str_]

_RIDGE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Familiar:
    """One output for each corpus: about 1 for its own clips (once scaled), 0 for others'."""

    corpora: tuple[str, ...]
    weights: Floats
    """(width, corpora)"""
    bias: Floats
    """(corpora,)"""

    def __call__(self, measured: Floats) -> Floats:
        """Answers (n, corpora) about measurements (n, width)."""
        out: Floats = measured @ self.weights + self.bias
        return out

    def scaled(self, usual: Mapping[str, float]) -> Familiar:
        """The same map with every corpus's outputs divided by what its unheard speakers usually get."""
        by = np.array([usual[c] for c in self.corpora], np.float32)
        return Familiar(self.corpora, self.weights / by, self.bias / by)

    def most(self, measured: Floats) -> Floats:
        """The largest answer (n,): how familiar each clip is."""
        best: Floats = self(measured).max(axis=1)
        return best


def fit_familiar(x: Floats, corpora: Names) -> Familiar:
    """Ridge regression of the corpus on x (variants, n, width), all corpora with the same weight."""
    names, of = np.unique(corpora, return_inverse=True)
    rows = x.reshape(-1, x.shape[2])
    # (variants * n, width)
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scaled = np.clip((rows - mean) / spread, -6.0, 6.0)
    each = (len(of) / len(names) / np.bincount(of))[of].astype(np.float32)
    share = np.float32(1 / len(names))
    target = np.tile(np.eye(len(names), dtype=np.float32)[of] - share, (len(x), 1))
    # Both sides times the weights' roots: a product of a matrix with itself takes half the time.
    roots = np.sqrt(np.tile(each, len(x)))[:, None]
    weighed = scaled * roots
    gram = weighed.T @ weighed
    gram[np.diag_indices(len(gram))] += _RIDGE * np.trace(gram) / len(gram)
    wanted = weighed.T @ (target * roots)
    weights = scipy.linalg.solve(gram, wanted, assume_a="pos") / spread[:, None]
    bias = share - mean @ weights
    return Familiar(tuple(str(name) for name in names), weights.astype(np.float32), bias.astype(np.float32))

"""Learns the heads on measurements less a site's centre (`emotion.site`): each corpus stands for a site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.caller import expected_mix
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.emotion.zero import MIXES
from emocx_pbx.training.speech.data import Clip, balance, labels_of
from emocx_pbx.training.speech.heads import Weights, train
from emocx_pbx.training.speech.networks import Fit

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

#: What site heads count beside the corrected plain answer (chosen on corpora left out).
SHARE: Final = 0.5


def fit_site(places: Floats, clips: Sequence[Clip], fits: Sequence[Fit], seed: int) -> SiteHeads:
    """Heads, one of each fit, on places (variants, n, d) of clips less their corpus' centre."""
    labels, corpora = labels_of(clips), np.array([c.corpus for c in clips])
    less = np.stack([variant - corpus_centres(variant, labels, corpora) for variant in places])
    targets = np.eye(len(LABELS), dtype=np.float32)[labels]
    heads: list[Weights] = []
    for i, fit in enumerate(fits):
        seen = np.ascontiguousarray(less if fit.varied else less[:1])
        heads.append(train(seen, targets, balance(clips), fit, seed * 100 + i)[0])
    classes = _classes(less[0], labels, corpora)
    return SiteHeads(classes, StackedHeads.beside(heads), np.array(SHARE, np.float32))


def corpus_centres(x: Floats, labels: Ints, corpora: Names) -> Floats:
    """The centre (n, d) of each clip's corpus, of x (n, d), were its emotions in the mix of calls."""
    out = np.zeros_like(x)
    shares = expected_mix(MIXES["calls"])
    for corpus in np.unique(corpora):
        own = corpora == corpus
        weights = np.zeros(int(own.sum()))
        for k, share in enumerate(shares):
            of = labels[own] == k
            weights[of] = share / max(1, int(of.sum()))
        out[own] = weights @ x[own] / weights.sum()
    return out


def _classes(less: Floats, labels: Ints, corpora: Names) -> Floats:
    """Mean (4, d) of each emotion less the centre, corpora alike."""
    found = np.zeros((len(LABELS), less.shape[1]), np.float32)
    for k in range(len(LABELS)):
        means = [
            less[of].mean(axis=0) for c in np.unique(corpora) if (of := (corpora == c) & (labels == k)).any()
        ]
        if means:
            found[k] = np.mean(means, axis=0)
    return found

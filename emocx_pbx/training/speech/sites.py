"""A model at a site: what offsets that come from other callers' answers, without labels, do for it.

For each speaker a site is made of the other speakers of the same corpus: a number of their readings in an
expected mix, each counted as a caller of its own (`emotion.zero`). The speaker's own clips are then heard
with the site's offsets. Several sites are drawn for each speaker; figures are means over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.caller import expected_mix
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.zero import LEAST_CALLERS, MIXES, caller_sums, offsets_of
from emocx_pbx.errors import InputError
from emocx_pbx.training.figures import softmax

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

#: Sites drawn for each speaker.
DRAWS: Final = 5


@dataclass(frozen=True, slots=True)
class SitePlaces:
    """What n clips are heard by less their site's centre."""

    places: Floats
    """(n, d)"""
    known: Floats
    """(n,), 0 to 1: how similar the recordings are to those learnt from."""
    heads: Mapping[str, SiteHeads]
    """By corpus."""


def check_size(size: int, mix: str) -> None:
    """Raise InputError unless sites can have this many callers and the mix is known."""
    if size < LEAST_CALLERS:
        raise InputError(f"--site {size}: offsets are off until {LEAST_CALLERS} callers were heard")
    if mix not in MIXES:
        raise InputError(f"--mix {mix}: expected one of {', '.join(MIXES)}")


def at_site(
    probabilities: Floats,
    labels: Ints,
    voices: Names,
    size: int,
    mix: str,
    seed: int = 0,
    draws: int = DRAWS,
    placed: SitePlaces | None = None,
) -> Floats:
    """Probabilities (draws, n, 4) of clips heard at sites of `size` other callers.

    `probabilities` (n, 4) are plain ones, `voices` (n,) `corpus/speaker`. Where a corpus has no other
    speaker of some class its share goes to the others; without any other speaker nothing is changed. With
    `placed` the clips are heard less their site's centre, too.
    """
    check_size(size, mix)
    corpora = np.array([str(v).split("/")[0] for v in voices])
    log_p = np.log(np.maximum(probabilities, 1e-9))
    own_sums = np.array([caller_sums([row]) for row in probabilities.astype(float).tolist()])
    rng = np.random.default_rng(seed)
    out = np.repeat(probabilities[None], draws, axis=0).astype(np.float32)
    for voice in np.unique(voices):
        own = voices == voice
        others = np.flatnonzero((corpora == corpora[own][0]) & ~own)
        if not others.size:
            continue
        for draw in range(draws):
            rows = site_rows(labels[others], voices[others], size, mix, rng)
            sums = own_sums[others[rows]].sum(axis=0).tolist()
            offsets = np.array(offsets_of(sums, MIXES[mix]), np.float32)
            corrected = log_p[own] + offsets
            if placed is not None:
                heads = placed.heads[str(corpora[own][0])]
                centre = heads.centre(placed.places[others[rows]].mean(axis=0), MIXES[mix])
                less = placed.places[own] - centre
                corrected = heads.beside_plain(corrected, less, placed.known[own])
            out[draw, own] = softmax(corrected)
    return out


def site_rows(labels: Ints, voices: Names, size: int, mix: str, rng: np.random.Generator) -> Ints:
    """`size` rows of labels (n,): classes by their shares in the mix, speakers alike, then any clip."""
    shares = np.array([s if (labels == k).any() else 0.0 for k, s in enumerate(expected_mix(MIXES[mix]))])
    classes = rng.choice(len(LABELS), size, p=shares / shares.sum())
    rows = []
    for k in classes:
        among = np.flatnonzero(labels == k)
        voice = rng.choice(np.unique(voices[among]))
        rows.append(rng.choice(among[voices[among] == voice]))
    return np.array(rows, np.int64)


def mean_figures(found: list[dict[str, Any]]) -> dict[str, float | None]:
    """The means of figures over draws; None if one is missing."""
    means: dict[str, float | None] = {}
    for name in found[0]:
        values = [one[name] for one in found]
        means[name] = None if None in values else round(float(np.mean(values)), 4)
    return means

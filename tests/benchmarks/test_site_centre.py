"""Heads on measurements less the site's centre: what a line adds to all its callers goes with the centre."""

from __future__ import annotations

import numpy as np

from benchmarks.site_centre import at_sites, centres, fitted
from emocx_pbx.training.speech.data import Clip

SPEAKERS, EACH, WIDTH = 8, 6, 12


def corpus(name: str, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, list[Clip]]:
    """Measurements of a class each, all moved by what the line adds, and the clips that they are of."""
    clips = [
        Clip(name, str(speaker), "train", label, "", np.zeros(8, np.float32))
        for speaker in range(SPEAKERS)
        for label in range(4)
        for _ in range(EACH)
    ]
    x = rng.normal(0, 0.4, (len(clips), WIDTH))
    x[np.arange(len(clips)), [clip.label for clip in clips]] += 2.0
    x[:, :4] += shift * rng.permutation([1.0, -1.0, 0.5, -0.5])
    return x.astype(np.float32), clips


def test_a_line_that_adds_the_same_to_all_is_heard_as_any_other() -> None:
    rng = np.random.default_rng(0)
    parts = [corpus(name, 4.0, rng) for name in "abc"]
    x, clips = np.concatenate([p[0] for p in parts]), [c for p in parts for c in p[1]]
    labels, corpora = np.array([c.label for c in clips]), np.array([c.corpus for c in clips])
    less = x - centres(x, labels, corpora, "even")
    new, here = corpus("d", 4.0, rng)
    found = at_sites(
        fitted(x[None].repeat(2, axis=0), clips, 1), fitted(less[None].repeat(2, axis=0), clips, 1), new,
        np.array([c.label for c in here]), np.array([c.voice for c in here]), 60, "even", 1,
    )  # fmt: skip
    assert found["centred"] > 0.9 > found["plain"]

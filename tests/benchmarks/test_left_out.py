"""Answers about corpora left out that are kept for other benchmarks come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.left_out import LeftOut, _restored, _stored
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.training.speech.sites import SitePlaces


def test_priors_and_site_heads_of_a_corpus_are_told_apart(tmp_path: Path) -> None:
    def some(*shape: int) -> np.ndarray:
        return np.full(shape, 0.5, np.float32)

    stack = StackedHeads.beside([(some(3, 2), some(2), some(2, 4), some(4))])
    heads = SiteHeads(some(4, 3), stack, np.array(0.5, np.float32))
    one = LeftOut(
        some(2, 4), some(2, 3), some(2), some(2), np.zeros(2, np.int64), np.array(["a/1", "a/2"]), some(2),
        np.zeros(2, bool), {"a": {"project": some(2, 2)}}, SitePlaces(some(2, 3), some(2), {"a": heads}),
    )  # fmt: skip
    np.savez(tmp_path / "one.npz", allow_pickle=False, **_stored(one))
    with np.load(tmp_path / "one.npz") as kept:
        again = _restored(kept)
    assert {corpus: list(prior) for corpus, prior in again.priors.items()} == {"a": ["project"]}
    np.testing.assert_array_equal(again.placed.heads["a"].stack.first, heads.stack.first)
    np.testing.assert_array_equal(again.placed.places, one.placed.places)

"""Anger and upset as ranked, intervals over speakers, and speakers heard at sites of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.stacked_heads import StackedHeads
from emocx_pbx.errors import InputError
from emocx_pbx.training.signals import auc, intervals, signals
from emocx_pbx.training.speech.sites import SitePlaces, at_site


def softmax(z: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float32] = (e / e.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def clips(
    lean: Sequence[float] = (0.0, 0.0, 0.0, 0.0), speakers: int = 8, each: int = 10
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Labels, voices and plain probabilities of two corpora, of which one leans."""
    rng = np.random.default_rng(0)
    labels: list[int] = []
    voices: list[str] = []
    logits: list[npt.NDArray[Any]] = []
    for corpus in ("even", "leaning"):
        for s in range(speakers):
            for k in range(4):
                labels += [k] * each
                voices += [f"{corpus}/{s}"] * each
                z = rng.normal(size=(each, 4)) + 2 * np.eye(4)[k]
                logits.append(z + (np.array(lean) if corpus == "leaning" else 0))
    return np.array(labels), np.array(voices), softmax(np.concatenate(logits))


def test_auc_is_how_often_a_positive_ranks_higher() -> None:
    assert auc(np.array([True, True, False, False]), np.array([4, 3, 2, 1])) == 1
    assert auc(np.array([True, False, False]), np.array([2, 3, 1])) == 0.5
    assert auc(np.array([True, False]), np.array([1, 1])) == 0.5
    assert auc(np.array([True, True]), np.array([1, 2])) is None


def test_signals_name_what_matters_and_miss_what_is_not_there() -> None:
    p = np.eye(4, dtype=np.float32)[[0, 0, 2, 3]]
    found = signals(np.array([0, 1, 2, 3]), p)
    assert found == {"uar": 0.75, "anger_auc": 0.8333, "upset_auc": 0.75, "neutral_as_angry": 1.0}
    assert signals(np.array([0, 0]), p[:2])["neutral_as_angry"] is None
    assert signals(np.array([0, 0]), p[:2])["anger_auc"] is None


def test_intervals_draw_whole_speakers() -> None:
    truth = np.tile([0, 1], 50)
    p = np.eye(4, dtype=np.float32)[truth]
    p[:20] = p[:20, ::-1]  # one speaker is always misread
    voices = np.repeat([f"c/{s}" for s in range(5)], 20)
    found = intervals(voices, lambda rows: signals(truth[rows], p[rows]))
    assert found["uar"] is not None
    low, high = found["uar"]
    assert low <= 0.6
    assert high == 1
    assert intervals(np.full(100, "c/1"), lambda rows: signals(truth[rows], p[rows]))["uar"] is None


@pytest.mark.parametrize("mix", ["calls", "even"])
def test_a_site_takes_back_a_lean_and_leaves_the_others(mix: str) -> None:
    labels, voices, p = clips(lean=(1.2, -1.2, 0.5, -0.5))
    heard = at_site(p, labels, voices, 200, mix)
    leaning = np.char.startswith(voices, "leaning")
    plain = signals(labels[leaning], p[leaning])
    at = [signals(labels[leaning], one[leaning]) for one in heard]
    assert plain["uar"] is not None and plain["neutral_as_angry"] is not None
    assert np.mean([a["uar"] for a in at]) > plain["uar"] + 0.03
    assert np.mean([a["neutral_as_angry"] for a in at]) < plain["neutral_as_angry"] - 0.05
    assert heard.shape == (5, *p.shape)


def test_sites_are_of_other_speakers_of_the_corpus_alone() -> None:
    labels, voices, p = clips(speakers=2)
    changed = p.copy()
    own = voices == "even/0"
    changed[own] = changed[own][:, ::-1]
    before, after = (at_site(x, labels, voices, 60, "calls") for x in (p, changed))
    # What a speaker says does not move the speaker's own zero: his corpus' other speaker alone does.
    ratio = np.log(before[:, own]) - np.log(p[own])
    again = np.log(after[:, own]) - np.log(changed[own])
    offsets, anew = ratio - ratio.mean(axis=-1, keepdims=True), again - again.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(offsets, anew, atol=1e-4)
    far = np.char.startswith(voices, "leaning")
    np.testing.assert_array_equal(before[:, far], after[:, far])


def test_alone_in_a_corpus_nothing_is_changed() -> None:
    labels, voices, p = clips(speakers=1)
    np.testing.assert_array_equal(at_site(p, labels, voices, 60, "calls")[0], p)


@pytest.mark.parametrize(
    ("size", "mix", "why"), [(59, "calls", "until 60 callers"), (60, "odd", "--mix odd")]
)
def test_sites_that_no_service_would_use_are_refused(size: int, mix: str, why: str) -> None:
    labels, voices, p = clips(speakers=2, each=1)
    with pytest.raises(InputError, match=why):
        at_site(p, labels, voices, size, mix)


def test_a_site_is_heard_less_its_centre_by_heads_that_were_taught_so() -> None:
    labels, voices, p = clips(lean=(1.2, -1.2, 0.5, -0.5))
    rng = np.random.default_rng(1)
    moved = np.where(np.char.startswith(voices, "leaning")[:, None], 5.0, 0.0)
    places = (np.eye(4)[labels] + moved + rng.normal(size=(len(labels), 4)) / 4).astype(np.float32)
    # A hidden unit for each emotion, open where a place is that emotion's.
    head = [np.eye(4) * 6, np.full(4, -3.0), np.eye(4), np.zeros(4)]
    stack = StackedHeads.beside([[a.astype(np.float32) for a in head]])
    heads = SiteHeads(np.eye(4, dtype=np.float32), stack, np.array(0.5, np.float32))
    strange = np.zeros(len(labels), np.float32)
    placed = SitePlaces(places, strange, dict.fromkeys(("even", "leaning"), heads))
    asked = (p, labels, voices, 200, "even")
    plain, centred = (
        float(np.mean([signals(labels, one)["uar"] or 0.0 for one in at_site(*asked, placed=there)]))
        for there in (None, placed)
    )
    assert centred > plain + 0.1

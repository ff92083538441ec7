"""Heads on measurements less the site's centre: what a line adds to all its callers goes with the centre."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import site_centre
from benchmarks.site_centre import Apart, Heard, compared, figures
from emocx_pbx.training.figures import softmax
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.data import Clip
from emocx_pbx.training.speech.site_heads import fit_site

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


@pytest.fixture(scope="module")
def heard() -> Heard:
    """A corpus whose line hides all emotions from plain answers, and moves all measurements."""
    rng = np.random.default_rng(0)
    parts = [corpus(name, 4.0, rng) for name in "abc"]
    x, clips = np.concatenate([p[0] for p in parts]), [c for p in parts for c in p[1]]
    new, here = corpus("d", 4.0, rng)
    of = np.array([c.label for c in here])
    # They rank a little, and lean to anger.
    plain = np.log(softmax(0.5 * np.eye(4)[of] + rng.normal(0, 0.5, (len(of), 4)) + [2.0, 0, 0, 0]))
    heads = fit_site(x[None].repeat(2, axis=0), clips, voice.FITS, 1)
    one = Apart(plain.astype(np.float32), new, heads)
    return Heard(of, np.array([c.voice for c in here]), {"d": (np.arange(len(of)), one)})


@pytest.mark.parametrize("mix", ["calls", "even"])
def test_a_line_that_adds_the_same_to_all_is_heard_as_any_other(heard: Heard, mix: str) -> None:
    found = compared(heard, 60, mix, [0.0, 0.5], np.arange(len(heard.labels)), 1)
    assert found["heads"]["uar"] > 0.9 > found["offsets"]["uar"] > found["no site"]["uar"]
    assert found["both, 0.5"]["uar"] > found["offsets"]["uar"]
    assert found["both, 0"]["ahead"]["uar"]["mean"] == 0.0
    gain, (low, high) = (found["both, 0.5"]["ahead"]["uar"][key] for key in ("mean", "interval_90"))
    assert low < gain < high


def test_a_speaker_is_no_part_of_its_own_site(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def drawn(labels: np.ndarray, voices: np.ndarray, *rest: object) -> np.ndarray:
        asked.append(set(voices.tolist()))
        return np.arange(60)

    monkeypatch.setattr(site_centre, "site_rows", drawn)
    site_centre.at_sites(heard, 60, "calls", 1)
    everyone = set(heard.voices.tolist())
    assert all(len(everyone - site) == 1 for site in asked)
    assert len(asked) == site_centre.DRAWS * len(everyone)


def test_figures_are_means_over_corpora(heard: Heard) -> None:
    p = np.eye(4, dtype=np.float32)[heard.labels][None]
    found = figures(heard, p, np.arange(len(heard.labels)))
    assert (found["uar"], found["anger_auc"], found["worst_neutral_as_angry"]) == (1.0, 1.0, 0.0)

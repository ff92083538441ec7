"""What a machine plays again is found to the frame; what a person says is never a repetition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.audio.repeats import KEPT, Repeats
from emocx_pbx.audio.vad import FRAME
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"
SPOKEN: Samples = np.asarray(soundfile.read(DATA / "call_customer.flac", dtype="int16")[0])
PROMPT = SPOKEN[12 * 8000 : 16 * 8000]
SILENCE = np.zeros(4 * 8000, np.int16)


def known(repeats: Repeats, samples: Samples) -> npt.NDArray[np.bool_]:
    """Told in pieces of a second, as utterances come."""
    samples = samples[: len(samples) // FRAME * FRAME]
    return np.concatenate([repeats.hear(samples[at : at + 8000]) for at in range(0, len(samples), 8000)])


@pytest.mark.parametrize("late", [0, 37, 80])
def test_what_is_played_again_is_known(late: int) -> None:
    repeats = Repeats()
    assert not known(repeats, np.concatenate([PROMPT, SPOKEN[16 * 8000 : 24 * 8000]])).any()
    line = mulaw_roundtrip(np.concatenate([np.zeros(late, np.int16), PROMPT // 2]))
    # The second in which it begins may pass: what is short is not compared.
    assert known(repeats, line)[60:].mean() > 0.9


def test_a_person_does_not_repeat_themselves_to_the_sample() -> None:
    assert not known(Repeats(), SPOKEN).any()


def test_silence_and_noise_are_no_repetition() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 500, 60 * 8000).astype(np.int16)
    assert not known(Repeats(), noise).any()


def test_memory_is_bounded() -> None:
    repeats = Repeats()
    rng = np.random.default_rng(3)
    for _ in range(18):
        known(repeats, rng.normal(0, 500, 40 * 8000).astype(np.int16))
    assert len(repeats) <= KEPT * 5 // 4


def test_an_announcement_makes_windows_only_once() -> None:
    segmenter = CallSegmenter(AnalysisSettings())
    call = np.concatenate([np.concatenate([PROMPT, SILENCE])] * 5 + [SPOKEN[18 * 8000 : 25 * 8000]])
    items = segmenter.feed(call, np.zeros_like(call)) + segmenter.finish()
    ends = [item.t1 for item in items if isinstance(item, Window)]
    assert [t for t in ends if t < 8] and [t for t in ends if t > 41]
    assert not [t for t in ends if 10 < t < 40]

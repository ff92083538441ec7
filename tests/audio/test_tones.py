"""The network's tones are no voice, and a voice is no tone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.audio.segmenter import Segmenter
from emocx_pbx.audio.tones import ToneWatch
from emocx_pbx.audio.vad import FRAME, FRAME_S, VoiceActivity, level_db

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"


def tone(hz: tuple[float, ...], on_s: float, off_s: float, snr_db: float | None) -> Samples:
    """12 s of it, over G.711."""
    t = np.arange(12 * 8000) / 8000
    waves = sum(np.sin(2 * np.pi * f * t) for f in hz) * (t % (on_s + off_s) < on_s) * 2500
    if snr_db is not None:
        waves = waves + np.random.default_rng(1).normal(0, 2500 * 10 ** (-snr_db / 20), len(t))
    return mulaw_roundtrip(waves.astype(np.int16))


def speech_s(samples: Samples, watched: bool = True) -> float:
    """Seconds in utterances."""
    vad, tones, segmenter = VoiceActivity(2), ToneWatch(), Segmenter()
    observed = 0
    for at in range(0, len(samples) - FRAME + 1, FRAME):
        frame = samples[at : at + FRAME]
        level = level_db(frame)
        flag = vad.is_speech(frame, level)
        flag = flag and not (tones.is_tone(frame, level, flag) and watched)
        observed += len(segmenter.push(flag).speech)
    return (observed + len(segmenter.finish().speech)) * FRAME_S


@pytest.mark.parametrize("snr_db", [None, 25.0])
@pytest.mark.parametrize(
    ("hz", "on_s", "off_s"),
    [
        ((697, 1209), 0.1, 0.1),  # key 1
        ((941, 1477), 0.25, 0.1),  # key #
        ((440, 480), 2, 4),  # ringback, North America
        ((425,), 1, 4),  # and Europe
        ((480, 620), 0.5, 0.5),  # busy
        ((350, 440), 1, 0),  # dial tone
        ((1100,), 0.5, 3),  # fax calling
        ((2100,), 3, 1),  # fax answering
        ((1000,), 0.3, 0.7),  # a beep
    ],
)
def test_tones_are_no_speech(hz: tuple[float, ...], on_s: float, off_s: float, snr_db: float | None) -> None:
    samples = tone(hz, on_s, off_s, snr_db)
    assert speech_s(samples, watched=False) > 0.1  # the detector alone takes it for speech
    assert speech_s(samples) == 0.0


def test_a_typed_number_is_no_speech() -> None:
    keys = np.asarray(soundfile.read(DATA / "keys.flac", dtype="int16")[0])
    assert speech_s(keys, watched=False) > 5
    assert speech_s(keys) == 0.0


def test_a_voice_is_no_tone() -> None:
    for name in ("call_customer.flac", "call_agent.flac"):
        voice = np.asarray(soundfile.read(DATA / name, dtype="int16")[0])
        assert speech_s(voice) > 0.995 * speech_s(voice, watched=False)


def test_a_voice_after_keys_is_heard_at_once() -> None:
    voice = np.asarray(soundfile.read(DATA / "call_customer.flac", dtype="int16")[0])
    keys = tone((697, 1209), 0.1, 0.1, None)
    assert speech_s(np.concatenate([keys, voice])) > 0.99 * speech_s(voice)


def test_a_frame_not_looked_at_is_no_tone() -> None:
    watch = ToneWatch()
    frame = tone((1000,), 1, 0, None)[:FRAME]
    assert not any(watch.is_tone(frame, -20.0, False) for _ in range(5))
    assert [watch.is_tone(frame, -20.0, True) for _ in range(3)] == [False, True, True]

"""Voice activity and its level gate, on signals anybody can judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.audio.vad import FRAME, SILENCE_DB, VoiceActivity, level_db

Samples = npt.NDArray[np.int16]
CALL = Path(__file__).parents[1] / "data" / "audio" / "call_customer.flac"


def share(samples: Samples, other: Samples | None = None, mode: int = 2) -> float:
    """Share of a side's frames that are speech."""
    vad = VoiceActivity(mode)
    flags = []
    for start in range(0, len(samples) - FRAME + 1, FRAME):
        frame = samples[start : start + FRAME]
        other_db = SILENCE_DB if other is None else level_db(other[start : start + FRAME])
        flags.append(vad.is_speech(frame, level_db(frame), other_db))
    return sum(flags) / len(flags)


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples, rate = soundfile.read(CALL, dtype="int16")
    assert rate == 8000
    return np.asarray(samples)


def scaled(samples: Samples, db: float) -> Samples:
    return (samples * 10 ** (db / 20)).astype(np.int16)


def noise(db: float, seconds: float = 10.0, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 32768 * 10 ** (db / 20), int(8000 * seconds))).clip(-32768, 32767).astype(np.int16)


def test_levels() -> None:
    assert level_db(np.zeros(FRAME, np.int16)) == SILENCE_DB
    assert level_db(np.full(FRAME, -32768, np.int16)) == pytest.approx(0.0)
    assert level_db(np.full(FRAME, 3277, np.int16)) == pytest.approx(-20.0, abs=0.01)
    assert level_db(noise(-40, 0.02)) == pytest.approx(-40, abs=1)


def test_speech_is_speech(speech: Samples) -> None:
    assert 0.3 < share(speech) < 0.95


def test_quiet_speech_is_speech(speech: Samples) -> None:
    assert share(scaled(speech, -15)) > 0.7 * share(speech)


@pytest.mark.parametrize("db", [-70.0, -55.0, -45.0, -35.0])
def test_steady_noise_is_not_speech(db: float) -> None:
    assert share(noise(db)) < 0.02


def test_silence_is_not_speech() -> None:
    assert share(np.zeros(80000, np.int16)) == 0.0


def test_mains_hum_is_not_speech() -> None:
    t = np.arange(80000) / 8000
    hum = np.sum([np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 12)], axis=0)
    assert share((hum * 300).astype(np.int16)) < 0.05


def test_echo_of_the_other_side_is_not_speech(speech: Samples) -> None:
    # 120 ms late and 30 dB weaker: a customer's hands-free telephone.
    echo = np.concatenate([np.zeros(960, np.int16), scaled(speech, -30)])[: len(speech)]
    assert share(echo, speech) < 0.05


def test_speaking_at_once_is_speech_on_both_sides(speech: Samples) -> None:
    other = np.roll(speech, 16000)
    assert share(speech, other) > 0.9 * share(speech)

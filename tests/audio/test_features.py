"""The features equal librosa's, on speech-like and awkward input."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.audio import filterbanks
from emocx_pbx.audio.features import CNN_BANDS, N_FEATURES, features, log_mel, windows
from emocx_pbx.errors import InputError

Samples = npt.NDArray[np.float32]
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def librosa_features(samples: Samples) -> npt.NDArray[Any]:
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mfcc = librosa.feature.mfcc(y=samples, sr=8000, n_mfcc=40)
        chroma = librosa.feature.chroma_stft(y=samples, sr=8000)
        mel = librosa.feature.melspectrogram(y=samples, sr=8000)
    return np.concatenate([x.mean(axis=1) for x in (mfcc, chroma, mel)])


def voiced(seconds: float = 3.0, seed: int = 0, rate: int = 8000) -> Samples:
    """A buzzing, gliding, amplitude-modulated voice-like sound with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    pitch = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * t + seed)) / rate
    tone = sum(np.sin(k * pitch) / k for k in range(1, 20))
    noise = 0.003 * rng.normal(size=t.size)
    return np.asarray(0.1 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + noise, np.float32)


def close(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    for part in (slice(0, 40), slice(40, 52), slice(52, None)):
        scale = np.abs(b[part]).max()
        np.testing.assert_allclose(a[part], b[part], rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.77, 4.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_to_librosa(seconds: float, seed: int) -> None:
    samples = voiced(seconds, seed)
    close(features(samples), librosa_features(samples))


def call() -> Samples:
    """The recorded call's caller where the data is at hand, else a voice-like minute."""
    path = DATA / "calls" / "auto_repairs_40_caller.flac"
    return np.asarray(soundfile.read(path, dtype="float32")[0]) if path.is_file() else voiced(60.0, 5)


def test_equal_to_librosa_along_a_call() -> None:
    samples = call()
    for start in range(0, samples.size - 24000, samples.size // 8):
        part = samples[start : start + 24000]
        close(features(part), librosa_features(part))


def test_silence_and_noise_equal_librosa() -> None:
    close(features(np.zeros(8000, np.float32)), librosa_features(np.zeros(8000, np.float32)))
    noise = (0.1 * np.random.default_rng(3).normal(size=16000)).astype(np.float32)
    close(features(noise), librosa_features(noise))


def test_each_window_equals_librosas() -> None:
    import librosa

    samples = voiced(2.0)
    rows = windows(samples)
    power = librosa.feature.melspectrogram(y=samples, sr=8000)
    for row, mel, mfcc in zip(
        rows, power.T, librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=40).T, strict=True
    ):
        np.testing.assert_allclose(row[52:], mel, rtol=1e-4, atol=1e-6 * mel.max())
        np.testing.assert_allclose(row[:40], mfcc, rtol=1e-4, atol=1e-4 * np.abs(mfcc).max())


def test_shapes_and_types() -> None:
    samples = voiced(2.0)
    assert features(samples).shape == (N_FEATURES,) == (180,)
    assert features(samples).dtype == np.float32
    assert log_mel(samples).shape == (201, CNN_BANDS)
    assert log_mel(samples).dtype == np.float32


def test_filter_banks_equal_librosa() -> None:
    import librosa

    mel = librosa.filters.mel(sr=8000, n_fft=2048)
    np.testing.assert_allclose(filterbanks.mel(8000, 2048, 128).T, mel, rtol=1e-6)
    for tuning in (-0.5, 0.0, 0.13):
        chroma = librosa.filters.chroma(sr=8000, n_fft=2048, tuning=tuning)
        np.testing.assert_allclose(filterbanks.chroma(8000, 2048, tuning).T, chroma, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("bad", [np.zeros(0, np.float32), np.zeros((2, 8), np.float32)])
def test_empty_or_stereo_is_refused(bad: Any) -> None:
    with pytest.raises(InputError):
        features(bad)
    with pytest.raises(InputError):
        log_mel(bad)

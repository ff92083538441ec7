"""Recordings of every kind, whole, cut and wrong."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.audio.recording import open_recording
from emocx_pbx.errors import InputError

Floats = npt.NDArray[np.float64]


def tone(rate: int, seconds: float = 2.0, hz: float = 440.0) -> Floats:
    return 0.25 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def read(path: Path) -> npt.NDArray[np.int16]:
    with open_recording(path) as recording:
        return np.concatenate(list(recording.blocks()))


def pitch(samples: npt.NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 8000 / len(samples))


@pytest.mark.parametrize(
    ("name", "rate", "form", "subtype"),
    [
        ("a.wav", 8000, "WAV", "PCM_16"),
        ("a.wav", 48000, "WAV", "PCM_24"),
        ("a.wav", 16000, "WAV", "FLOAT"),
        ("a.wav", 8000, "WAV", "ULAW"),
        ("a.WAV", 8000, "WAV", "GSM610"),
        ("a.flac", 44100, "FLAC", "PCM_24"),
        ("a.ogg", 48000, "OGG", "VORBIS"),
        ("a.mp3", 44100, "MP3", "MPEG_LAYER_III"),
        ("mp3-named.wav", 44100, "MP3", "MPEG_LAYER_III"),
        ("flac-named.wav", 8000, "FLAC", "PCM_16"),
        ("a.ulaw", 8000, "RAW", "ULAW"),
        ("a.sln16", 16000, "RAW", "PCM_16"),
    ],
)
def test_formats(tmp_path: Path, name: str, rate: int, form: str, subtype: str) -> None:
    path = tmp_path / name
    with path.open("wb") as stream:
        soundfile.write(stream, tone(rate), rate, format=form, subtype=subtype)
    samples = read(path)
    assert samples.dtype == np.int16
    assert samples.shape[1] == 1
    assert len(samples) == pytest.approx(16000, abs=400)
    middle = samples[4000:12000, 0]
    assert pitch(middle) == pytest.approx(440, abs=2)
    assert np.abs(middle).max() == pytest.approx(8192, rel=0.15)


def test_48_khz_stereo_keeps_sides_and_time(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(48000, hz=300), tone(48000, hz=700)
    left[:48000] = 0.0
    soundfile.write(path, np.stack([left, right], axis=1), 48000, subtype="PCM_24")
    samples = read(path)
    assert samples.shape == (16000, 2)
    assert pitch(samples[8000:, 0]) == pytest.approx(300, abs=2)
    assert pitch(samples[8000:, 1]) == pytest.approx(700, abs=2)
    assert np.abs(samples[:7900, 0]).max() < 50  # the left side starts at 1 s, not earlier
    assert np.abs(samples[8040:8100, 0]).max() > 3000


def test_floats_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    wave = tone(48000)
    wave[1000], wave[2000], wave[3000] = np.nan, np.inf, -np.inf
    soundfile.write(path, wave, 48000, subtype="FLOAT")
    samples = read(path)[:, 0]
    assert len(samples) == 16000
    assert pitch(samples[8000:]) == pytest.approx(440, abs=2)
    assert np.abs(samples[2000:]).max() < 9000  # nothing has spread


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "the file is empty"),
        ("text.wav", b"hello " * 50, "not a recording that can be read"),
        ("riff.wav", b"RIFF\x00\x00\x00\x00WAVEfmt ", "not a recording that can be read"),
        ("zeros.flac", bytes(5000), "not a recording that can be read"),
    ],
)
def test_no_recording(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "none.wav")
    with pytest.raises(InputError, match="directory"):
        read(tmp_path)


def test_header_without_audio(tmp_path: Path) -> None:
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(0), 8000)
    with pytest.raises(InputError, match="no audio"):
        read(path)


def test_truncated_wav_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(8000), 8000)
    path.write_bytes(path.read_bytes()[: 44 + 16000])
    with open_recording(path) as recording:
        assert sum(len(b) for b in recording.blocks()) == 8000
        assert recording.truncated


def test_whole_wav_is_not_called_truncated(tmp_path: Path) -> None:
    path = tmp_path / "whole.wav"
    soundfile.write(path, tone(8000), 8000)
    with open_recording(path) as recording:
        list(recording.blocks())
        assert not recording.truncated


def test_truncated_flac_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    noise = np.random.default_rng(1).normal(0, 0.1, 80000)
    soundfile.write(path, noise, 8000)
    path.write_bytes(path.read_bytes()[:60000])
    with pytest.raises(InputError, match="damaged after"):
        read(path)


def test_a_long_recording_needs_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 48000, 2, format="FLAC") as out:
        minute = np.stack([tone(48000, 60), tone(48000, 60)], axis=1)
        for _ in range(10):
            out.write(minute)
    del minute
    seconds = 0.0
    tracemalloc.start()
    try:
        with open_recording(path) as recording:
            for block in recording.blocks():
                seconds += len(block) / 8000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds == pytest.approx(600, abs=0.1)
    assert peak < 8_000_000

"""Shipped speech models on sounds anybody can judge, and the session's adaptation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import LineZero, Scores
from emocx_pbx.emotion import voice
from emocx_pbx.emotion.engines import LiteRtEngine
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import CNN_FRAMES, MLP_WINDOWS, fixed_log_mel, fixed_windows, load_speech
from emocx_pbx.emotion.speechlike import facts, speechlike
from emocx_pbx.emotion.zero import moved
from emocx_pbx.errors import ModelError

RATE = 8000
Sound = npt.NDArray[np.float64]
T = np.arange(4 * RATE) / RATE


def speech(seconds: float = 4.0, seed: int = 0, pitch: float = 130.0) -> FloatArray:
    """Syllables: a gliding buzz through moving formants, with breath noise and pauses."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    f0 = pitch * (1 + 0.15 * np.sin(2 * np.pi * 0.6 * t + seed) + 0.1 * np.sin(2 * np.pi * 1.7 * t))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    first = 500 + 250 * np.sin(2 * np.pi * 2.3 * t)
    second = 1500 + 600 * np.sin(2 * np.pi * 1.9 * t + 1)
    sound = np.zeros(n)
    for k in range(1, 25):
        hz = k * f0
        gain = 1 / (1 + ((hz - first) / 120) ** 2) + 0.5 / (1 + ((hz - second) / 180) ** 2)
        sound += gain * np.sin(k * phase) * (hz < 3600)
    beat = np.clip(np.sin(2 * np.pi * 3.5 * t) + 0.4, 0, 1) * (np.sin(2 * np.pi * 0.45 * t) > -0.8)
    return np.asarray(0.08 * sound * beat + 0.001 * rng.normal(size=n), np.float32)


def tones(*hz: float) -> Sound:
    return sum((np.sin(2 * np.pi * f * T) for f in hz), np.zeros(T.size)) / len(hz)


def dtmf() -> Sound:
    out = np.zeros(T.size)
    for i, (low, high) in enumerate(zip([697, 770, 852, 941] * 5, [1209, 1336, 1477, 1209] * 5, strict=True)):
        part = slice(i * 1600, i * 1600 + 800)
        out[part] = (np.sin(2 * np.pi * low * T) + np.sin(2 * np.pi * high * T))[part] * 0.2
    return out


def music(seed: int, length: float = 0.25, decay: float = 3.0, drums: float = 0.0) -> Sound:
    """Three voices of plucked, many-partialled notes: music on hold."""
    rng = np.random.default_rng(seed)
    out = np.zeros(T.size)
    size = int(length * RATE)
    t = np.arange(size) / RATE
    for part in range(3):
        for i in range(int(4 / length)):
            hz = 147 * 2 ** (part - 0.5 + rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
            note = sum(np.sin(2 * np.pi * k * hz * t) / k**1.3 for k in range(1, 8) if k * hz < 3800)
            out[i * size : (i + 1) * size] += 0.05 * np.exp(-decay * t) * np.minimum(1, t / 0.01) * note
    return out + drums * rng.normal(size=T.size) * np.exp(-30 * (T % 0.5))


def coloured(slope: float) -> Sound:
    spectrum = np.fft.rfft(np.random.default_rng(1).normal(size=T.size))
    shaped = np.fft.irfft(spectrum / np.arange(1, spectrum.size + 1) ** slope, T.size)
    even: Sound = 0.05 * shaped / shaped.std()
    return even


NOT_SPEECH: dict[str, Sound] = {
    "silence": np.zeros(T.size),
    "line noise": coloured(0) * 0.02,
    "white noise": coloured(0),
    "pink noise": coloured(0.5),
    "brown noise": coloured(1),
    "noise bursts": coloured(0) * (T % 0.7 < 0.3),
    "mains hum": 0.05 * sum((np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 12)), np.zeros(T.size)),
    "ringback us": 0.2 * tones(440, 480) * (T % 3 < 1),
    "ringback eu": 0.2 * tones(425) * (T % 2 < 1),
    "busy": 0.2 * tones(480, 620) * (T % 1 < 0.5),
    "dtmf": dtmf(),
    "music": music(0),
    "slow music": music(1, 0.5, 0.5),
    "music with drums": music(2, drums=0.05),
    "quick music": music(1, 0.2, 6.0, drums=0.05),
}


@pytest.mark.parametrize("name", NOT_SPEECH)
@pytest.mark.parametrize("gain", [1.0, 0.2])
def test_no_reading_without_speech(name: str, gain: float) -> None:
    assert not speechlike((gain * NOT_SPEECH[name]).astype(np.float32)), facts(NOT_SPEECH[name].astype("f4"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_speech_gets_a_reading(seed: int, gain: float) -> None:
    sound = (gain * speech(seed=seed, pitch=100 + 40 * seed)).astype(np.float32)
    assert speechlike(sound), facts(sound)


def test_too_short_is_no_speech() -> None:
    assert not speechlike(speech(0.2))
    assert not speechlike(np.zeros(0, np.float32))


def shipped() -> list[str]:
    registry = Registry()
    return [n for n in registry.names("speech") if n != "voice" or voice.available()]


@pytest.mark.parametrize("name", shipped())
def test_shipped_models_answer(name: str) -> None:
    model = load_speech(Registry(), name)
    assert model.name == f"{name}/{model.card.version}"
    scores = model.classify(speech())
    assert isinstance(scores, Scores)
    assert sum(scores.probabilities) == pytest.approx(1)
    assert scores.threshold == model.card.threshold
    assert model.classify(speech()) == scores, "deterministic"
    assert model.classify(NOT_SPEECH["music"].astype(np.float32)) is None
    long = model.classify(np.tile(speech(), 5))
    assert long is not None


@pytest.mark.parametrize("name", shipped())
def test_a_session_starts_like_the_model_and_hears_no_music(name: str) -> None:
    model = load_speech(Registry(), name)
    session = model.session()
    assert session.read(NOT_SPEECH["dtmf"].astype(np.float32)) is None
    sound = speech()
    first = session.read(sound)
    measured = model.measure(sound)
    plain = model.in_a_call(sound, None, measured, [model.calibrated(m) for m in measured])
    assert first is not None and len(plain) == 1
    np.testing.assert_allclose(first.probabilities, plain[0], atol=1e-6)


@pytest.mark.parametrize("name", shipped())
def test_a_session_takes_the_lines_lean_back_and_tells_the_plain_answer(name: str) -> None:
    model = load_speech(Registry(), name)
    plain = model.session().read(speech())
    zero = LineZero("all", model.name, 60, (-1.0, 1.0, 0.0, 0.0))
    heard = model.session(zero=zero).read(speech())
    assert plain is not None and heard is not None and heard.plain is not None
    assert heard.plain == pytest.approx(plain.plain)
    np.testing.assert_allclose(heard.probabilities, moved(heard.plain, zero.offsets), atol=1e-5)
    others = replace(zero, model="another/1")
    assert model.session(zero=others).read(speech()) == plain, "offsets of another model are none of its own"


@pytest.mark.skipif(not voice.available(), reason="needs the extra voice")
def test_the_shipped_voice_judges_less_the_centre_of_a_line() -> None:
    model = load_speech(Registry(), "voice")
    first = model.session()
    plain = first.read(speech())
    assert plain is not None and not first.centred and first.place is not None
    assert (first.place.model, first.place.readings) == (model.name, 1)
    zero = LineZero("all", model.name, 60, (0.0,) * 4, first.place.mean, 0.8)
    on_the_line, elsewhere = model.session(zero=zero), model.session(zero=replace(zero, centre=()))
    heard, without = on_the_line.read(speech()), elsewhere.read(speech())
    assert heard is not None and without is not None
    assert on_the_line.centred and not elsewhere.centred
    assert heard.plain == without.plain == plain.plain
    assert heard.probabilities != pytest.approx(without.probabilities, abs=0.01)


def test_auto_is_the_best_that_runs() -> None:
    expected = "voice" if voice.available() else shipped()[0]
    assert load_speech(Registry(), "auto").name.split("/")[0] == expected


def test_unknown_models_and_files_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_speech(Registry(), "nothing")
    (tmp_path / "bad.tflite").write_bytes(b"no network")
    with pytest.raises(ModelError, match="no usable LiteRT network"):
        LiteRtEngine(tmp_path / "bad.tflite")


def test_small_networks_take_one_shape() -> None:
    for seconds in (0.3, 3.2, 5.0):
        assert fixed_log_mel(speech(seconds)).shape == (CNN_FRAMES, 64)
        assert fixed_windows(speech(seconds)).shape == (MLP_WINDOWS, 180)

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.emotion import transcribe
from emocx_pbx.emotion.transcribe import Transcriber, load_transcriber, said_once
from emocx_pbx.errors import ModelError

# Ten seconds of the caller in auto_repairs_40, from aws-samples/amazon-transcribe-live-call-analytics
# (Apache-2.0).
QUESTION = Path(__file__).parents[1] / "data" / "caller_question.flac"


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    loaded = load_transcriber("auto")
    assert loaded is not None, "emocx-pbx models fetch speech-to-text"
    return loaded


def read(path: Path) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 8000
    return np.asarray(samples, np.float32)


def test_hears_a_caller(transcriber: Transcriber) -> None:
    text = transcriber.transcribe(read(QUESTION)).lower()
    for word in ("jack", "calling in today", "two weeks ago"):
        assert word in text


def test_hears_the_same_twice(transcriber: Transcriber) -> None:
    samples = read(QUESTION)[: 4 * 8000]
    assert transcriber.transcribe(samples) == transcriber.transcribe(samples)


@pytest.mark.parametrize(("seconds", "window_s"), [(2.5, 15.0), (4.0, 15.0), (9.0, 15.0), (12.5, 30.0)])
def test_a_window_filled_with_silence_is_heard_as_one_that_is_silent(
    transcriber: Transcriber, seconds: float, window_s: float
) -> None:
    samples = np.resize(read(QUESTION), int(8000 * seconds)).astype(np.float32)
    filled, silent = transcriber.transcribe(samples), transcriber.words_in(samples, window_s, "en")
    assert len(filled) > 15 and SequenceMatcher(None, filled, silent).ratio() > 0.6


def test_a_question_longer_than_any_window_is_cut_off(transcriber: Transcriber) -> None:
    samples = np.concatenate([read(QUESTION), np.zeros(8000 * 25, np.float32)])
    assert "calling in today" in transcriber.transcribe(samples).lower()


def test_silence_of_few_levels_is_kept(transcriber: Transcriber) -> None:
    samples = read(QUESTION)[:8000]
    for number in range(24):
        quieter = samples * np.float32(10 ** (-number / 8))
        for window_s in (4.0, 5.0):
            transcriber.words_in(quieter, window_s, "en", 1.0)
    assert len(transcriber._silences) == transcribe._LEVELS


@pytest.mark.parametrize("kind", ["nothing", "click", "silence", "hiss", "dial tone"])
def test_invents_no_words(transcriber: Transcriber, kind: str) -> None:
    rng = np.random.default_rng(3)
    t = np.arange(24_000) / 8000
    sounds = {
        "nothing": np.zeros(0),
        "click": np.ones(100),
        "silence": np.zeros(24_000),
        "hiss": rng.normal(0, 0.02, 24_000),
        "dial tone": 0.3 * np.sin(2 * np.pi * 425 * t),
    }
    assert transcriber.transcribe(sounds[kind].astype(np.float32)) == ""


def test_off_gives_no_transcriber() -> None:
    assert load_transcriber("off") is None


def test_auto_without_its_weights_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcribe, "checked_folder_of", lambda wanted: None)
    assert load_transcriber("auto") is None


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.bin is missing"):
        load_transcriber(str(tmp_path / "missing"))
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="can't be loaded"):
        load_transcriber(str(tmp_path))


COMPLAINT = Path(__file__).parents[1] / "data" / "audio" / "complaint.flac"


def test_hears_a_phrase_of_a_call_once(transcriber: Transcriber) -> None:
    text = transcriber.phrase(read(COMPLAINT)).lower()
    assert "charged twice and nobody answers" in text
    assert text.count("charged twice") == 1


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.float32), np.zeros(100, np.float32)])
def test_no_words_in_a_silent_phrase(transcriber: Transcriber, samples: npt.NDArray[np.float32]) -> None:
    assert transcriber.phrase(samples) == ""


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("", ""),
        ("please help please help", "please help please help"),
        ("I paid for it twice. I paid for it twice. I", "I paid for it twice."),
        ("well I paid for it and I paid for it again", "well I paid for it and"),
    ],
)
def test_what_begins_again_is_said_once(heard: str, said: str) -> None:
    assert said_once(heard) == said

from __future__ import annotations

import csv
import shutil
import time
from pathlib import Path

import pytest

from emocx_pbx.domain import UNCERTAIN, Emotion
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.text import TextClassifier, load_text
from emocx_pbx.errors import ModelError

MODELS = Path(__file__).parents[2] / "models"
MESSAGES = Path(__file__).parents[1] / "data" / "service_messages.csv"
UPSET = {Emotion.ANGRY, Emotion.DISAPPOINTED}


@pytest.fixture(scope="module")
def lstm() -> TextClassifier:
    return load_text(Registry(MODELS), "lstm")


@pytest.mark.parametrize(
    "text",
    [
        "I have been charged twice and nobody answers",
        "I've been waiting for three weeks and no one has called me back.",
        "Good afternoon, I have written to you three times and nobody replied.",
        "Could you please explain why my bill doubled without any notice? This is not acceptable.",
        "WHERE IS MY MONEY, NOBODY ANSWERS THE PHONE",
        "your custmer servce is terible and nobdy replys",
        "oh great, another cancelled flight. thanks for nothing",
        "I am not happy with your service at all",
        "the service was not good",
        "wow, two hours on hold, amazing service 🙄",
        "not a helpful answer, I am still without internet",
    ],
)
def test_hears_complaints(lstm: TextClassifier, text: str) -> None:
    scores = lstm.classify(text)
    assert scores.best in UPSET, scores.as_dict()


@pytest.mark.parametrize(
    "text",
    [
        "What are your opening hours on Saturday?",
        "I would like to change my address please",
        "Could you tell me when my parcel will arrive?",
        "no problem, I can wait",
        "my customer number is 4 5 5 1",
    ],
)
def test_a_question_is_neutral(lstm: TextClassifier, text: str) -> None:
    assert lstm.classify(text).best is Emotion.NEUTRAL, lstm.classify(text).as_dict()


@pytest.mark.parametrize(
    "text",
    [
        "Thank you so much, your colleague was wonderful!",
        "THANK YOU SO MUCH, EVERYTHING WORKS NOW",
        "not bad at all, I am really pleased",
        "great service 😊👍",
    ],
)
def test_thanks_are_read_as_happy(lstm: TextClassifier, text: str) -> None:
    assert lstm.classify(text).best is Emotion.HAPPY, lstm.classify(text).as_dict()


def test_negation_turns_praise_into_complaint(lstm: TextClassifier) -> None:
    said, denied = (
        lstm.classify("I am happy with the service"),
        lstm.classify("I am not happy with the service"),
    )
    assert said.best is Emotion.HAPPY
    assert denied.valence < 0 < said.valence


def test_capitals_and_repeats_do_not_calm(lstm: TextClassifier) -> None:
    plain = lstm.classify("my order is late again, fix it")
    loud = lstm.classify("MY ORDER IS LATE AGAIN, FIX IT!!!")
    assert loud.probabilities[0] >= plain.probabilities[0] - 0.05


@pytest.mark.parametrize(
    "text", ["", "   ", "\x00", "...", "日本語で問い合わせをしています", "Где моя посылка?", "شكرا جزيلا"]
)
def test_nothing_it_can_read_is_uncertain(lstm: TextClassifier, text: str) -> None:
    assert lstm.classify(text).emotion == UNCERTAIN


def test_a_long_text_is_read_in_bounded_time(lstm: TextClassifier) -> None:
    text = ("I have been charged twice and nobody answers. This is unacceptable. " * 200)[:10_000]
    started = time.perf_counter()
    scores = lstm.classify(text)
    assert time.perf_counter() - started < 0.5
    assert scores.best in UPSET


def test_the_end_of_a_long_text_counts(lstm: TextClassifier) -> None:
    quiet = "I ordered a table on Monday and it was sent to the address on my account. " * 9
    loud = quiet + "I am furious, this is unacceptable, give me my money back! " * 4
    assert lstm.classify(loud).valence < lstm.classify(quiet).valence - 0.1


def test_same_text_same_scores(lstm: TextClassifier) -> None:
    assert lstm.classify("where is my card") == lstm.classify("where is my card")


def test_messages_written_for_the_purpose(lstm: TextClassifier) -> None:
    """Hand-written and hand-labelled messages, none of them seen in training."""
    with MESSAGES.open(encoding="utf-8", newline="") as f:
        rows = [(lstm.classify(row["text"]), row["label"]) for row in csv.DictReader(f)]
    upset = [scores for scores, label in rows if label in UPSET]
    calm = [scores for scores, label in rows if label not in UPSET]
    assert sum(s.best in UPSET for s in upset) / len(upset) >= 0.80
    assert sum(s.best in UPSET for s in calm) / len(calm) <= 0.15


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = Registry(MODELS).find("text", "lstm").path
    copy = tmp_path / "text" / "lstm" / folder.name
    shutil.copytree(folder, copy)
    (copy / "vocabulary.txt").write_text("<pad>\n")
    with pytest.raises(ModelError, match="sha256"):
        load_text(Registry(tmp_path), "lstm")


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_text(Registry(tmp_path), "lstm")

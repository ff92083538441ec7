"""What a model fails on is found by speaker and by clip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS, Emotion
from emocx_pbx.training.speech.data import Clip
from emocx_pbx.training.speech.failures import misread_speakers, worst_clips

ANGRY, HAPPY, NEUTRAL = (LABELS.index(e) for e in (Emotion.ANGRY, Emotion.HAPPY, Emotion.NEUTRAL))


def clips(speaker: str, label: int, count: int) -> list[Clip]:
    silence = np.zeros(8, np.float32)
    return [Clip("c", speaker, "test", label, f"{speaker} {label} {i}", silence) for i in range(count)]


def said(*answers: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Probabilities (n, 4): label and how often in a row."""
    rows = [np.full(4, 0.1) + 0.6 * np.eye(4)[k] for k, count in answers for _ in range(count)]
    return np.array(rows, np.float32)


def test_an_emotion_that_is_often_taken_for_another_is_told_of() -> None:
    heard = [*clips("a", ANGRY, 20), *clips("b", ANGRY, 20)]
    p = said((ANGRY, 14), (HAPPY, 6), (ANGRY, 15), (HAPPY, 5))
    assert misread_speakers(heard, p) == [
        {"speaker": "c/a", "true": "angry", "said": "happy", "clips": 6, "of": 20}
    ]


def test_a_few_clips_are_no_failure_of_a_speaker() -> None:
    assert misread_speakers(clips("a", HAPPY, 4), said((NEUTRAL, 4))) == []


def test_the_worst_clip_is_the_one_whose_class_got_least() -> None:
    heard = clips("a", ANGRY, 3)
    p = np.array([[0.7, 0.1, 0.1, 0.1], [0.05, 0.85, 0.05, 0.05], [0.1, 0.1, 0.1, 0.7]], np.float32)
    p = p[:, np.argsort([ANGRY, *(k for k in range(4) if k != ANGRY)])]
    (worst,) = worst_clips(heard, p, count=1)
    assert worst["source"].endswith("1")
    assert worst["probability_of_true"] == 0.05

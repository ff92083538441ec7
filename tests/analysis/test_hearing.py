"""Who hears a window, and that a reading says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from emocx_pbx.analysis.budget import ACCURATE_S, LATEST_S, Budget
from emocx_pbx.analysis.windows import Window
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import CallerPlace, Scores

WINDOW = Window(0.0, 4.0, 4.0, np.zeros(32_000, np.float32))


class Says:
    """A model of one answer, which notes what it is asked."""

    centred = False
    place: CallerPlace | None = None

    def __init__(self, name: str, *probabilities: float) -> None:
        self.name = name
        self.asked = 0
        self.sessions = 0
        self.says(*probabilities)

    def says(self, *probabilities: float) -> None:
        self._scores = Scores.of(probabilities) if probabilities else None

    def classify(self, samples: FloatArray) -> Scores | None:
        self.asked += 1
        return self._scores

    def session(self, neutral_share: float, zero: object = None) -> Says:
        self.sessions += 1
        return self

    read = classify


class Desk:
    def __init__(self, speech: Says | None, light: Says | None, effort: float = 2.0) -> None:
        self.now = 0.0
        self.models = Models(speech=speech, light=light)
        self.budget = Budget(cascade=light is not None)
        self.budget.effort = effort
        self.counts: Counter[str] = Counter()
        self.waited: list[float] = []
        count = self.counts.update
        self.hearing = Hearing(
            self.models, self.budget, 0.35, lambda: self.now, lambda n: count([n]), self.waited.append
        )

    def model_after(self, late_s: float) -> str | None:
        reading = self.hearing.read(WINDOW, self.now - late_s)
        return reading.model if reading else None


def test_a_reading_says_which_model_made_it() -> None:
    desk = Desk(Says("voice/5", 0.9, 0.1, 0, 0), Says("cnn/3", 0.1, 0.9, 0, 0))
    assert desk.model_after(0.0) == "voice/5"
    assert desk.model_after(ACCURATE_S) == "cnn/3"
    assert desk.model_after(LATEST_S) is None
    assert desk.waited == [0.0, ACCURATE_S, LATEST_S]
    assert desk.counts == {"windows_accurate": 1, "windows_light": 1, "windows_dropped": 1}


def test_a_contradiction_is_heard_by_the_accurate_model_too() -> None:
    accurate, light = Says("voice/5", 0.9, 0.1, 0, 0), Says("cnn/3", 0.9, 0.1, 0, 0)
    desk = Desk(accurate, light, effort=1.2)
    assert [desk.model_after(0.0) for _ in range(4)] == ["voice/5", "voice/5", "cnn/3", "cnn/3"]
    light.says(0.1, 0.9, 0, 0)
    assert desk.model_after(0.0) == "voice/5"
    assert desk.counts["windows_asked_again"] == 1


def test_an_agreement_is_the_light_models_own_answer() -> None:
    accurate, light = Says("voice/5", 0.9, 0.1, 0, 0), Says("cnn/3", 0.9, 0.1, 0, 0)
    desk = Desk(accurate, light, effort=1.2)
    answers = [desk.hearing.read(WINDOW, 0.0) for _ in range(4)]
    assert [a.model if a else "" for a in answers] == ["voice/5", "voice/5", "cnn/3", "cnn/3"]
    assert answers[3] and answers[3].scores.confidence == pytest.approx(0.9, abs=1e-3)


def test_the_light_models_answers_are_corrected_by_what_the_accurate_one_said_of_the_caller() -> None:
    accurate, light = Says("voice/5", 0.8, 0.2, 0, 0), Says("cnn/3", 0.2, 0.8, 0, 0)
    desk = Desk(accurate, light, effort=1.2)
    answers = [desk.hearing.read(WINDOW, 0.0) for _ in range(3)]
    last = answers[2]
    assert last is not None and last.model == "cnn/3"
    assert last.scores.best == "angry" and last.scores.plain == (0.2, 0.8, 0, 0)
    early = desk.hearing.read(replace(WINDOW, early=True), 0.0)
    assert early is not None and early.scores == last.scores


def test_with_time_for_the_accurate_model_the_light_one_is_not_asked() -> None:
    accurate, light = Says("voice/5", 0.8, 0.2, 0, 0), Says("cnn/3", 0.2, 0.8, 0, 0)
    desk = Desk(accurate, light)
    assert [desk.model_after(0.0) for _ in range(5)] == ["voice/5"] * 5
    assert light.asked == 0


def test_another_version_begins_anew() -> None:
    first, second = Says("cnn/3", 1, 0, 0, 0), Says("cnn/4", 1, 0, 0, 0)
    desk = Desk(first, None)
    desk.model_after(0.0)
    desk.models.speech = cast(Any, second)
    assert [desk.model_after(0.0), desk.model_after(0.0)] == ["cnn/4", "cnn/4"]
    assert (first.sessions, second.sessions) == (1, 1)


def test_without_models_or_speech_there_is_no_reading() -> None:
    assert Desk(None, None).model_after(0.0) is None
    assert Desk(Says("voice/5"), Says("cnn/3")).model_after(0.0) is None


def test_an_early_window_costs_no_window_its_model() -> None:
    accurate, light = Says("voice/5", 0.9, 0.1, 0, 0), Says("cnn/3", 0.9, 0.1, 0, 0)
    early = replace(WINDOW, early=True)
    desk = Desk(accurate, light)
    assert desk.hearing.read(early, 0.0) and accurate.asked == 1
    desk.budget.effort = 1.9
    assert desk.hearing.read(early, 0.0) and (accurate.asked, light.asked) == (1, 1)
    assert desk.hearing.read(early, -ACCURATE_S) is None
    assert desk.counts == {"windows_early": 2}
    assert desk.waited == []

"""What a worker says of how many calls it carries."""

from __future__ import annotations

import time

import pytest

from emocx_pbx.analysis.budget import LEAST_READ_SHARE, Budget
from emocx_pbx.analysis.pipeline import ListeningSession
from emocx_pbx.analysis.worker.carries import Carries, measure
from emocx_pbx.analysis.worker.models import Models, syllables
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import LineZero, Scores
from emocx_pbx.emotion.speechlike import speechlike
from emocx_pbx.settings.settings import AnalysisSettings

SETTINGS = AnalysisSettings()


class Slow:
    """A model whose windows take so many CPU seconds of a clock of its own."""

    name = "slow/1"

    def __init__(self, clock: list[float], seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.heard: list[int] = []

    def classify(self, samples: FloatArray) -> Scores | None:
        self._clock[0] += self._seconds
        self.heard.append(len(samples))
        return None

    def session(self, neutral_share: float, zero: LineZero | None = None) -> ListeningSession:
        raise NotImplementedError


def test_calls_are_what_fits_into_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])
    accurate, light = Slow(clock, 0.045), Slow(clock, 0.004)
    found = measure(Models(speech=accurate, light=light), SETTINGS)
    assert set(accurate.heard) == set(light.heard) == {32_000}
    assert (found.intake_ms, found.accurate_ms, found.light_ms) == (0.0, 45.0, 4.0)
    # A window each 3 s of speech, two fifths of the call: 6 and .53 ms of CPU a second, 850 of 1000 ms used.
    assert (found.accurate, found.light) == (141, 1593)


def test_audio_counts_and_a_model_that_is_not_there_carries_none() -> None:
    found = measure(Models(speech=Slow([0.0], 0.0)), SETTINGS)
    assert found.intake_ms > 0 and found.light == 0


@pytest.mark.parametrize("seconds", [1.0, 2.0, 4.0, 8.0])
def test_what_warms_the_models_passes_for_speech(seconds: float) -> None:
    assert speechlike(syllables(seconds))


def test_effort_falls_with_the_calls() -> None:
    found = Carries(165, 630, 1.0, 30.0, 2.0, 0.13)
    efforts = [found.effort(calls) for calls in (0, 150, 300, 600, 900, 2400)]
    assert efforts[:2] == [2.0, 2.0] and efforts == sorted(efforts, reverse=True)
    assert 1.4 < efforts[2] < 2.0 and 1.0 < efforts[3] < 1.4 and efforts[-1] == 0.0
    alone = Carries(165, 0, 1.0, 30.0, 0.0, 0.13)
    assert alone.effort(100) == 2.0 and 0.5 < alone.effort(600) < 1.0


def test_what_is_foreseen_comes_at_once_and_is_steered_from_there() -> None:
    budget = Budget(cascade=True)
    budget.expect(0.1)
    assert budget.read_share == LEAST_READ_SHARE
    budget.expect(2.0)
    assert budget.read_share == LEAST_READ_SHARE
    for _ in range(30):
        budget.steer(0.1, 0.0)
    assert budget.accurate_share == 1.0

"""What a worker says of how many calls it carries."""

from __future__ import annotations

import time

import pytest

from emocx_pbx.analysis.pipeline import CallerSession
from emocx_pbx.analysis.worker.carries import measure
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

    def session(self, neutral_share: float, zero: LineZero | None = None) -> CallerSession:
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

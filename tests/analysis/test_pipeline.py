"""Readings and spans of a call, live or recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.settings.settings import AnalysisSettings

DATA = Path(__file__).parents[1] / "data" / "audio"
Samples = npt.NDArray[np.int16]


class Counting:
    """A classifier whose scores tell how many stretches this caller's session has heard."""

    name = "counting/1"

    def __init__(self) -> None:
        self.sessions = 0

    def classify(self, samples: FloatArray) -> Scores | None:
        raise AssertionError("a call is read by a session")

    def session(self, neutral_share: float, zero: object = None) -> CountingSession:
        self.sessions += 1
        return CountingSession()


class CountingSession:
    centred = False
    place = None

    def __init__(self) -> None:
        self.heard = 0

    def read(self, samples: FloatArray) -> Scores | None:
        assert samples.dtype == np.float32
        self.heard += 1
        if self.heard == 2:
            return None  # not speech after all
        return Scores.of([self.heard, float(np.abs(samples).sum()), 0, 0])


def load(name: str) -> Samples:
    return np.asarray(soundfile.read(DATA / name, dtype="int16")[0])


CUSTOMER, AGENT = load("call_customer.flac"), load("call_agent.flac")


def analyse(classifier: Counting | None, size: int) -> list[Reading | Span]:
    analyser = CallAnalyser(classifier, AnalysisSettings())
    out: list[Reading | Span] = []
    for at in range(0, len(CUSTOMER), size):
        out += analyser.feed(CUSTOMER[at : at + size], AGENT[at : at + size])
    return out + analyser.finish()


def test_readings_of_one_caller() -> None:
    classifier = Counting()
    readings = [item for item in analyse(classifier, 160) if isinstance(item, Reading)]
    assert classifier.sessions == 1
    segmenter = CallSegmenter(AnalysisSettings())
    items = segmenter.feed(CUSTOMER, AGENT) + segmenter.finish()
    windows = [item for item in items if isinstance(item, Window)]
    # The second stretch was not speech after all.
    assert [(r.t0, r.t1) for r in readings] == [(w.t0, w.t1) for w in windows[:1] + windows[2:]]
    assert all(reading.model == "counting/1" for reading in readings)
    assert [r.t1 for r in readings] == sorted(r.t1 for r in readings)


def test_without_a_model_there_are_spans() -> None:
    items = analyse(None, 1000)
    assert items and all(isinstance(item, Span) for item in items)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 20000))
def test_chunking_changes_nothing(size: int) -> None:
    assert analyse(Counting(), size) == analyse(Counting(), 160)

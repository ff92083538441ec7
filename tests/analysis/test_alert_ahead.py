"""A call is read as soon as an alert may be due, not up to a whole interval of speech later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.analysis.call_bank import CallBank
from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.windows import CallSegmenter, Item, Phrase, Window
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"
SETTINGS = AnalysisSettings()
#: Asks for windows: from the end of the last one, after so many seconds of speech.
Ask = Callable[[float, float], None]


def load(name: str) -> Samples:
    return np.asarray(soundfile.read(DATA / name, dtype="int16")[0])


CUSTOMER, AGENT = load("call_customer.flac"), load("call_agent.flac")


class AlwaysAngry:
    """A model that hears anger in everything."""

    name = "angry/1"
    centred = False
    place = None

    def classify(self, samples: FloatArray) -> Scores | None:
        return Scores.of([0.9, 0.1, 0.0, 0.0], 0.4)

    def session(self, neutral_share: float, zero: object = None) -> AlwaysAngry:
        return self

    read = classify


def rules(*for_s: float) -> list[AlertRule]:
    return [AlertRule(name=f"{s:g} s", when="angry", for_s=s) for s in for_s]


def items(alerts: list[AlertRule], size: int = 8000) -> list[Reading | Span]:
    analyser = CallAnalyser(AlwaysAngry(), SETTINGS, alerts=alerts)
    found: list[Reading | Span] = []
    for at in range(0, len(CUSTOMER), size):
        found += analyser.feed(CUSTOMER[at : at + size], AGENT[at : at + size])
    return found + analyser.finish()


def analysed(alerts: list[AlertRule], size: int = 8000) -> list[Reading]:
    return [item for item in items(alerts, size) if isinstance(item, Reading)]


def speech_until_raised(alerts: list[AlertRule], readings: list[Reading]) -> dict[float, float]:
    """By each rule's seconds of speech: how much there was when the alert was raised."""
    spans = [item for item in items([]) if isinstance(item, Span) and item.side == "customer"]
    watch, found = CallWatch(alerts), {}
    for reading in readings:
        for change in watch.read(reading):
            said = sum(min(span.t1, reading.t1) - span.t0 for span in spans if span.t0 < reading.t1)
            found[float(change.rule.split()[0])] = said
    return found


def test_an_alert_waits_for_little_more_speech_than_its_rule_says() -> None:
    alerts = rules(3.5, 5.0, 6.5, 8.0)
    usual = speech_until_raised(alerts, analysed([]))
    sooner = speech_until_raised(alerts, analysed(alerts))
    assert list(sooner) == list(usual) == [3.5, 5.0, 6.5, 8.0]
    assert max(said - for_s for for_s, said in usual.items()) > 1.5
    assert max(said - for_s for for_s, said in sooner.items()) <= 1.0


class AngryByTurns(AlwaysAngry):
    """A model whose every other answer is calm."""

    def __init__(self) -> None:
        self._asked = 0

    def session(self, neutral_share: float, zero: object = None) -> AlwaysAngry:
        return AngryByTurns()

    def read(self, samples: FloatArray) -> Scores | None:
        self._asked += 1
        return Scores.of([0.9, 0.1, 0.0, 0.0] if self._asked % 2 else [0.1, 0.9, 0.0, 0.0], 0.4)


def test_an_early_reading_that_raises_no_alert_is_not_made() -> None:
    alerts = rules(4.5)
    assert len(analysed(alerts)) > len(analysed([]))
    calm = CallAnalyser(AngryByTurns(), SETTINGS, alerts=alerts)
    found = [item for item in calm.feed(CUSTOMER, AGENT) + calm.finish() if isinstance(item, Reading)]
    assert [(r.t0, r.t1) for r in found] == [(r.t0, r.t1) for r in analysed([])]


def test_without_rules_or_far_from_an_alert_a_call_is_read_as_always() -> None:
    assert analysed(rules(600.0)) == analysed([])


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 20000))
def test_chunks_change_nothing(size: int) -> None:
    alerts = rules(3.5, 6.5)
    assert analysed(alerts, size) == analysed(alerts, 160)


def test_sides_of_unequal_length_are_refused() -> None:
    analyser = CallAnalyser(AlwaysAngry(), SETTINGS, alerts=rules(5.0))
    with pytest.raises(ValueError, match="160 samples"):
        analyser.feed(CUSTOMER[:160], AGENT[:320])


def windows_where(speech_s: float, feed: Callable[[int], list[Item]], ask: Ask) -> list[tuple[float, ...]]:
    """Windows of the call, fed frame by frame, each asking for the next after so much speech."""
    found: list[tuple[float, ...]] = []
    for number in range(len(CUSTOMER) // 160):
        for item in feed(number):
            if isinstance(item, Window):
                found.append((item.t0, item.t1, item.speech_s, float(np.abs(item.samples).sum()), item.early))
                ask(item.t1, speech_s)
            assert not isinstance(item, Phrase)
    return found


def alone(speech_s: float, misses_s: float = 0.0) -> list[tuple[float, ...]]:
    segmenter = CallSegmenter(SETTINGS, 5.0)

    def feed(number: int) -> list[Item]:
        at = slice(160 * number, 160 * number + 160)
        return segmenter.feed(CUSTOMER[at], AGENT[at])

    return windows_where(speech_s, feed, lambda t1, s: segmenter.read_early(t1 - misses_s, s))


def together(speech_s: float, sparing: bool = False) -> list[tuple[float, ...]]:
    bank = CallBank(SETTINGS, 1)
    bank.sparing = sparing
    row = bank.open(5.0)
    pairs = np.stack([CUSTOMER, AGENT], axis=1).astype("<i2")

    def feed(number: int) -> list[Item]:
        bank.put(row, pairs[160 * number : 160 * number + 160].tobytes())
        return [item for _, item in bank.run()]

    return windows_where(speech_s, feed, lambda t1, s: bank.read_early(row, t1, s))


@pytest.mark.parametrize("speech_s", [0.0, 0.4, 1.0, 1.7, 2.5, 9.0])
def test_many_calls_together_are_read_as_each_alone(speech_s: float) -> None:
    assert together(speech_s) == alone(speech_s)


def test_an_early_window_comes_between_the_others_and_moves_none() -> None:
    usual, early, at_once = alone(9.0), alone(1.7), alone(0.0)
    for found in (early, at_once):
        assert [window for window in found if not window[-1]] == usual
        assert any(window[-1] for window in found)
    assert len(at_once) > len(early)


def test_what_was_asked_of_an_earlier_window_is_too_late() -> None:
    assert alone(1.7, misses_s=0.02) == alone(9.0)


def test_a_worker_without_time_for_all_windows_makes_none_sooner() -> None:
    assert together(1.7, sparing=True) == together(9.0, sparing=True)

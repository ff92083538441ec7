"""Windows and spans: the same for the same samples, at the right times, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.analysis.windows import CallSegmenter, Item, Phrase, Window
from emocx_pbx.domain import Span
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"
SETTINGS = AnalysisSettings()


def load(name: str) -> Samples:
    return np.asarray(soundfile.read(DATA / name, dtype="int16")[0])


CUSTOMER, AGENT = load("call_customer.flac"), load("call_agent.flac")


def analyse(customer: Samples, agent: Samples, sizes: list[int], offset_s: float = 0.0) -> list[Item]:
    segmenter = CallSegmenter(SETTINGS, offset_s)
    out: list[Item] = []
    at, turn = 0, 0
    while at < len(customer):
        size = sizes[turn % len(sizes)]
        out += segmenter.feed(customer[at : at + size], agent[at : at + size])
        at, turn = at + size, turn + 1
    return out + segmenter.finish()


def key(item: Item) -> tuple[object, ...]:
    assert not isinstance(item, Phrase)
    if isinstance(item, Window):
        return item.t0, item.t1, item.speech_s, item.samples.tobytes()
    return item.side, item.t0, item.t1


def windows(items: Sequence[Item]) -> list[Window]:
    return [item for item in items if isinstance(item, Window)]


REFERENCE = analyse(CUSTOMER, AGENT, [160])


def test_the_recording_has_windows_and_both_sides() -> None:
    spans = [item for item in REFERENCE if isinstance(item, Span)]
    assert {span.side for span in spans} == {"customer", "agent"}
    assert len(windows(REFERENCE)) >= 3
    times = [window.t1 for window in windows(REFERENCE)]
    assert times == sorted(times)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_chunking_changes_nothing(sizes: list[int]) -> None:
    assert [key(i) for i in analyse(CUSTOMER, AGENT, sizes)] == [key(i) for i in REFERENCE]


def test_offset_shifts_times_only() -> None:
    shifted = windows(analyse(CUSTOMER, AGENT, [160], offset_s=60.0))
    for late, early in zip(shifted, windows(REFERENCE), strict=True):
        assert (late.t0, late.t1) == pytest.approx((early.t0 + 60, early.t1 + 60))
        assert np.array_equal(late.samples, early.samples)


def test_windows_lie_in_what_was_said() -> None:
    spans = [i for i in REFERENCE if isinstance(i, Span) and i.side == "customer"]
    for window in windows(REFERENCE):
        assert window.speech_s == len(window.samples) / 8000
        assert SETTINGS.reading_interval_s / 2 <= window.speech_s <= SETTINGS.window_s
        assert window.t1 - window.t0 >= window.speech_s - 1e-9
        assert any(span.t0 - 1e-6 <= window.t0 <= span.t1 for span in spans)
        first = CUSTOMER[round(window.t0 * 8000) :][:160]
        last = CUSTOMER[: round(window.t1 * 8000)][-160:]
        assert np.array_equal(window.samples[:160] * 32768, first)
        assert np.array_equal(window.samples[-160:] * 32768, last)


def test_the_other_side_is_never_in_a_window() -> None:
    # Music on hold and the agent are on the right: nothing of it is the customer's.
    music = (8000 * np.sin(2 * np.pi * 523 * np.arange(len(AGENT)) / 8000)).astype(np.int16)
    assert windows(analyse(np.zeros_like(CUSTOMER), AGENT, [800])) == []
    assert windows(analyse(np.zeros_like(CUSTOMER), music, [800])) == []


@pytest.mark.parametrize("shift", [160, 1600, 8000 + 480])
def test_a_late_start_finds_the_same_windows(shift: int) -> None:
    late = windows(analyse(CUSTOMER[shift:], AGENT[shift:], [160]))
    times = [(w.t0 + shift / 8000, w.t1 + shift / 8000) for w in late]
    wanted = [(w.t0, w.t1) for w in windows(REFERENCE) if w.t0 > shift / 8000 + 1]
    for t0, t1 in wanted:
        assert any(abs(t0 - a) < 0.1 and abs(t1 - b) < 0.1 for a, b in times)


def test_long_speech_gives_a_window_each_interval() -> None:
    spans = [i for i in REFERENCE if isinstance(i, Span) and i.side == "customer"]
    longest = max(spans, key=lambda s: s.t1 - s.t0)
    piece = CUSTOMER[round(longest.t0 * 8000) + 1600 : round(longest.t1 * 8000) - 1600]
    speech = np.tile(piece, 60 * 8000 // len(piece))
    segmenter = CallSegmenter(SETTINGS, own_voice_only=False)  # the same again and again is no voice
    found = windows(segmenter.feed(speech, np.zeros_like(speech)) + segmenter.finish())
    assert len(found) == pytest.approx(20, abs=2)
    assert all(window.speech_s <= 4.0 for window in found)


def test_short_words_add_up() -> None:
    word = CUSTOMER[windows_start() : windows_start() + 4800]  # 0.6 s
    silence = np.zeros(16000, np.int16)
    call = np.concatenate([silence, *([word, silence] * 8)])
    found = windows(analyse(call, np.zeros_like(call), [160]))
    assert len(found) >= 2


def windows_start() -> int:
    return round(windows(REFERENCE)[0].t0 * 8000)


def test_words_far_apart_are_not_heard_together() -> None:
    word = CUSTOMER[windows_start() : windows_start() + 4800]
    call = np.concatenate([word, np.zeros(30 * 8000, np.int16)] * 8)
    assert windows(analyse(call, np.zeros_like(call), [160])) == []


@pytest.mark.parametrize("interval", [0.5, 3.0, 10.0])
def test_interval_longer_than_the_window(interval: float) -> None:
    chosen = msgspec.structs.replace(SETTINGS, reading_interval_s=interval, window_s=2.0)
    segmenter = CallSegmenter(chosen, own_voice_only=False)
    piece = CUSTOMER[windows_start() : windows_start() + 16000]
    speech = np.tile(piece, 15)  # 30 s
    found = windows(segmenter.feed(speech, np.zeros_like(speech)) + segmenter.finish())
    assert found
    assert all(window.speech_s <= 2.0 for window in found)


def test_sides_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="3 samples of the customer but 2"):
        CallSegmenter(SETTINGS).feed(np.zeros(3, np.int16), np.zeros(2, np.int16))


def test_memory_is_bounded() -> None:
    segmenter = CallSegmenter(SETTINGS)
    held = []
    for _ in range(12):
        segmenter.feed(CUSTOMER, AGENT)
        held.append(len(segmenter._speech) + len(segmenter._undecided))
        assert sum(map(sys.getsizeof, segmenter._rest["customer"])) < 1000
    assert max(held) <= 4.0 / 0.02 + 60
    assert all(frame.base is None for _, frame in segmenter._speech)

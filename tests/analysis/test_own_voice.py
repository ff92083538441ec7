"""Echoes and tones are no speech of the customer, in a live tap and in a recording alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from analysis.analysis_helpers import Samples
from analysis.stub_worker import Loud
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.analysis.recorded import RecordedAnalysis, analyse_recording
from emocx_pbx.analysis.sides import TwoSides
from emocx_pbx.analysis.windows import CallSegmenter, Item, Phrase
from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.domain import Span
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.settings.settings import AnalysisSettings

DATA = Path(__file__).parents[1] / "data" / "audio"
SETTINGS = AnalysisSettings()
#: The recording's customer has said the last word here; then only the agent speaks, 12 dB weaker on the left.
LAST_WORD_S = 15.5


def recorded(name: str, stereo: bool) -> RecordedAnalysis:
    return analyse_recording(
        DATA / name, stereo=stereo, settings=SETTINGS, classifier=Loud(), rubric=load_rubric()
    )


def sides(name: str) -> tuple[Samples, Samples]:
    both = soundfile.read(DATA / name, dtype="int16")[0]
    left, right = (mulaw_roundtrip(np.ascontiguousarray(both[:, i])) for i in (0, 1))
    return left, right


def cut(customer: Samples, agent: Samples, sizes: list[int], *, own_voice_only: bool = True) -> list[Span]:
    """The customer's spans."""
    segmenter = CallSegmenter(SETTINGS, own_voice_only=own_voice_only)
    items: list[Item] = []
    at = turn = 0
    while at < len(customer):
        size = sizes[turn % len(sizes)]
        items += segmenter.feed(customer[at : at + size], agent[at : at + size])
        at, turn = at + size, turn + 1
    items += segmenter.finish()
    return [item for item in items if isinstance(item, Span) and item.side == "customer"]


def test_a_recorded_echo_is_not_read() -> None:
    found = recorded("echo_12db.opus", stereo=True)
    assert found.readings
    assert all(reading.t1 < LAST_WORD_S for reading in found.readings)
    assert all(span.t1 < LAST_WORD_S for span in found.spans if span.side == "customer")
    assert sum(span.t1 - span.t0 for span in found.spans if span.side == "agent") > 20


def test_without_leaving_it_out_the_echo_would_be_read() -> None:
    spans = cut(*sides("echo_12db.opus"), [160], own_voice_only=False)
    assert sum(span.t1 - span.t0 for span in spans if span.t0 > LAST_WORD_S) > 20


def test_a_recorded_number_typed_is_not_read() -> None:
    found = recorded("keys.flac", stereo=False)
    assert found.readings == ()
    assert found.spans == ()
    assert found.grade.score is None


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_chunking_changes_nothing(sizes: list[int]) -> None:
    left, right = sides("echo_12db.opus")
    left, right = left[12 * 8000 : 24 * 8000], right[12 * 8000 : 24 * 8000]
    assert cut(left, right, sizes) == cut(left, right, [160])


@pytest.mark.parametrize("late_s", [-0.3, -0.04, 0.0, 0.04])
def test_one_sided_taps_need_not_be_in_step(late_s: float) -> None:
    """The agent's tap is told to have begun so much later than it did."""
    left, right = sides("echo_12db.opus")
    both, segmenter = TwoSides(), CallSegmenter(SETTINGS)
    both.join("customer", 100.0)
    both.join("agent", 100.0 + late_s)
    items: list[Item] = []
    for at in range(0, len(left), 160):
        items += segmenter.feed(*both.push("customer", left[at : at + 160]))
        items += segmenter.feed(*both.push("agent", right[at : at + 160]))
    items += segmenter.feed(*both.leave("agent"))
    items += segmenter.feed(*both.leave("customer"))
    items += segmenter.finish()
    spans = [item for item in items if isinstance(item, Span) and item.side == "customer"]
    after = max(0.0, -late_s)
    assert sum(span.t1 - span.t0 for span in spans if span.t0 > LAST_WORD_S + after) < 0.5


def test_two_people_lose_nothing() -> None:
    customer, agent = (
        np.asarray(soundfile.read(DATA / f"call_{side}.flac", dtype="int16")[0])
        for side in ("customer", "agent")
    )
    assert cut(customer, agent, [160]) == cut(customer, agent, [160], own_voice_only=False)


def phrases(customer: Samples, agent: Samples) -> list[Phrase]:
    segmenter = CallSegmenter(AnalysisSettings(words="all"))
    items = segmenter.feed(customer, agent) + segmenter.finish()
    return [item for item in items if isinstance(item, Phrase)]


def test_no_phrase_has_the_agents_voice_in_it() -> None:
    left, right = sides("echo_12db.opus")
    found = phrases(left, right)
    assert found
    assert all(phrase.t1 < LAST_WORD_S for phrase in found)


def test_no_phrase_is_of_the_agents_side() -> None:
    _, right = sides("echo_12db.opus")
    assert phrases(np.zeros_like(right), right) == []


def test_an_echo_within_a_phrase_is_silenced() -> None:
    """The agent's words come back between two words of the customer, closer than an utterance's end."""
    customer, agent = (
        np.asarray(soundfile.read(DATA / f"call_{side}.flac", dtype="int16")[0])
        for side in ("customer", "agent")
    )
    late = np.concatenate([np.zeros(900, np.int16), agent])[: len(agent)]
    mixed = mulaw_roundtrip(np.clip(customer + 0.3 * late, -32768, 32767).astype(np.int16))
    alone_s = np.concatenate([p.samples for p in phrases(customer, agent)])
    found = phrases(mixed, agent)
    heard = np.zeros(len(agent), np.bool_)
    for phrase in found:
        first = round(phrase.t0 * 8000)
        heard[first : first + len(phrase.samples)] |= phrase.samples != 0
    # Where the customer is silent and the agent is not, next to nothing of the agent is left.
    spoken = np.zeros(len(agent), np.bool_)
    for phrase in phrases(customer, np.zeros_like(agent)):
        first = round(phrase.t0 * 8000)
        spoken[first - 800 : first + len(phrase.samples) + 800] = True
    echoes = ~spoken & (np.abs(late) > 300)
    assert echoes.sum() > 8000
    assert heard[echoes].mean() < 0.02
    assert len(alone_s) > 8000

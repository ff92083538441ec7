"""An agent's own part of a call: which readings are his, and the facts told beside his grade."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Reading, Scores, Segment, Span
from emocx_pbx.grading.segments import cut_readings, facts_of, fresh_readings, scores_before, window_of

ANGRY = Scores((1.0, 0.0, 0.0, 0.0))
HAPPY = Scores((0.0, 0.0, 0.0, 1.0))


def test_a_segment_is_told_in_call_time() -> None:
    segment = Segment("c", 0, "bob", "PJSIP/bob", "q", "queue", 1010.0, 1030.0)
    assert window_of(segment, 1000.0) == (10.0, 30.0)
    still_open = Segment("c", 0, "bob", "PJSIP/bob", "q", "queue", 1010.0)
    assert window_of(still_open, 1000.0, now=1015.0) == (10.0, 15.0)


def test_readings_go_to_the_agent_who_had_most_of_them() -> None:
    readings = [Reading(0, 4, 4, ANGRY), Reading(4, 8, 3, ANGRY), Reading(8, 12, 4, HAPPY)]
    first, second = cut_readings(readings, 0, 7), cut_readings(readings, 7, 20)
    assert [(r.t0, r.t1, r.speech_s) for r in first] == [(0, 4, 4), (4, 7, 2.25)]
    assert [(r.t0, r.t1) for r in second] == [(8, 12)]


@given(st.floats(0, 20), st.lists(st.tuples(st.floats(0, 20), st.floats(0.5, 5)), max_size=8))
def test_a_transfer_gives_no_reading_to_two_agents_beyond_its_speech(at: float, parts: list[Any]) -> None:
    readings = [Reading(t, t + n, n, ANGRY) for t, n in parts]
    both = cut_readings(readings, 0, at) + cut_readings(readings, at, 30)
    assert sum(r.speech_s for r in both) <= sum(r.speech_s for r in readings) + 1e-9


def test_overlapping_windows_count_every_second_of_speech_once() -> None:
    windows = [Reading(0, 3, 3, ANGRY), Reading(2, 6, 4, HAPPY), Reading(5, 9, 4, ANGRY)]
    assert [(r.t0, r.t1, r.speech_s) for r in fresh_readings(windows)] == [(0, 3, 3), (3, 6, 3), (6, 9, 3)]
    # A window that reaches back over a pause: its own speech is only what the spans say.
    paused = [Reading(0, 3, 3, ANGRY), Reading(1, 15, 4, HAPPY)]
    spans = [Span("customer", 0, 3), Span("agent", 4, 12), Span("customer", 13, 15)]
    assert [r.speech_s for r in fresh_readings(paused, spans)] == [3, 2]
    assert sum(r.speech_s for r in cut_readings(paused, 0, 15, spans)) == 5
    assert fresh_readings([Reading(0, 4, 4, ANGRY), Reading(1, 3, 2, HAPPY)])[1:] == []


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.5, 5)), max_size=8))
def test_fresh_readings_never_overlap(parts: list[Any]) -> None:
    fresh = fresh_readings([Reading(t, t + n, n, ANGRY) for t, n in parts])
    assert all(a.t1 <= b.t0 for a, b in itertools.pairwise(fresh))
    assert all(r.speech_s >= 0 for r in fresh)


def test_how_the_customer_was_before_a_transfer() -> None:
    readings = [Reading(0, 10, 10, HAPPY), Reading(10, 20, 9, ANGRY), Reading(20, 30, 9, HAPPY)]
    before = scores_before(readings, 20.0)
    assert before is not None and before.probabilities == pytest.approx((0.75, 0, 0, 0.25))
    assert scores_before(readings, 5.0) is None


def test_facts_of_a_conversation() -> None:
    spans = [
        Span("agent", 0, 5),
        Span("customer", 6, 16),
        Span("agent", 14, 20),  # interrupts: the customer went on for 2 s
        Span("customer", 19.8, 25),  # no interruption: the agent was ending
        Span("agent", 35, 37),  # after 10 s of dead air
        Span("agent", 45, 50),  # on hold: not heard by the customer
    ]
    facts = facts_of(spans, 0, 60, holds=[(40, 60)])
    assert facts["duration_s"] == 60
    assert facts["customer_s"] == pytest.approx(15.2)
    assert facts["agent_s"] == pytest.approx(13)
    assert facts["agent_talk_share"] == pytest.approx(13 / 28.2, abs=1e-3)
    assert (facts["interruptions_by_agent"], facts["interruptions_by_customer"]) == (1, 0)
    assert facts["interruptions_per_minute"] == 1.5
    assert facts["dead_air_s"] == 13  # 25 to 35, 37 to 40
    assert facts["longest_silence_s"] == 10
    assert (facts["hold_s"], facts["holds"], facts["hold_share"]) == (20, 1, 0.333)


def test_a_backchannel_is_no_interruption() -> None:
    spans = [Span("customer", 0, 10), Span("agent", 5, 5.3), Span("agent", 0.2, 2)]
    assert facts_of(spans, 0, 10)["interruptions_by_agent"] == 0


def test_facts_where_nobody_speaks() -> None:
    assert facts_of([], 5, 5)["agent_talk_share"] is None
    assert facts_of([], 0, 10)["dead_air_s"] == 10


@given(
    st.lists(
        st.tuples(st.sampled_from(["customer", "agent"]), st.floats(0, 60), st.floats(0, 20)), max_size=12
    ),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 20)), max_size=3),
    st.floats(0, 30),
    st.floats(0, 60),
)
def test_facts_stay_within_the_segment(spans: list[Any], holds: list[Any], t0: float, length: float) -> None:
    facts = facts_of(
        [Span(s, a, a + n) for s, a, n in spans], t0, t0 + length, [(a, a + n) for a, n in holds]
    )
    for name in ("customer_s", "agent_s", "dead_air_s", "hold_s", "longest_silence_s"):
        assert 0 <= facts[name] <= length + 0.01
    assert facts["dead_air_s"] + facts["hold_s"] <= length + 0.02

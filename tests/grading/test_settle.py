"""Making readings consistent: outliers follow their neighbours, real changes stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emocx_pbx.domain import Emotion, Reading, Scores, Span
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.grading.segments import grade_segment
from emocx_pbx.grading.settle import Settling, settled

ANGRY = Scores((0.7, 0.1, 0.1, 0.1), 0.4)
HAPPY = Scores((0.1, 0.1, 0.1, 0.7), 0.4)

scores = st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda v: sum(v) > 0).map(Scores.of)
calls = st.lists(st.tuples(scores, st.floats(0.0, 6.0)), max_size=12)


def call(*parts: tuple[Scores, float]) -> list[Reading]:
    readings, at = [], 0.0
    for value, speech in parts:
        readings.append(Reading(at, at + speech, speech, value, "test/1"))
        at += speech + 0.5
    return readings


def best(readings: list[Reading]) -> list[Emotion]:
    return [r.scores.best for r in readings]


def test_an_outlier_follows_its_neighbours() -> None:
    readings = call((ANGRY, 3), (ANGRY, 3), (HAPPY, 3), (ANGRY, 3), (ANGRY, 3))
    assert best(settled(readings, 15.0)) == [Emotion.ANGRY] * 5


def test_a_lasting_change_stays_where_it_was() -> None:
    readings = call(*[(ANGRY, 3)] * 4, *[(HAPPY, 3)] * 4)
    assert best(settled(readings, 15.0)) == [Emotion.ANGRY] * 4 + [Emotion.HAPPY] * 4


def test_agreement_makes_surer() -> None:
    (*_, last) = settled(call(*[(ANGRY, 3)] * 4), 15.0)
    assert last.scores.confidence > 0.85


@given(calls, st.floats(0.5, 100))
def test_settling_changes_only_probabilities(parts: Any, stay: float) -> None:
    before = call(*parts)
    after = settled(before, stay)
    assert [(r.t0, r.t1, r.speech_s, r.model) for r in after] == [
        (r.t0, r.t1, r.speech_s, r.model) for r in before
    ]
    assert all(sum(r.scores.probabilities) == pytest.approx(1) for r in after)
    assert settled(before, 0.0) == before


@given(calls, st.floats(0.0, 100))
def test_one_at_a_time_each_is_what_the_last_of_all_so_far_is(parts: Any, stay: float) -> None:
    readings, settling = call(*parts), Settling(stay)
    for number, reading in enumerate(readings, start=1):
        together = settled(readings[:number], stay)[-1].scores
        assert settling.add(reading).probabilities == pytest.approx(together.probabilities)


@given(calls, st.floats(0.5, 100))
def test_backwards_is_the_same(parts: Any, stay: float) -> None:
    forth = settled(call(*parts), stay)
    back = settled(call(*parts[::-1]), stay)[::-1]
    for a, b in zip(forth, back, strict=True):
        assert a.scores.probabilities == pytest.approx(b.scores.probabilities, abs=1e-9)


def test_a_part_is_graded_on_its_own_readings_alone() -> None:
    rubric = load_rubric()
    own = call((HAPPY, 3), (HAPPY, 3), (HAPPY, 3))
    later = [Reading(r.t0 + 50, r.t1 + 50, r.speech_s, r.scores, r.model) for r in own]
    spans = [Span("customer", r.t0, r.t1) for r in own + later]
    alone = grade_segment(later, (40, 70), spans, rubric)
    other = [Reading(r.t0, r.t1, r.speech_s, ANGRY) for r in own]
    assert grade_segment(other + later, (40, 70), spans, rubric) == alone
    assert (alone.score or 0) > (grade(later, rubric).score or 0)


@given(calls)
def test_neighbours_that_agree_make_no_range_narrower(parts: Any) -> None:
    rubric = load_rubric()
    readings = call(*parts)
    assume(sum(r.speech_s for r in readings) >= rubric.evidence.min_speech_s)
    spans = [Span("customer", r.t0, r.t1) for r in readings]
    steady, loose = grade_segment(readings, (0, 200), spans, rubric), grade(readings, rubric)
    assert steady.score is not None and loose.score is not None
    # Held within 0..100, a range may lose what lies beyond: compare the sides that lose nothing.
    below = [g.score - g.low for g in (steady, loose) if g.score is not None and g.low]
    above = [g.high - g.score for g in (steady, loose) if g.score is not None and g.high and g.high < 100]
    for side in (below, above):
        assert len(side) < 2 or side[0] == pytest.approx(side[1], abs=0.02)

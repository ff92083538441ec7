"""Each promise of docs/grading.md, over any readings hypothesis can think of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import VALENCE, Grade, Reading, Scores
from emocx_pbx.grading.grade import evidence_of, grade
from emocx_pbx.grading.rubric import Rubric, load_rubric

RUBRIC = load_rubric()
ANGRY = Scores((1.0, 0.0, 0.0, 0.0))
NEUTRAL = Scores((0.0, 1.0, 0.0, 0.0))
DISAPPOINTED = Scores((0.0, 0.0, 1.0, 0.0))
HAPPY = Scores((0.0, 0.0, 0.0, 1.0))
#: Rows true, columns answered: a model that takes anger for happiness and back quite often.
CONFUSION = ((70, 5, 5, 20), (5, 80, 10, 5), (10, 15, 70, 5), (25, 5, 5, 65))

scores = st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4).map(Scores.of)
calls = st.lists(st.tuples(scores, st.floats(0.5, 8.0)), min_size=1, max_size=14)
enough = calls.filter(lambda call: sum(s for _, s in call) >= 8.1)
routings = st.none() | scores


def call(*parts: tuple[Scores, float]) -> list[Reading]:
    """Readings one after the other; half as much silence as speech between them."""
    readings, at = [], 0.0
    for value, speech in parts:
        readings.append(Reading(at, at + speech, speech, value, "test/1"))
        at += 1.5 * speech
    return readings


def score_of(result: Grade) -> float:
    assert result.score is not None
    return result.score


@given(calls, routings)
def test_the_score_is_0_to_100_with_a_letter_and_inside_its_range(parts: Any, routing: Any) -> None:
    result = grade(call(*parts), RUBRIC, routing, confusion=CONFUSION)
    if result.score is None:
        assert result.letter is None and result.low is None and result.high is None
    else:
        assert result.low is not None and result.high is not None
        assert 0 <= result.low <= result.score <= result.high <= 100
        assert result.letter == RUBRIC.letter(result.score)


@given(enough, st.data(), routings)
def test_raising_any_reading_never_lowers_the_grade(parts: Any, data: st.DataObject, routing: Any) -> None:
    at = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(scores)
    raised = max(parts[at][0], other, key=lambda s: s.valence)
    better = [*parts[:at], (raised, parts[at][1]), *parts[at + 1 :]]
    before, after = grade(call(*parts), RUBRIC, routing), grade(call(*better), RUBRIC, routing)
    assert score_of(after) >= score_of(before) - 1e-9


@given(enough, st.data(), routings)
def test_splitting_a_reading_in_two_equal_ones_changes_nothing(
    parts: Any, data: st.DataObject, routing: Any
) -> None:
    readings = call(*parts)
    at = data.draw(st.integers(0, len(readings) - 1))
    whole = readings[at]
    middle = (whole.t0 + whole.t1) / 2
    halves = [
        replace(whole, t1=middle, speech_s=whole.speech_s / 2),
        replace(whole, t0=middle, speech_s=whole.speech_s / 2),
    ]
    split = [*readings[:at], *halves, *readings[at + 1 :]]
    before = grade(readings, RUBRIC, routing, confusion=CONFUSION)
    after = grade(split, RUBRIC, routing, confusion=CONFUSION)
    assert after.evidence_s == before.evidence_s
    for name in ("score", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.011)
    assert [(c.name, c.detail) for c in after.contributions] == [
        (c.name, c.detail) for c in before.contributions
    ]


@given(enough, st.floats(0.1, 3.9), scores, scores)
def test_an_agent_who_starts_with_the_angrier_customer_is_not_graded_lower(
    parts: Any, opening: float, one: Any, other: Any
) -> None:
    """Angrier in the first words, angrier by the query, or both; the same from there on."""
    angrier, calmer = sorted((one, other), key=lambda s: s.valence)
    inherited = grade(call((angrier, opening), *parts), RUBRIC, angrier)
    given_calm = grade(call((calmer, opening), *parts), RUBRIC, calmer)
    if opening <= RUBRIC.opening.share * (opening + sum(s for _, s in parts)):
        assert score_of(inherited) >= score_of(given_calm) - 1e-9
    by_query = grade(call(*parts), RUBRIC, angrier), grade(call(*parts), RUBRIC, calmer)
    assert score_of(by_query[0]) >= score_of(by_query[1]) - 1e-9


@given(enough, routings)
def test_contributions_add_up_to_the_score(parts: Any, routing: Any) -> None:
    facts = {"interruptions_per_minute": 2.0, "hold_share": 0.5}
    rubric = with_facts()
    result = grade(call(*parts), rubric, routing, facts=facts)
    assert sum(c.points for c in result.contributions) == pytest.approx(result.score, abs=1e-6)
    assert {c.name for c in result.contributions} >= {"base", "mean", "end", "hold_share"}
    assert all(0 <= i < len(parts) for c in result.contributions for i in c.readings)


def with_facts() -> Rubric:
    table = msgspec.structs.replace(RUBRIC.facts, interruptions_per_minute=1.5, hold_share=10.0)
    return msgspec.structs.replace(RUBRIC, facts=table)


@given(calls.filter(lambda parts: sum(s for _, s in parts) < 7.99))
def test_too_little_speech_is_no_grade(parts: Any) -> None:
    result = grade(call(*parts), RUBRIC, ANGRY, facts={"hold_s": 3})
    assert result.score is None
    assert result.contributions == ()
    assert result.facts == {"hold_s": 3}
    assert result.evidence_s == pytest.approx(sum(s for _, s in parts))


def test_no_readings_is_no_grade() -> None:
    assert grade([], RUBRIC).score is None


def test_readings_without_speech_count_for_nothing() -> None:
    readings = call((NEUTRAL, 5.0), (HAPPY, 6.0))
    silent = Reading(4.0, 5.0, 0.0, ANGRY)
    assert grade([*readings, silent], RUBRIC).score == grade(readings, RUBRIC).score


def test_overlapping_windows_are_not_counted_twice_as_evidence() -> None:
    overlapping = [Reading(t, t + 4.0, 4.0, NEUTRAL) for t in (0.0, 1.0, 2.0)]
    assert evidence_of(overlapping) == 6.0
    assert grade(overlapping, RUBRIC).score is None


@pytest.mark.parametrize(
    ("parts", "low", "high"),
    [
        ([(NEUTRAL, 5.0)] * 6, 50, 50),
        ([(HAPPY, 5.0)] * 6, 100, 100),
        ([(ANGRY, 5.0)] * 6, 0, 0),
        ([(ANGRY, 5.0)] * 3 + [(HAPPY, 5.0)] * 3, 70, 95),
        ([(HAPPY, 5.0)] * 3 + [(ANGRY, 5.0)] * 3, 5, 30),
        ([(ANGRY, 5.0)] * 2 + [(NEUTRAL, 5.0)] * 4, 50, 50),
        ([(DISAPPOINTED, 5.0)] * 6, 10, 20),
    ],
)
def test_known_courses(parts: Any, low: int, high: int) -> None:
    assert low <= score_of(grade(call(*parts), RUBRIC)) <= high


def test_the_same_levels_grade_higher_when_they_recover() -> None:
    recovering = grade(call(*[(ANGRY, 5.0)] * 4, *[(HAPPY, 5.0)] * 4), RUBRIC)
    worsening = grade(call(*[(HAPPY, 5.0)] * 4, *[(ANGRY, 5.0)] * 4), RUBRIC)
    assert score_of(recovering) > 60 > 40 > score_of(worsening)
    assert [c.name for c in recovering.contributions][:4] == ["base", "mean", "end", "recoveries"]
    assert "deteriorations" in {c.name for c in worsening.contributions}


def test_the_range_follows_from_the_known_confusions() -> None:
    sure = call(*[(HAPPY, 5.0)] * 8)
    exact = grade(sure, RUBRIC)
    assert exact.low == exact.score == exact.high
    doubted = grade(sure, RUBRIC, confusion=CONFUSION)
    assert doubted.low is not None and doubted.low < score_of(doubted) - 5
    perfect = [[float(i == j) for i in range(4)] for j in range(4)]
    assert grade(sure, RUBRIC, confusion=perfect).low == exact.low
    assert grade(sure, RUBRIC, confusion=[[0.0] * 4] * 4).low == exact.low


def test_more_speech_narrows_the_range() -> None:
    def width(number: int) -> float:
        result = grade(call(*[(NEUTRAL, 5.0)] * number), RUBRIC, confusion=CONFUSION)
        assert result.high is not None and result.low is not None
        return result.high - result.low

    assert width(40) < width(8) < width(2)


def test_levels_are_told_beside_the_grade_and_valence_is_the_domains() -> None:
    result = grade(call(*[(ANGRY, 5.0)] * 2, *[(NEUTRAL, 5.0)] * 4), RUBRIC, DISAPPOINTED)
    assert RUBRIC.valence.vector() == VALENCE
    assert result.facts["start_level"] == -0.7
    assert result.facts["opening_level"] == -1.0
    assert result.facts["end_level"] == 0.0
    assert "disappoint" not in " ".join(c.detail for c in result.contributions)


def test_words_speak_of_signals() -> None:
    result = grade(call(*[(ANGRY, 5.0)] * 3, *[(HAPPY, 5.0)] * 3), RUBRIC, ANGRY)
    texts = " ".join(c.detail for c in result.contributions)
    assert "signals" in texts
    assert "felt" not in texts and "feel" not in texts

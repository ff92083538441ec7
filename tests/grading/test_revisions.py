"""Overrides and disputes: signed, within bounds, and the sum stays right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Contribution, Grade
from emocx_pbx.errors import InputError
from emocx_pbx.grading.revisions import disputed, overridden
from emocx_pbx.grading.rubric import load_rubric

RUBRIC = load_rubric()
GRADE = Grade(
    61.5, "B", 55.0, 70.0, 20.0, (Contribution("base", 50.0, "b"), Contribution("mean", 11.5, "m", (0,)))
)
NONE = Grade(None, None, None, None, 3.0)


@given(st.floats(0, 100), st.floats(0, 100))
def test_an_override_of_an_override_still_adds_up(first: float, second: float) -> None:
    for start in (GRADE, NONE):
        once = overridden(start, first, RUBRIC, "kim", "heard it")
        twice = overridden(once, second, RUBRIC, "lee", "heard it too")
        assert sum(c.points for c in twice.contributions) == pytest.approx(twice.score)
        assert [c.name for c in twice.contributions].count("override") == 1
        assert twice.contributions[-1].detail == "lee: heard it too"
        assert twice.score is not None and twice.letter == RUBRIC.letter(twice.score)
        assert twice.low == twice.score == twice.high


@pytest.mark.parametrize("score", [-1, 100.01, float("nan")])
def test_a_score_out_of_bounds_is_refused(score: Any) -> None:
    with pytest.raises(InputError, match="0 to 100"):
        overridden(GRADE, score, RUBRIC, "kim", "heard it")


@pytest.mark.parametrize(("author", "reason"), [("", "x"), ("kim", " ")])
def test_nobody_revises_without_name_and_reason(author: str, reason: str) -> None:
    with pytest.raises(InputError, match="author and a reason"):
        overridden(GRADE, 50, RUBRIC, author, reason)
    with pytest.raises(InputError):
        disputed(GRADE, author, reason)


def test_a_dispute_keeps_the_grade() -> None:
    assert disputed(GRADE, "bob", "it was the line") == GRADE

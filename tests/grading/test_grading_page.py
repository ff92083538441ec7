"""The examples in docs/grading.md are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emocx_pbx.domain import Reading, Scores
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import load_rubric

PAGE = (Path(__file__).parents[2] / "docs" / "grading.md").read_text(encoding="utf-8")
LEVELS = {
    "angry": Scores((1.0, 0.0, 0.0, 0.0)),
    "neutral": Scores((0.0, 1.0, 0.0, 0.0)),
    "happy": Scores((0.0, 0.0, 0.0, 1.0)),
}
COURSES = {
    "neutral throughout": ("neutral", "neutral"),
    "15 s angry, then 15 s happy": ("angry", "happy"),
    "15 s happy, then 15 s angry": ("happy", "angry"),
}


@pytest.mark.parametrize("course", COURSES)
def test_the_table_of_examples(course: str) -> None:
    row = re.search(rf"^\| {re.escape(course)} \|(.*)\|$", PAGE, re.MULTILINE)
    assert row
    mean, end, both, score = (float(cell) for cell in row[1].split("|"))
    first, second = (LEVELS[name] for name in COURSES[course])
    result = grade([Reading(0, 15, 15, first), Reading(15, 30, 15, second)], load_rubric())
    points = {c.name: c.points for c in result.contributions}
    assert result.score == score
    assert (points["mean"], points["end"]) == (mean, end)
    assert points.get("recoveries", 0) + points.get("deteriorations", 0) == both


def test_the_formula_has_the_rubrics_numbers() -> None:
    p = load_rubric().points
    formula = (
        f"{p.base:g} + {p.mean:g} · M + {p.end:g} · E + {p.changes:g} · (R + D) + {p.start:g} · (E - S) / 2"
    )
    assert formula in PAGE

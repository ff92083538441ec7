from __future__ import annotations

from typing import Any

import pytest

from emocx_pbx.demo import story
from emocx_pbx.demo.recorded import tell_recorded
from emocx_pbx.demo.summary import summary
from emocx_pbx.lab.receiver import Received
from emocx_pbx.lab.sip import CallPlan

READING = {
    "t0": 61.0,
    "t1": 65.5,
    "valence": -1.0,
    "emotion": "angry",
    "confidence": 0.8,
    "probabilities": {},
}
GRADE: dict[str, Any] = {"score": None, "letter": None, "low": None, "high": None, "evidence_s": 3.2}


def test_a_reading_is_a_line_with_a_bar() -> None:
    line = story.reading(READING)
    assert "1:01-1:05" in line
    assert "|..................." in line
    assert story.reading(READING | {"valence": 1.0}).count("...................|") == 1


def test_little_evidence_is_said_not_graded() -> None:
    assert "insufficient evidence" in story.grade(GRADE, "Ada")[0]


def test_a_grade_shows_its_sum() -> None:
    graded = GRADE | {"score": 61.0, "letter": "C", "low": 55.0, "high": 70.0}
    graded["contributions"] = [{"name": "base", "points": 50.0, "detail": "d"}]
    lines = story.grade(graded, "Ada")
    assert "61 (C), range 55 to 70" in lines[0]
    assert "+50.0  base: d" in lines[1]


@pytest.mark.parametrize(("valid", "expected"), [(True, "signature valid"), (False, "REFUSED")])
def test_each_event_is_told_once(valid: bool, expected: str) -> None:
    said: list[str] = []
    teller = story.Teller(said.append)
    for _ in range(2):
        teller.on_event(Received("e1", "call.ended", "", {"duration_s": 3.0}, valid))
    assert sum(expected in line for line in said) == 1


def test_the_summary_of_a_call_without_grade() -> None:
    got = summary("c1", "care", [("query.routed", {"status": "ok", "emotion": "angry"})], [])
    assert (got["status"], got["decision"]["emotion"], got["grade"], got["readings"]) == (
        "ok",
        "angry",
        None,
        [],
    )


def test_without_a_pbx_the_journey_is_told_on_the_recording() -> None:
    said: list[str] = []
    got = tell_recorded(None, "What are your opening hours?", said.append)
    assert got["queue"] == "support"
    assert got["grade"] is not None
    assert any(line.startswith("Decision:") for line in said)
    assert any(line.startswith("Grade for") for line in said)


def test_a_query_fits_into_one_field_of_sipps_file() -> None:
    assert CallPlan("route", "one;\ntwo", "k").line() == "route;one, two;k;;+4930123456;"

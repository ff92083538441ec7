"""What the command line shows and does of calls, grades and deliveries that are stored."""

from __future__ import annotations

import json

import pytest
from cli.shell import Shell


def test_calls(filled: Shell) -> None:
    out, _ = filled("calls", "list")
    assert "c1" in out and "care" in out and "answered" in out
    out, _ = filled("calls", "list", "--since", "1h")
    assert out.strip() == "no calls"
    out, _ = filled("calls", "list", "--json")
    assert [call["call_id"] for call in json.loads(out)["calls"]] == ["c1"]


def test_a_call_tells_its_course_and_its_grade(filled: Shell) -> None:
    out, _ = filled("calls", "show", "c1")
    assert "because" in out
    assert "0:01-0:05" in out and "1:06-1:10" in out and "angry" in out
    assert "grade: 62 (C), range 51 to 70, 21.4 s of customer speech" in out
    assert "alert angry at 1:06, over " in out and "(ended): Signals of anger." in out
    assert " +50.0  base: where everybody begins" in out
    assert json.loads(filled("calls", "show", "c1", "--json")[0])["call"]["customer_key"] == "cust-7"
    assert filled.refusal("calls", "show", "c9") == "emocx-pbx: no call c9 in the database"


def test_grades_are_listed_by_agent_and_unknown_ones_refused(filled: Shell) -> None:
    out, _ = filled("grades", "list", "--agent", "Anna")
    assert "Anna" in out and "62" in out and "automatic" in out
    assert filled("grades", "list", "--agent", "Bert")[0].strip() == "no grades"
    assert "no grade of call c9" in filled.refusal("grades", "show", "c9")


def test_an_override_is_appended_and_told(filled: Shell) -> None:
    words = ("c1", "--author", "Eve", "--reason", "the line was bad")
    out, _ = filled("grades", "override", *words, "--score", "80")
    assert out.strip() == "revision 1 of segment 0 appended: 80"
    filled("grades", "dispute", *words)
    out, _ = filled("grades", "show", "c1")
    assert out.index("grade: 62") < out.index("grade: 80")
    assert "revision 1 (override) by Eve: the line was bad" in out
    assert "revision 2 (dispute) by Eve" in out
    deliveries = json.loads(filled("webhooks", "list", "--json")[0])["deliveries"]
    assert sorted(d["type"] for d in deliveries) == ["call.graded", "grade.revised", "grade.revised"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--score", "101"], "A score is a number from 0 to 100, not 101"),
        (["--score", "nan"], "A score is a number from 0 to 100, not nan"),
        (["--score", "50", "--segment", "3"], "no grade of segment 3 of call c1"),
        (["--score", "50", "--reason", "x" * 501], "A reason has at most 500 characters"),
        (["--score", "50", "--reason", " "], "A reason is needed"),
    ],
)
def test_wrong_overrides(filled: Shell, words: list[str], message: str) -> None:
    given = ["grades", "override", "c1", "--author", "Eve", "--reason", "r", *words]
    assert message in filled.refusal(*given)


def test_webhooks(filled: Shell) -> None:
    out, _ = filled("webhooks", "list")
    assert "call.graded" in out and "pending" in out
    assert filled("webhooks", "list", "--state", "failed")[0].strip() == "no deliveries"
    out, _ = filled("webhooks", "replay", "--call", "c1")
    assert out.strip() == "1 deliveries will be sent by the running service"
    _, err = filled("webhooks", "replay", "--call", "c9")
    assert err.splitlines()[1:] == ["emocx-pbx: nothing matched"]
    assert "say which" in filled.refusal("webhooks", "replay")
    assert "no receiver erp; there are: crm" in filled.refusal(
        "webhooks", "replay", "--all", "--receiver", "erp"
    )


def test_a_receiver_is_tried(filled: Shell) -> None:
    """The example's receiver does not exist: what is known of why is said, and nothing is owed by it."""
    assert filled.refusal("webhooks", "test", "erp").endswith("no receiver erp; there are: crm")
    out, _ = filled("webhooks", "test", "crm", "--json", code=1)
    observed = json.loads(out)
    assert (observed["name"], observed["taken"], observed["disabled"]) == ("crm", False, None) and observed[
        "outcome"
    ]["error"]
    out, _ = filled("webhooks", "test", "crm", code=1)
    assert out.startswith("crm did not take it: ")


def test_erase(filled: Shell) -> None:
    assert "customer key or a calling number" in filled.refusal("erase")
    refusal = filled.refusal("erase", "--customer", "cust-7")
    assert "1 calls" in refusal and "for good? Say --yes" in refusal
    would, _ = filled("erase", "--customer", "cust-7", "--dry-run")
    assert would.startswith("would erase: ") and "no calls" not in filled("calls", "list")[0]
    out, _ = filled("erase", "--customer", "cust-7", "--yes")
    assert out.removeprefix("erased: ") == would.removeprefix("would erase: ")
    assert filled("calls", "list")[0].strip() == "no calls"
    assert filled("erase", "--customer", "cust-7", "--dry-run")[0].strip() == "nothing was found"
    assert filled("erase", "--customer", "cust-7")[0].strip() == "nothing was found"


def test_recompute_shows_first_and_spares_peoples_word(filled: Shell) -> None:
    words = ("grades", "recompute", "--json")
    shown = json.loads(filled(*words, "--dry-run")[0])
    # Two readings of 3.5 s are under the rubric's least evidence: the made-up 62 can't stand.
    assert [(c["before"], c["after"]) for c in shown["changes"]] == [(62.0, None)]
    assert json.loads(filled("grades", "list", "--json")[0])["grades"][0]["row"]["revision"] == 0
    assert json.loads(filled(*words)[0])["changes"] == shown["changes"]
    assert json.loads(filled(*words)[0])["changes"] == []
    out, _ = filled("grades", "show", "c1")
    assert "revision 1 (recomputed) by emocx-pbx: recomputed by rubric v1" in out
    filled("grades", "override", "c1", "--author", "Eve", "--reason", "r", "--score", "10")
    out, _ = filled("grades", "recompute")
    assert "0 of 1 grades changed; 1 that people revised were left" in out


def test_benefit_says_when_it_cannot_tell(filled: Shell) -> None:
    out, _ = filled("benefit")
    assert "Nothing can be told yet" in out and "There is no holdout" in out
    result = json.loads(filled("benefit", "--json")[0])
    grade = result["comparisons"][0]
    assert result["calls"] == 1 and grade["routed"] == 62 and grade["verdict"] == "can't tell yet"
    assert [c["routed"] for c in result["comparisons"][1:]] == [0.0, 1.0, 49.0]

"""docs/doctor.md lists what the tests of the doctor break, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from check.here_cases import CASES as HERE
from pbx_real.doctor_cases import CASES as THERE

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
MARK = "<!-- from here on made by tests/check/test_doctor_page.py -->\n"


def rows() -> list[str]:
    """A row for each, the more serious first, by topic."""
    cases = [(c.level, c.topic, c.what, c.finds, c.remedy) for some in (THERE, HERE) for c in some]
    order = {"fail": 0, "warn": 1}
    return [
        f"| {level} | {topic} | {_cell(what)} | {_cell(finds)} | {_cell(remedy)} |"
        for level, topic, what, finds, remedy in sorted(cases, key=lambda c: (c[1], order[c[0]], c[2]))
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").strip()


def made() -> str:
    head = "| level | topic | what is wrong | finding (part) | remedy (part) |\n|---|---|---|---|---|\n"
    return (
        f"\n{len(rows())} misconfigurations, each made and found in a test:\n\n{head}"
        + "\n".join(rows())
        + "\n"
    )


def test_the_page_is_the_tests() -> None:
    """EMOCX_TEST_WRITE=1 writes it."""
    written, mark, table = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert mark
    if os.environ.get("EMOCX_TEST_WRITE"):
        PAGE.write_text(written + MARK + made(), encoding="utf-8")
        return
    assert table == made()


def test_no_two_cases_have_one_name() -> None:
    for cases in (THERE, HERE):
        names = [case.id for case in cases]
        assert len(names) == len(set(names))

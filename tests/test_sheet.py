"""Tables go out and come back as they were, and no spreadsheet runs them."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx import sheet
from emocx_pbx.errors import InputError

#: Every character that a database and UTF-8 can hold.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
TRICKY = st.text("=+-@'\"\t\r\n,;| 1(a", max_size=6)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.lists(st.tuples(TEXTS | TRICKY, TEXTS | TRICKY), min_size=1))
def test_any_text_comes_back(rows: list[tuple[str, str]]) -> None:
    content = (sheet.BOM + sheet.lines([("name", "text"), *rows])).encode()
    assert sheet.columns(content, "x") == ["name", "text"]
    # A line without any text is none to csv.
    wanted = [row for row in rows if row]
    assert [(row["name"], row["text"]) for _, row in sheet.rows(content, "x")] == wanted


@given(TEXTS | TRICKY)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    shown = sheet.guarded(text)
    assert not shown.startswith(("=", "@", "\t", "\r", "\n"))
    assert sheet.unguarded(shown) == text
    if shown.startswith(("+", "-")):
        assert "|" not in shown
        assert "=" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "-",
        "- B",
        "A -",
        "-0.5",
        "+49 (30) 123-456",
        "+494",
        "-Müller",
        "+Plus AG",
        "O'Neil",
        "'quoted'",
        "Łódź, 東京 😀",
    ],
)
def test_names_and_numbers_stay_as_they_are(text: str) -> None:
    assert sheet.guarded(text) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "＝1+1", "@SUM(A1)", "-2+3|cmd!A0", "+cmd|' /C calc'!A0", "\t=1", "-HYPERLINK(A1)"]
)
def test_formulas_are_guarded(text: str) -> None:
    assert sheet.guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Ann;=1+1", "Ann\n@SUM(A1)", "Ann;-2+3|cmd!A0", "Ann\t=1;=2", "Ann;'=1"])
def test_formulas_are_guarded_where_columns_are_parted_by_semicolons(text: str) -> None:
    shown = sheet.guarded(text)
    for part in re.split(r"[;\t\r\n]", shown)[1:]:
        assert part.startswith("'")
    assert sheet.unguarded(shown) == text


@given(st.floats(0, 4e9), ZONES)
def test_times_come_back_to_the_second_with_their_zone(at: float, zone: timezone) -> None:
    read = datetime.fromisoformat(sheet.at_zone(at, zone))
    assert abs(read.timestamp() - at) <= 0.5
    assert read.utcoffset() == zone.utcoffset(None)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), min_size=1), st.sampled_from(",;\t"))
def test_other_spreadsheets_tables_are_read(texts: list[str], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("file", "label"), *((text, "angry") for text in texts)])
    for content in (out.getvalue().encode("utf-8-sig"), out.getvalue().encode("utf-16")):
        found = [row["file"] for _, row in sheet.rows(content, "x")]
        assert found == [sheet.unguarded(text) for text in texts]


@pytest.mark.parametrize("content", [b"\xff\xfea", b"a,b\n\xe4,1\n", b'a,b\n"x,' + b"y" * 200_000])
def test_what_is_no_table_is_one_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: is not a CSV file") as caught:
        list(sheet.rows(content, "labels.csv"))
    assert "\n" not in str(caught.value)


def test_lists_yes_and_nothing() -> None:
    assert (
        sheet.lines([(("Ann", "Bob"), True, False, None, -0.5, ("-", "B"))])
        == "Ann → Bob,true,false,,-0.5,- → B\r\n"
    )

"""Numbers: read as people write them, and nothing dialled that may cost a fortune."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.chat.numbers import masked, may_call, read_number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+49 30 123456", "+4930123456"),
        ("+49 (0)30 / 123-456", "+4930123456"),
        ("0049 30 123456", "+4930123456"),
        ("0049 (0) 30 123456", "+4930123456"),
        ("030 123456", "+4930123456"),
        (" 030.12.34.56 ", "+4930123456"),
        ("+1 (415) 555–0100", "+14155550100"),
        ("123456", None),
        ("", None),
        ("+49", None),
        ("++4930123456", None),
        ("+0930123456", None),
        ("+49 30 123456 ext 5", None),
        ("+4930123456@evil", None),
        ("+4930123456&PJSIP/other", None),
        ("+49301234567890123", None),
        ("٠٣٠١٢٣٤٥٦", None),
        ("+" + " 1" * 100, None),
    ],
)
def test_numbers_are_read_as_people_write_them(written: str, number: str | None) -> None:
    assert read_number(written, "+49") == number


def test_without_a_country_only_international_numbers_are_taken() -> None:
    assert read_number("030 123456") is None
    assert read_number("0030 210 1234567") == "+302101234567"


@given(st.text(max_size=50), st.sampled_from(["", "+49", "+1"]))
def test_whatever_is_written_only_a_number_comes_out(written: str, country: str) -> None:
    number = read_number(written, country)
    assert number is None or re.fullmatch(r"\+[1-9][0-9]{6,14}", number, re.ASCII)


def test_only_allowed_numbers_are_called() -> None:
    prefixes, blocked = ("+4930", "+49"), ("+49900",)
    assert may_call("+4930123456", prefixes, blocked)
    assert not may_call("+49900123456", prefixes, blocked)
    assert not may_call("+88213000000", prefixes, blocked)
    assert not may_call("+4930123456", (), ())


def test_a_number_is_shown_by_its_end() -> None:
    assert masked("+4930123456") == "…456"

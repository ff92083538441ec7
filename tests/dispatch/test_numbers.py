"""Numbers: read as people write them, the same by every door."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.dispatch.numbers import masked, parsed, spellings


def read_number(text: str, country: str = "") -> str | None:
    """What `parsed` makes of a text, in E.164 form."""
    found = parsed(text, country)
    return None if found is None else phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


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


@given(
    st.text(alphabet="+0123456789 ()/.-\u00a0\u2013x;#aE\u0663", max_size=50),
    st.sampled_from(["", "DE", "US", "IT"]),
)
@settings(max_examples=2000)
def test_no_spelling_of_digits_breaks_the_reader(written: str, country: str) -> None:
    number = read_number(written, country)
    assert number is None or re.fullmatch(r"\+[1-9][0-9]{6,14}", number, re.ASCII)
    assert number is None or read_number(number) == number


def test_a_number_is_found_however_the_pbx_wrote_it() -> None:
    found = spellings("+49 (0)30 / 123456", "DE")
    assert {"+4930123456", "004930123456", "4930123456", "030123456", "30123456"} <= set(found)
    assert spellings("anonymous") == ("anonymous",)


def test_a_country_is_named_by_its_letters_or_its_code() -> None:
    assert read_number("030 123456", "DE") == read_number("030 123456", "+49") == "+4930123456"
    assert read_number("(415) 555-2671", "US") == "+14155552671"
    assert read_number("06 1234 5678", "IT") == "+390612345678"
    assert read_number("030 123456", "XX") is None


def test_a_number_is_shown_by_its_end() -> None:
    assert masked("+4930123456") == "…456"

"""Telephone numbers as people write them, parsed the same way (by libphonenumber) everywhere. Pure."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

#: E.164: at most 15 digits; with fewer than 7 it is no number that can be dialled from abroad.
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
#: Digits and what people write between them; no extension, no letters, no second number.
_WRITTEN: Final = re.compile(r"\s*\+?[0-9\s()/.\-\u00a0\u2010-\u2015]+")
_CODE: Final = re.compile(r"\+([1-9][0-9]{0,2})")
#: Longest input parsed, in characters.
MAX_CHARS: Final = 40
#: libphonenumber's region for numbers that belong to no country, e.g. satellite phones.
NOWHERE: Final = "001"


def region_of(country: str) -> str:
    """The region that a setting names, by its two-letter code or as +49; empty: none."""
    if code := _CODE.fullmatch(country):
        region = phonenumbers.region_code_for_country_code(int(code[1]))
        return "" if region in {"ZZ", NOWHERE} else region
    return country.upper() if country.upper() in phonenumbers.SUPPORTED_REGIONS else ""


def parsed(text: str, country: str = "") -> PhoneNumber | None:
    """A number as libphonenumber represents it, or None; its length is possible, but it may be unassigned.

    Args:
        text: as written, e.g. "+49 (0)30 / 123456", "0049 30 123456" or "030 123456".
        country: country of numbers without a country code, "DE" or "+49"; empty: those are rejected.
    """
    if len(text) > MAX_CHARS or not _WRITTEN.fullmatch(text):
        return None
    digits = re.sub(r"[^0-9]", "", text)
    abroad = text.lstrip().startswith("+")
    if not abroad and digits.startswith("00"):
        # The international prefix in most of the world, and nowhere the beginning of a national number.
        text, abroad = f"+{text.lstrip().lstrip('(')[2:]}", True
    region = region_of(country)
    if not abroad and not region:
        return None
    if not abroad and phonenumbers.ndd_prefix_for_region(region, True) == "0" and not digits.startswith("0"):
        return None  # without its area code
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return number if _NUMBER.fullmatch(phonenumbers.format_number(number, PhoneNumberFormat.E164)) else None


def spellings(text: str, country: str = "") -> tuple[str, ...]:
    """The spellings a PBX may use for a number: as given, in E.164, and as dialled within its country.

    Args:
        text: the number in any spelling, or an extension or name, which has only one.
        country: as for `parsed`.
    """
    found, given = parsed(text, country), text.strip()
    if found is None:
        return (given,)
    code, national = str(found.country_code), phonenumbers.national_significant_number(found)
    ways = [f"{lead}{code}{national}" for lead in ("+", "00", "")]
    ways += [f"{_trunk(int(code))}{national}", national]
    return tuple(dict.fromkeys([given, *ways]))


def normal_prefix(prefix: str) -> str:
    """A prefix of numbers in E.164 form, e.g. +490900 as +49900: the 0 is not dialled from abroad."""
    for length in (1, 2, 3):
        code = prefix[1 : 1 + length]
        if code.isdigit() and len(code) == length and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            rest = prefix[1 + length :]
            return f"+{code}{rest.removeprefix('0') if _trunk(int(code)) == '0' else rest}"
    return prefix


def _trunk(code: int) -> str:
    """What is dialled before a number within its country, e.g. 0, but not from abroad."""
    region = phonenumbers.region_code_for_country_code(code)
    return phonenumbers.ndd_prefix_for_region(region, True) or ""


def masked(number: str) -> str:
    """The number as it may be shown: its last digits only."""
    return f"…{number[-3:]}"

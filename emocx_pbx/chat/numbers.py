"""Telephone numbers as customers write them, read strictly: what is dialled costs money. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: E.164: at most 15 digits; fewer than 7 are nobody's number abroad.
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
#: What people write between digits.
_GAPS: Final = re.compile(r"[\s()/.\-\u00a0\u2010-\u2015]")
#: Longest input looked at.
MAX_CHARS: Final = 40


def read_number(text: str, country: str = "") -> str | None:
    """A number in E.164 form, or None if it can't be read as one.

    Args:
        text: as written, e.g. "+49 (0)30 / 123456" or "030 123456".
        country: code of numbers that begin with a single 0, e.g. "+49"; empty: such are not taken.
    """
    if len(text) > MAX_CHARS:
        return None
    # +49 (0)30: the zero in brackets is not dialled from abroad.
    written = re.sub(r"^(\s*(?:\+|00)[0-9 ]+)\(0\)", r"\1", text)
    digits = _GAPS.sub("", written)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif digits.startswith("0") and country:
        digits = country + digits[1:]
    return digits if _NUMBER.fullmatch(digits) else None


def may_call(number: str, prefixes: Sequence[str], blocked: Sequence[str]) -> bool:
    """Whether a number in E.164 form is one that may be called back."""
    return any(number.startswith(p) for p in prefixes) and not any(number.startswith(p) for p in blocked)


def masked(number: str) -> str:
    """The number as it is shown again: its last digits only."""
    return f"…{number[-3:]}"

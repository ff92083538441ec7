"""JSON as JavaScript's JSON.stringify writes it. Pure.

Many receivers parse a body, and verify the signature against what JSON.stringify makes of it: 1.0 comes back
as 1, and 1e22 as 1e+22. A body written this way in the first place has the same bytes both ways.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

#: Beyond it a whole number is not exact in JavaScript.
_EXACT: Final = 2**53
#: Number::toString writes digits without exponent from 1e-6 up to under 1e21 (ECMA-262, 6.1.6.1.20).
_MOST_DIGITS: Final = 21
_MOST_ZEROS: Final = 6


def json_text(value: Any) -> str:
    """A JSON text of builtins, without spaces; what is not a number there (NaN, infinity) is null."""
    return msgspec.json.encode(_written(value)).decode()


def js_number(number: float) -> str:
    """A finite number by ECMA-262's Number::toString: the fewest digits that give the same double."""
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(float(number))).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + int(exponent)  # digits before the decimal point
    size = len(text)
    if size <= point <= _MOST_DIGITS:
        written = text + "0" * (point - size)
    elif 0 < point <= _MOST_DIGITS:
        written = f"{text[:point]}.{text[point:]}"
    elif -_MOST_ZEROS < point <= 0:
        written = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if size > 1 else ""
        written = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{written}" if sign else written


def _written(value: Any) -> Any:
    """The same value with its numbers as JavaScript writes them."""
    match value:
        case bool() | None:
            return value
        case int():
            return value if abs(value) <= _EXACT else _number(_double(value))
        case float():
            return _number(value)
        case str():
            # Half of a surrogate pair is no text; UTF-8 has no bytes for it.
            return value.encode("utf-8", "replace").decode() if not value.isascii() else value
        case Mapping():
            return {_written(str(name)): _written(part) for name, part in value.items()}
        case list() | tuple():
            return [_written(part) for part in value]
        case _:
            return _written(msgspec.to_builtins(value))


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _number(number: float) -> msgspec.Raw | None:
    return msgspec.Raw(js_number(number).encode()) if math.isfinite(number) else None

"""Numbers as clients write them, within the ranges of databases and clocks. Pure."""

from __future__ import annotations

import math
from typing import Final

#: Most digits of a number: SQLite's integers have up to 19; none of ours comes near.
MOST_DIGITS: Final = 15


def whole(given: str) -> int | None:
    """A whole number that is not negative; None for anything else."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS else None


def finite(given: str) -> float | None:
    """A number within the range of a clock; None for anything else."""
    try:
        value = float(given[:40])
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 10**MOST_DIGITS else None

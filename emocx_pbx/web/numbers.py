"""Numbers as clients write them, in bounds that databases and clocks can hold. Pure."""

from __future__ import annotations

import math
from typing import Final

#: What SQLite's integers hold has 19 digits; nothing of ours comes near.
MOST_DIGITS: Final = 15


def whole(given: str) -> int | None:
    """A whole number that is not negative; None for anything else."""
    return int(given) if given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS else None


def finite(given: str) -> float | None:
    """A number within what a clock can say; None for anything else."""
    try:
        value = float(given[:40])
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 10**MOST_DIGITS else None

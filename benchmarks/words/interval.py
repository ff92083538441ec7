"""How sure a figure is, by bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

DRAWS: Final = 1000


def interval(value: Callable[[Any], float], count: int) -> list[float]:
    """95 % by bootstrap over `count` things."""
    rng = np.random.default_rng(0)
    drawn = [value(rng.integers(count, size=count)) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return [round(float(low), 3), round(float(high), 3)]

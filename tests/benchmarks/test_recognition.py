"""The README's table of recognition, as it is printed."""

from __future__ import annotations

import math

from benchmarks.recognition import Row


def test_a_class_without_examples_has_no_recall() -> None:
    cells = Row("lstm/3", "text", 0.514, (0.51, math.nan, 0.49, 0.54), further="x").cells()
    assert cells == ("lstm/3", "text", ".514", ".51 / - / .49 / .54", "", "", "", "x")

"""The README's table of recognition, as it is printed."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.recognition import Row, measured_anew


def test_a_class_without_examples_has_no_recall() -> None:
    cells = Row("lstm/3", "text", 0.514, (0.51, math.nan, 0.49, 0.54), further="x").cells()
    assert cells == ("lstm/3", "text", ".514", ".51 / - / .49 / .54", "", "", "", "x")


CARD: Any = SimpleNamespace(
    title="lstm/3", figures={"test": 1, "language de, test": 2, "test, network alone": 3, "seeds": 4}
)


@pytest.mark.parametrize(
    ("model", "test", "german"),
    [("lstm/3", 10, 20), ("lstm/2", 1, 2)],
    ids=["of this model", "of another"],
)
def test_sets_measured_now_take_the_place_of_the_cards(model: str, test: int, german: int) -> None:
    anew = {"model": model, "sets": {"goemotions4": 10, "language de": 20, "openings": 30}}
    figures = cast(dict[str, int], measured_anew(CARD, anew))
    assert figures == {"test": test, "language de, test": german, "test, network alone": 3, "seeds": 4}

"""Bodies are written as JSON.stringify writes them, so that parsed and written again they are the same."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.events.event import NewEvent
from emocx_pbx.events.json_text import js_number, json_text


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1.0, "1"), (-3.0, "-3"), (0.0, "0"), (-0.0, "0"), (61.5, "61.5"), (0.1, "0.1"), (100.0, "100"),
        (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e22, "1.5e+22"),
        (2.0**66, "73786976294838210000"),
        (1e-6, "0.000001"), (1e-7, "1e-7"), (1.25e-7, "1.25e-7"), (-1e-7, "-1e-7"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_ecma_262_says(number: float, written: str) -> None:
    assert js_number(number) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_value(number: float) -> None:
    assert float(js_number(number)) == number


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_a_text_keeps_its_value(value: Any) -> None:
    # A number is a double there, also where it is written without a point.
    assert json.loads(json_text(value), parse_int=float) == value


def test_what_javascript_has_not_is_written_as_it_would() -> None:
    observed = {"a": math.nan, "b": math.inf, "c": 2**53 + 1, "d": 10**400, "e": (1, 2.0), "f": "\ud800"}
    assert json_text(observed) == '{"a":null,"b":null,"c":9007199254740992,"d":null,"e":[1,2],"f":"?"}'


def test_whole_numbers_of_an_event_have_no_fraction() -> None:
    event = NewEvent("call.graded", "1.2", {"score": 62.0, "share": 0.25, "none": None}, 1000.0)
    assert '"score":62,"share":0.25,"none":null' in event.body(1)

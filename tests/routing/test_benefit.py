"""The benefit is told with its doubt, and by customers rather than calls."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.routing.benefit import LEAST_CUSTOMERS, Arm, CallResult, compare, t95


def calls(arm: Arm, mean: float, customers: int, rng: random.Random, each: int = 1) -> list[CallResult]:
    return [
        CallResult(f"{arm}{i}", arm, rng.gauss(mean, 10), False, 20 + rng.random(), 200.0)
        for i in range(customers)
        for _ in range(each)
    ]


def test_a_clear_gain_is_told() -> None:
    rng = random.Random(2)
    grade, abandoned, *_ = compare(calls("routed", 70, 200, rng) + calls("holdout", 60, 100, rng))
    assert grade.verdict == "better"
    assert grade.low is not None and grade.high is not None and grade.low < 10 < grade.high
    assert abandoned.verdict == "can't tell yet" and abandoned.difference == 0


def test_more_is_not_always_better() -> None:
    rng = random.Random(1)
    routed = [replace(c, wait_s=(c.wait_s or 0) + 30) for c in calls("routed", 60, 100, rng)]
    wait = compare(routed + calls("holdout", 60, 100, rng))[2]
    assert wait.verdict == "worse" and wait.difference == pytest.approx(30, abs=1)


def test_few_customers_tell_nothing_however_many_calls() -> None:
    rng = random.Random(1)
    few = LEAST_CUSTOMERS - 1
    grade = compare(calls("routed", 90, few, rng, each=50) + calls("holdout", 10, few, rng, each=50))[0]
    assert (grade.verdict, grade.low, grade.routed_customers) == ("can't tell yet", None, few)


def test_intervals_hold_what_they_promise() -> None:
    rng = random.Random(5)
    wrong = sum(
        compare(calls("routed", 60, 40, rng) + calls("holdout", 60, 25, rng))[0].verdict != "can't tell yet"
        for _ in range(400)
    )
    assert 8 <= wrong <= 36  # 5 % of 400, give or take


def test_nothing_is_nothing() -> None:
    assert {c.verdict for c in compare([])} == {"can't tell yet"}
    assert compare([])[0].difference is None


@pytest.mark.parametrize(("freedom", "quantile"), [(10, 2.228), (30, 2.042), (1e6, 1.960)])
def test_students_t(freedom: float, quantile: float) -> None:
    assert t95(freedom) == pytest.approx(quantile, abs=0.006)


scores = st.lists(st.floats(0, 100), min_size=LEAST_CUSTOMERS, max_size=40)


@given(scores, scores)
def test_swapping_the_arms_swaps_the_verdict(a: list[float], b: list[float]) -> None:
    def results(routed: list[float], holdout: list[float]) -> list[CallResult]:
        return [CallResult(f"r{i}", "routed", s) for i, s in enumerate(routed)] + [
            CallResult(f"h{i}", "holdout", s) for i, s in enumerate(holdout)
        ]

    one, two = compare(results(a, b))[0], compare(results(b, a))[0]
    assert one.difference == pytest.approx(-(two.difference or 0))
    turned = {"better": "worse", "worse": "better", "can't tell yet": "can't tell yet"}
    assert turned[one.verdict] == two.verdict

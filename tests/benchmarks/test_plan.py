"""What many calls need: the page shows what the command computes, and more calls never need less."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plan import Measured, Site, plan, table

PAGE = Path(__file__).parents[2] / "docs/plan.md"


def test_the_page_shows_what_the_command_computes() -> None:
    assert table(plan(Site(), Measured())) in PAGE.read_text()


@given(st.integers(1, 50_000), st.integers(1, 50_000), st.floats(0, 1))
def test_more_calls_need_no_less(calls: int, more: int, accurate: float) -> None:
    few, many = (plan(Site(number, accurate=accurate), Measured()) for number in (calls, calls + more))
    assert all(a.role == b.role and a.cores <= b.cores for a, b in zip(few, many, strict=True))


def test_a_call_that_the_accurate_model_hears_costs_what_was_measured_of_it() -> None:
    (workers, *_) = plan(Site(1650, accurate=1.0), Measured(batch_worker_ms=0.0))
    assert workers.cores == 10

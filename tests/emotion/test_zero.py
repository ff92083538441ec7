"""The zero of a line: offsets from sums of callers' answers, and what makes them safe."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import pytest

from emocx_pbx.emotion.zero import (
    BOUND,
    KEPT,
    NO_SUMS,
    SIZE,
    added,
    caller_sums,
    callers_in,
    mean_answer,
    moved,
    offsets_of,
)

CALLS = (0.2 / 3, 0.8, 0.2 / 3, 0.2 / 3)


def answer(
    rng: random.Random, lean: Sequence[float] = (0.0, 0.0, 0.0, 0.0), mix: Sequence[float] = CALLS
) -> tuple[float, ...]:
    """A plain answer for one caller of a line that leans so."""
    truth = rng.choices(range(4), mix)[0]
    logits = [2.5 * (k == truth) + rng.gauss(0, 1) + lean[k] for k in range(4)]
    total = sum(math.exp(x) for x in logits)
    return tuple(math.exp(x) / total for x in logits)


def sums_of(callers: Iterable[Sequence[Sequence[float]]]) -> tuple[float, ...]:
    sums: tuple[float, ...] = NO_SUMS
    for answers in callers:
        sums = added(sums, caller_sums(answers))
    return sums


def lean_of(offsets: Sequence[float]) -> list[float]:
    """Without the part of the expected mix that is kept."""
    kept = [KEPT * math.log(share) for share in CALLS]
    return [b - k + sum(kept) / 4 for b, k in zip(offsets, kept, strict=True)]


def test_a_lean_of_the_line_is_taken_back() -> None:
    rng = random.Random(1)
    lean = (0.6, -0.4, 0.0, -0.2)
    answers = [answer(rng, lean) for _ in range(600)]
    offsets = lean_of(offsets_of(sums_of([a] for a in answers), 0.8))
    expecting = [b + math.log(share) for b, share in zip(offsets, CALLS, strict=True)]
    mean = [sum(moved(a, expecting)[k] for a in answers) / len(answers) for k in range(4)]
    assert mean == pytest.approx(CALLS, abs=0.03)
    straight = lean_of(offsets_of(sums_of([answer(rng)] for _ in range(600)), 0.8))
    taken_back = [b - s for b, s in zip(offsets, straight, strict=True)]
    assert taken_back == pytest.approx([-x for x in lean], abs=0.25)


def test_the_sums_tell_the_mean_answer() -> None:
    rng = random.Random(2)
    answers = [answer(rng) for _ in range(300)]
    sums = sums_of([a] for a in answers)
    exact = [sum(a[k] for a in answers) / len(answers) for k in range(4)]
    assert len(sums) == SIZE
    assert callers_in(sums) == pytest.approx(300)
    assert mean_answer(sums) == pytest.approx(exact, abs=0.02)


def test_a_caller_counts_once_however_long_the_call() -> None:
    rng = random.Random(3)
    short = sums_of([[answer(rng)] for _ in range(99)])
    talker = caller_sums([answer(rng, (4.0, 0, 0, 0))] * 500)
    assert callers_in(talker) == pytest.approx(1)
    before, after = offsets_of(short, 0.8), offsets_of(added(short, talker), 0.8)
    assert after == pytest.approx(before, abs=0.1)


def test_offsets_are_bounded_and_of_no_callers_none() -> None:
    sums = sums_of([[(0.997, 0.001, 0.001, 0.001)]] * 200)
    assert all(abs(b) <= 1.5 * BOUND for b in lean_of(offsets_of(sums, 0.8))), "less their mean"
    assert offsets_of(NO_SUMS, 0.8) == (0.0, 0.0, 0.0, 0.0)
    assert mean_answer(NO_SUMS) == (0.25, 0.25, 0.25, 0.25)


def test_moved_probabilities_stay_probabilities() -> None:
    p = moved((1.0, 0.0, 0.0, 0.0), (-1.5, 1.5, 0.0, 0.0))
    assert math.fsum(p) == pytest.approx(1)
    assert min(p) > 0
    assert moved((0.1, 0.2, 0.3, 0.4), (0, 0, 0, 0)) == pytest.approx((0.1, 0.2, 0.3, 0.4))

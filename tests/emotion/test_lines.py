"""Lines over days: who counts, what one bad day may do, which line a call goes by, and levels of a line."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.levels import NO_COUNTS, caller_counts, level_at
from emocx_pbx.emotion.lines import (
    ALL,
    DAY_S,
    HALF_LIFE_DAYS,
    PER_DAY,
    LineBook,
    LineCaller,
    LineEstimate,
    Sites,
)
from emocx_pbx.emotion.places import BOUND
from emocx_pbx.emotion.zero import caller_sums, callers_in, moved

CALLS = (0.2 / 3, 0.8, 0.2 / 3, 0.2 / 3)
ANGRY_DAY = (0.6, 0.3, 0.05, 0.05)
CALM = (0.05, 0.85, 0.05, 0.05)


def caller(*answers: Sequence[float]) -> LineCaller:
    return LineCaller(caller_sums(answers), caller_counts(answers))


def learnt(
    days: Sequence[tuple[int, Sequence[float]]],
    rng: random.Random,
    estimate: LineEstimate | None = None,
    start: int = 0,
) -> LineEstimate:
    """An estimate after so many callers of a mix on each day: [(number, mix), ...]."""
    found = estimate or LineEstimate()
    for day, (number, mix) in enumerate(days, start):
        for _ in range(number):
            truth = rng.choices(range(4), mix)[0]
            logits = [2.5 * (k == truth) + rng.gauss(0, 1) for k in range(4)]
            total = sum(math.exp(x) for x in logits)
            found = found.with_caller(caller([math.exp(x) / total for x in logits]), day * DAY_S + 60)
    return found


def test_a_line_is_used_from_sixty_callers_of_three_days_on() -> None:
    rng = random.Random(1)
    assert not learnt([(300, CALLS)], rng).usable, "one day's mood is no zero"
    assert not learnt([(300, CALLS), (300, CALLS)], rng).usable
    assert not learnt([(19, CALLS)] * 3, rng).usable
    estimate = learnt([(21, CALLS)] * 3, rng)
    assert estimate.usable
    assert estimate.callers == 63


def test_a_day_counts_for_so_many_callers_and_fades() -> None:
    rng = random.Random(2)
    estimate = learnt([(400, CALLS)], rng)
    assert estimate.weight == pytest.approx(PER_DAY)
    later = estimate.on(estimate.day + round(HALF_LIFE_DAYS))
    assert later.weight == pytest.approx(PER_DAY / 2)
    assert callers_in(later.today) == 0
    assert later.on(later.day - 5) == later, "a late call belongs to the newest day"
    assert later.callers == 400


def test_a_bad_day_does_not_hide_anger() -> None:
    rng = random.Random(3)
    usual = learnt([(50, CALLS)] * 30, rng)
    bad = learnt([(300, ANGRY_DAY)], rng, usual, start=30)
    angry = (0.55, 0.25, 0.1, 0.1)
    before, after = (moved(angry, e.offsets(0.8)) for e in (usual, bad))
    assert after[0] > before[0] - 0.1
    assert max(range(4), key=after.__getitem__) == 0
    # Were that all the line had ever shown, anger would seem its usual sound.
    alone = moved(angry, learnt([(100, ANGRY_DAY)] * 3, rng).offsets(0.8))
    assert alone[0] < after[0] - 0.2


def test_the_narrowest_line_with_evidence_counts() -> None:
    sites = Sites.of(["berlin=PJSIP/berlin-*", "rest = PJSIP/*"])
    assert sites.lines("PJSIP/berlin-2") == ("trunk PJSIP/berlin-2", "site berlin", ALL)
    assert sites.lines("DAHDI/i1") == ("trunk DAHDI/i1", ALL)
    assert sites.lines(None) == (ALL,)
    rng = random.Random(4)
    known, new = learnt([(30, CALLS)] * 4, rng), learnt([(5, CALLS)], rng)
    book = LineBook({"trunk PJSIP/berlin-2": new, "site berlin": known, ALL: known})
    zero = book.zero(sites.lines("PJSIP/berlin-2"), "voice/5", 0.8)
    assert zero is not None
    assert (zero.line, zero.model, len(zero.offsets)) == ("site berlin", "voice/5", len(LABELS))
    assert zero.callers == int(known.weight)
    assert book.zero(["trunk PJSIP/berlin-2"], "voice/5", 0.8) is None
    assert LineBook().zero([ALL], "voice/5", 0.8) is None


def test_levels_are_what_so_many_percent_stay_under() -> None:
    counts = caller_counts([(p / 100, 1 - p / 100, 0.0, 0.0) for p in range(100)])
    assert level_at(counts, "angry", 90) == pytest.approx(0.9, abs=0.01)
    assert level_at(counts, "upset", 50) == pytest.approx(0.5, abs=0.01)
    assert level_at(NO_COUNTS, "angry", 90) is None
    assert level_at(caller_counts([(0.3, 0.3, 0.4, 0.0)]), "upset", 99) == pytest.approx(0.72, abs=0.021)


def test_each_caller_counts_alike_for_levels() -> None:
    one, other = caller_counts([CALM] * 50), caller_counts([(0.9, 0.05, 0.05, 0.0)])
    both = tuple(a + b for a, b in zip(one, other, strict=True))
    low, high = level_at(both, "angry", 49), level_at(both, "angry", 51)
    assert low is not None and low < 0.1
    assert high is not None and high > 0.85


def test_a_level_is_told_only_of_a_line_that_is_known() -> None:
    rng = random.Random(5)
    assert learnt([(30, CALLS)] * 2, rng).level("angry", 95) is None
    level = learnt([(30, CALLS)] * 4, rng).level("angry", 95)
    assert level is not None and 0.05 < level < 0.9


def test_a_centre_is_of_sixty_callers_whose_place_is_known() -> None:
    estimate = LineEstimate()
    for number in range(90):
        place = (1.0, -2.0, math.inf) if number == 0 else (1.0, -2.0, 100.0) if number % 2 else ()
        one = replace(caller(CALM), place=place)
        estimate = estimate.with_caller(one, number // 30 * DAY_S + 60)
    assert (estimate.usable, estimate.centre) == (True, ()), "half of them, but the one of no known place"
    assert estimate.centred_callers == pytest.approx(45, abs=2)
    for number in range(20):
        estimate = estimate.with_caller(replace(caller(CALM), place=(1.0, -2.0, 100.0)), 3 * DAY_S + number)
    assert estimate.centred_callers == pytest.approx(63, abs=0.1), "days fade"
    assert estimate.centre == pytest.approx((1.0, -2.0, BOUND), abs=1e-3), "no caller counts for more"
    zero = LineBook({ALL: estimate}).zero((ALL,), "voice/7", 0.8)
    assert zero is not None and zero.centre == estimate.centre
    assert (zero.as_evidence(True).centre, zero.as_evidence(True).centred) == ((), True)
    assert estimate.on(estimate.day + 1).centre == pytest.approx(estimate.centre, abs=1e-3)


def test_a_line_learns_places_of_the_model_as_it_is_now() -> None:
    estimate = LineEstimate().with_caller(replace(caller(CALM), place=(1.0, 1.0)), 0.0)
    estimate = estimate.with_caller(replace(caller(CALM), place=(3.0,)), 1.0)
    assert estimate.today_places == (1.0, 3.0), "those of other directions say nothing"

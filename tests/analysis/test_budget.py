"""Under load a worker hears less with its accurate model, then less often, and is never late for good."""

from __future__ import annotations

import heapq
import random

import pytest

from emocx_pbx.analysis.budget import (
    ACCURATE_S,
    EVERY,
    FIRST,
    LATEST_S,
    LEAST_READ_SHARE,
    PATIENCE,
    Budget,
    Cascade,
    Choice,
    Coarse,
)
from emocx_pbx.domain import Scores

ANGRY, CALM, UNSURE = (
    Scores.of([0.9, 0.1, 0, 0]),
    Scores.of([0.1, 0.9, 0, 0]),
    Scores.of([0.45, 0.4, 0.1, 0.05]),
)
#: CPU seconds of a window: the accurate model's, the light one's. And of a call's audio, a second.
ACCURATE_COST, LIGHT_COST, INTAKE = 0.046, 0.002, 0.0006


def at_effort(effort: float, cascade: bool = True) -> Budget:
    budget = Budget(cascade)
    budget.effort = effort
    return budget


def test_with_time_the_accurate_model_hears_everything() -> None:
    cascade = Cascade(Budget(cascade=True))
    for _ in range(50):
        assert cascade.choose(0.01) is Choice.ACCURATE
        cascade.answered(ANGRY)


def test_a_window_that_waited_is_the_light_models_and_then_nobodys() -> None:
    cascade = Cascade(Budget(cascade=True))
    assert cascade.choose(ACCURATE_S) is Choice.LIGHT
    assert cascade.choose(LATEST_S) is Choice.LATE
    alone = Cascade(Budget(cascade=False))
    assert alone.choose(LATEST_S - 0.01) is Choice.ACCURATE
    assert alone.choose(LATEST_S) is Choice.LATE


def test_with_little_time_the_accurate_model_hears_what_tells_most() -> None:
    cascade = Cascade(at_effort(1.0))  # nothing is earned; some turns are saved
    for _ in range(FIRST):
        assert cascade.choose(0.0) is Choice.ACCURATE
        cascade.answered(ANGRY)
    for _ in range(EVERY - 1):
        assert cascade.choose(0.0) is Choice.LIGHT_FIRST
        assert not cascade.asks(ANGRY)
    assert cascade.choose(0.0) is Choice.ACCURATE
    cascade.answered(ANGRY)
    assert cascade.choose(0.0) is Choice.LIGHT_FIRST
    assert cascade.asks(CALM)
    cascade.answered(UNSURE)
    assert cascade.choose(0.0) is Choice.ACCURATE


def test_of_windows_where_both_agree_it_hears_those_the_light_model_is_not_sure_of() -> None:
    cascade = Cascade(at_effort(1.5))
    for _ in range(FIRST):
        assert cascade.choose(0.0) is Choice.ACCURATE
        cascade.answered(ANGRY)
    unsure = Scores.of([0.5, 0.2, 0.2, 0.1])
    asked = {scores: 0 for scores in (ANGRY, unsure)}
    for n in range(20):
        scores = (ANGRY, unsure)[n % 2]
        if cascade.choose(0.0) is Choice.LIGHT_FIRST and cascade.asks(scores):
            asked[scores] += 1
            cascade.answered(ANGRY)
    assert asked[ANGRY] < asked[unsure]


def test_without_time_for_it_the_accurate_model_is_not_asked() -> None:
    cascade = Cascade(at_effort(1.0))
    choices = [cascade.choose(0.0) for _ in range(40)]
    assert choices.count(Choice.ACCURATE) <= 9  # what was saved up, and may be borrowed
    assert set(choices[20:]) == {Choice.LIGHT}


@pytest.mark.parametrize("cascade", [True, False])
def test_at_the_least_each_fourth_window_is_heard(cascade: bool) -> None:
    one = Cascade(at_effort(0.0, cascade))
    heard = [one.choose(0.0) is not Choice.SKIPPED for _ in range(41)]
    assert heard[0] and sum(heard) == 11


def test_too_much_for_the_least_means_voice_activity_alone_for_new_calls() -> None:
    budget = Budget(cascade=True)
    for _ in range(30):
        budget.steer(1.0, 0.0)
    assert budget.voice_only and budget.read_share == LEAST_READ_SHARE and budget.accurate_share == 0.0
    for _ in range(30):
        budget.steer(0.4, 0.0)
    assert not budget.voice_only and budget.accurate_share == 1.0


def test_others_on_our_core_show_as_waiting_not_as_load() -> None:
    budget = Budget(cascade=True)
    budget.steer(0.2, ACCURATE_S)
    assert budget.accurate_share < 1.0


def worker(calls: int, cascade: bool, seconds: float = 120.0) -> tuple[list[float], Budget, float]:
    """A core with so many calls: delays of the last half's readings, its budget, windows lost to lateness."""
    chance = random.Random(1)
    budget = Budget(cascade)
    cascades = [Cascade(budget) for _ in range(calls)]
    due = [(chance.uniform(0, 8.3), n) for n in range(calls)]  # a reading each 8.3 s: .12 a second
    heapq.heapify(due)
    free_at, used, waited, next_steer = 0.0, 0.0, 0.0, 1.0
    delays: list[float] = []
    late = windows = 0
    # What audio costs slows all else down.
    speed = max(0.02, 1 - INTAKE * calls)
    while due[0][0] < seconds:
        at, n = heapq.heappop(due)
        heapq.heappush(due, (at + chance.uniform(6.3, 10.3), n))
        while next_steer <= at:
            budget.steer(min(1.0, INTAKE * calls + min(used, speed)), waited)
            used, waited, next_steer = max(0.0, used - speed), 0.0, next_steer + 1
        start = max(at, free_at)
        waited = max(waited, start - at)
        choice = cascades[n].choose(start - at)
        cost = {Choice.ACCURATE: ACCURATE_COST, Choice.SKIPPED: 0.0, Choice.LATE: 0.0}.get(choice, LIGHT_COST)
        if choice is Choice.LIGHT_FIRST and cascades[n].asks(chance.choice([ANGRY, CALM])):
            cost, choice = cost + ACCURATE_COST, Choice.ACCURATE
        if choice is Choice.ACCURATE:
            cascades[n].answered(chance.choice([ANGRY, CALM, UNSURE]))
        used += cost
        free_at = start + cost / speed
        windows += at > seconds / 2
        late += choice is Choice.LATE and at > seconds / 2
        if cost and at > seconds / 2:
            delays.append(free_at - at)
    return sorted(delays), budget, late / max(1, windows)


@pytest.mark.parametrize("calls", [75, 150, 300, 600, 1200])
def test_no_load_makes_readings_late(calls: int) -> None:
    delays, budget, late = worker(calls, cascade=True)
    assert delays[int(0.99 * len(delays))] < LATEST_S
    assert late < 0.01
    assert (budget.accurate_share == 1.0) == (calls == 75)
    assert not budget.voice_only


def test_one_model_alone_is_heard_at_longer_intervals() -> None:
    delays, budget, late = worker(300, cascade=False)
    assert delays[int(0.99 * len(delays))] < 1.5
    assert LEAST_READ_SHARE <= budget.read_share < 1.0
    assert late < 0.1


def test_a_worker_that_is_behind_judges_voice_by_level_until_it_has_fewer_calls() -> None:
    coarse, busy = Coarse(), at_effort(0.5)
    assert not coarse.look(1200, 0.7, busy) and not coarse  # the first time it may be chance
    assert coarse.look(1200, 0.7, busy) and coarse
    assert not coarse.look(1200, 0.1, busy) and not coarse.look(1100, 0.1, busy) and coarse
    assert coarse.look(1000, 0.1, busy) and not coarse


def test_voice_activity_is_as_usual_when_there_is_time() -> None:
    coarse, busy = Coarse(), at_effort(0.5)
    for _ in range(5):
        assert not coarse.look(300, 0.7, at_effort(1.0)) and not coarse
    coarse.look(300, 0.7, busy)
    assert coarse.look(300, 0.7, busy) and coarse
    assert coarse.look(300, 0.1, at_effort(1.6)) and not coarse


def test_calls_for_which_no_time_is_foreseen_are_not_read_until_steering_knows_better() -> None:
    budget = Budget(cascade=True)
    budget.expect(LEAST_READ_SHARE)
    assert not budget.voice_only
    budget.expect(LEAST_READ_SHARE / 2)
    assert budget.voice_only and budget.effort == LEAST_READ_SHARE
    for _ in range(PATIENCE - 1):
        budget.steer(0.1, 0.0)  # the calls have hardly begun
    assert budget.voice_only and budget.effort > 2 * LEAST_READ_SHARE
    budget.steer(0.1, 0.0)
    assert not budget.voice_only


def test_more_calls_than_a_core_takes_in_are_told_by_level_from_their_begin() -> None:
    coarse, budget = Coarse(), at_effort(LEAST_READ_SHARE)
    coarse.expect(2000)
    assert coarse
    assert coarse.look(2000, 0.1, budget) and coarse, "told once"
    assert not coarse.look(2000, 0.1, budget) and coarse
    assert coarse.look(1000, 0.1, budget) and not coarse

"""A day of queues, and the benefit said in plain words."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from emocx_pbx.routing.benefit import CallResult, compare
from emocx_pbx.store.list_rows import QueueStays
from emocx_pbx.web.shown.benefit import benefit_view
from emocx_pbx.web.shown.queues import queues_view

#: Seconds of the day.
NOW = 7400.0


def queued(
    queue: str,
    at: float,
    answered: float | None,
    ended: float | None,
    arrived_as: str,
    left_as: str,
    now: float = NOW,
) -> QueueStays:
    """One stay; `at` is of the day, and what follows after it."""
    left = "answered" if answered is not None else None if ended is None else "abandoned"
    wait = next(s for s in (answered, ended, now - at) if s is not None)
    return QueueStays("", queue, left, arrived_as, left_as, ended is not None, int(at // 3600), (wait,))


CALLS = [
    queued("care", 0, 10, 100, "angry", "neutral"),
    queued("care", 3700, 30, 200, "happy", "angry"),
    queued("care", 3800, None, 60, "angry", "none"),
    queued("care", 7300, None, None, "neutral", "none"),
    queued("sales", 10, 5, 50, "none", "happy"),
]


def test_a_day_is_counted_by_queue() -> None:
    view = queues_view(CALLS, {("", "care"): (1, 100.0, 0), ("", "empty"): (0, 0.0, 3)})
    care, sales, empty = view.rows
    assert (care.queue, care.calls, care.answered, care.abandoned) == ("care", 4, 2, 1)
    assert care.abandoned_share == pytest.approx(1 / 3)  # of those whose waiting is over
    assert care.wait_median_s == 45  # 10, 30, 60 and 100 until now
    assert (care.better, care.worse, care.compared) == (1, 1, 2)
    assert [(s.emotion, s.number) for s in care.arrived] == [("angry", 2), ("neutral", 1), ("happy", 1)]
    assert [(s.emotion, s.number) for s in care.left] == [("angry", 1), ("neutral", 1)]
    assert [n for _, _, n in care.by_hour[:3]] == [1, 2, 1]
    assert (care.waiting, care.longest_now_s) == (1, 100.0)
    assert (sales.compared, empty.calls, empty.available) == (0, 0, 3)
    assert view.total is not None
    assert (view.total.calls, view.total.waiting) == (5, 1)


def test_a_stay_that_ended_elsewhere_is_neither_answered_nor_abandoned() -> None:
    (first,) = (c for c in CALLS if c.queue == "sales")
    on = replace(first, left="timeout")
    row = queues_view([on]).rows[0]
    assert (row.calls, row.answered, row.abandoned, row.overflowed) == (1, 0, 0, 1)


def test_stays_counted_together_are_as_each_by_itself() -> None:
    alike = [queued("care", at, wait, 90.0, "angry", "happy") for at, wait in ((1, 5.0), (2, 25.0), (3, 7.0))]
    together = replace(alike[0], waits=tuple(wait for some in alike for wait in some.waits))
    assert queues_view([together, CALLS[3]]) == queues_view([*alike, CALLS[3]])


def test_an_empty_day_has_no_rows() -> None:
    view = queues_view([])
    assert view.rows == () and view.total is None


def arm(name: str, scores: list[float]) -> list[CallResult]:
    return [CallResult(f"{name}{i}", name, s, wait_s=20.0, handle_s=200.0) for i, s in enumerate(scores)]  # type: ignore[arg-type]


def test_a_clear_difference_is_said_with_its_range() -> None:
    results = arm("routed", [60 + i % 9 for i in range(60)]) + arm("holdout", [50 + i % 9 for i in range(40)])
    view = benefit_view(compare(results), 100, 0.1, "active")
    grade = view.measures[0]
    assert view.headline == "Routed customers fare better in: grade."
    assert grade.verdict == "better"
    assert "points" in grade.sentence and grade.between.startswith("+")
    assert grade.x_low > 50  # right of the line of no difference


def test_too_few_customers_are_said_so() -> None:
    view = benefit_view(compare(arm("routed", [60.0] * 30) + arm("holdout", [50.0] * 5)), 35, 0.1, "active")
    assert not view.clear
    assert "too early to say" in view.headline
    assert "15 more holdout customers" in view.measures[0].sentence
    assert view.measures[0].between == ""


@pytest.mark.parametrize(
    ("holdout", "mode", "words"),
    [
        (0.0, "active", "routing.holdout is 0"),
        (0.1, "active", "none of its customers"),
        (0.1, "monitor", "monitor mode"),
    ],
)
def test_why_there_is_nothing_to_compare_with(holdout: float, mode: str, words: str) -> None:
    view = benefit_view(compare(arm("routed", [60.0] * 30)), 30, holdout, mode)
    assert words in view.advice


def test_service_level_counts_who_waited_too_long_and_not_who_still_may_be_answered() -> None:
    def waited(at: float, answered: float | None, ended: float | None) -> QueueStays:
        return queued("care", at, answered, ended, "none", "none", now=100.0)

    in_time, late, gave_up = waited(0, 20.0, 60.0), waited(1, 21.0, 60.0), waited(2, None, 5.0)
    waits_long, just_came = waited(60, None, None), waited(95, None, None)

    def level(*calls: QueueStays) -> float | None:
        (row,) = queues_view(calls, None, 20.0).rows
        return row.in_time_share

    assert level(in_time) == 1.0
    assert level(in_time, late) == 0.5
    assert level(in_time, late, gave_up, waits_long, just_came) == 0.25
    assert level(just_came) is None


def test_queues_of_two_pbxes_that_are_called_alike_are_two_rows() -> None:
    calls = [replace(CALLS[0], pbx=pbx) for pbx in ("berlin", "vienna", "vienna")]
    queue = calls[0].queue
    states = {("berlin", queue): (1, 5.0, 2), ("hamburg", queue): (0, 0.0, 1)}
    rows = queues_view(calls, states).rows
    assert [(row.pbx, row.queue, row.calls, row.available) for row in rows] == [
        ("vienna", queue, 2, None), ("berlin", queue, 1, 2), ("hamburg", queue, 0, 1),
    ]  # fmt: skip

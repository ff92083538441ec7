"""Taps that end at one moment: worked off together, some at a time, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from analysis.analysis_helpers import Samples

from emocx_pbx.analysis.call_bank import CallBank
from emocx_pbx.analysis.windows import Item
from emocx_pbx.analysis.worker.intake import ENDS_AT_ONCE, Intake
from emocx_pbx.domain import Span
from emocx_pbx.settings.settings import AnalysisSettings

CALLS = 3 * ENDS_AT_ONCE + 1


class Turns:
    """The loop's turns, taken by hand."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self.waiting.append(work)

    def next(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


def opened(intake: Intake, call: tuple[Samples, Samples], number: int) -> list[tuple[int, list[Item]]]:
    """Rows of calls in which an utterance goes on, and what is told of each."""
    found: list[tuple[int, list[Item]]] = []
    speech = np.stack(call, axis=1)[12 * 8000 : 14 * 8000].astype("<i2").tobytes()
    for _ in range(number):
        items: list[Item] = []
        row = intake.open(0.0, items.append)
        intake.put(row, speech)
        found.append((row, items))
    return found


def test_thousands_that_end_at_once_leave_the_loop_its_turns(call: tuple[Samples, Samples]) -> None:
    turns, over = Turns(), list[int]()
    intake = Intake(AnalysisSettings(), CALLS, turns)
    calls = opened(intake, call, CALLS)
    for row, _ in calls:
        intake.finish(row, lambda row=row: over.append(row))  # type: ignore[misc]
    assert not over
    for turn in range(1, 5):
        assert len(turns.waiting) == 1
        turns.next()
        assert len(over) == min(turn * ENDS_AT_ONCE, CALLS)
    assert not turns.waiting
    assert over == [row for row, _ in calls]
    first = calls[0][1]
    assert any(isinstance(item, Span) for item in first)
    assert all([type(item) for item in items] == [type(item) for item in first] for _, items in calls)


def test_a_new_call_takes_the_place_of_one_that_ends(call: tuple[Samples, Samples]) -> None:
    turns = Turns()
    intake = Intake(AnalysisSettings(), 1, turns)
    [(row, items)] = opened(intake, call, 1)
    with pytest.raises(IndexError):
        intake.open(0.0, lambda item: None)
    intake.finish(row, lambda: None)
    intake.open(0.0, lambda item: None)
    assert items
    turns.next()  # nothing more is left to do


def broken(*of: object) -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("finished", [False, True], ids=["while it goes on", "at its end"])
def test_a_receiver_that_fails_keeps_nothing_from_the_others(
    call: tuple[Samples, Samples], finished: bool
) -> None:
    turns, counted, over = Turns(), list[str](), list[str]()
    intake = Intake(AnalysisSettings(), 2, turns, counted.append)
    speech = np.stack(call, axis=1)[12 * 8000 : 22 * 8000].astype("<i2").tobytes()
    heard: list[Item] = []
    rows = [intake.open(0.0, broken), intake.open(0.0, heard.append)]
    for row in rows:
        intake.put(row, speech)
    if not finished:
        intake.run()
        assert heard
    for row, name in zip(rows, ("broken", "other"), strict=True):
        intake.finish(row, lambda name=name: over.append(name))  # type: ignore[misc]
    turns.next()
    assert over == ["broken", "other"]
    assert any(isinstance(item, Span) for item in heard)
    assert counted == len(heard) * ["audio_batches_failed"]  # the same speech, item by item


def test_an_end_whose_report_fails_leaves_the_others_theirs(call: tuple[Samples, Samples]) -> None:
    turns, counted, over = Turns(), list[str](), list[str]()
    intake = Intake(AnalysisSettings(), 2, turns, counted.append)
    (first, _), (second, _) = opened(intake, call, 2)
    intake.finish(first, broken)
    intake.finish(second, lambda: over.append("second"))
    turns.next()
    assert (over, counted) == (["second"], ["audio_batches_failed"])


def test_a_batch_of_ends_that_fails_is_told_and_all_are_over(
    call: tuple[Samples, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, counted, over = Turns(), list[str](), list[str]()
    intake = Intake(AnalysisSettings(), 1, turns, counted.append)
    [(row, _)] = opened(intake, call, 1)
    monkeypatch.setattr(CallBank, "finish_all", broken)
    intake.finish(row, lambda: over.append("over"))
    turns.next()
    assert (over, counted) == (["over"], ["audio_batches_failed"])

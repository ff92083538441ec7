"""Guarded tasks: one that fails is told of, and the others go on."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from emocx_pbx.observe import tasks as module
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.wire import cancelling


async def broken() -> None:
    raise ValueError("a fault nobody thought of")


async def test_a_task_that_fails_is_logged_and_counted_and_the_others_go_on() -> None:
    counts: Counter[str] = Counter()
    go = asyncio.Event()

    async def waits() -> str:
        await go.wait()
        return "done"

    with capture_logs() as logs:
        async with Tasks(lambda name: counts.update([name])) as tasks:
            other = tasks.create_task(waits(), name="other")
            failing = tasks.create_task(broken(), name="tap 1")
            await asyncio.wait({failing})
            go.set()
            assert await other == "done"
    assert counts == {"tasks_failed": 1}
    assert [(line["key"], line["task"]) for line in logs] == [("task.failed", "tap 1")]


async def test_whoever_awaits_a_task_gets_its_error() -> None:
    async with Tasks() as tasks:
        with capture_logs(), pytest.raises(ValueError, match="nobody thought of"):
            await tasks.create_task(broken(), name="asked")


async def test_a_lasting_part_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
    begun, lasts = 0, asyncio.Event()

    async def part() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            await broken()
        lasts.set()
        await asyncio.Event().wait()

    with capture_logs():
        async with Tasks() as tasks, asyncio.timeout(5):
            tasks.keep(part, name="journeys")
            await lasts.wait()
    assert begun == 3


async def test_the_end_of_the_block_ends_what_is_still_running() -> None:
    async with Tasks() as tasks:
        task = tasks.create_task(asyncio.Event().wait(), name="for ever")
    assert task.cancelled()


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "AGAIN_S", 0.01)
    lost = 0

    async def tries_again() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1  # as asyncio.wait_for of Python 3.11 does, when what it waits for ends just then
                if lost == 3:
                    raise

    async with asyncio.timeout(5):
        async with Tasks() as tasks:
            tasks.create_task(tries_again())
            await asyncio.sleep(0)
    assert lost == 3

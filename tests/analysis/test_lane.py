"""A model's thread: in order, urgent first, bounded, and not ended by a fault."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest

from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.wire.progress import ProcessState


class Counts(dict[str, int]):
    def __call__(self, name: str) -> None:
        self[name] = self.get(name, 0) + 1


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
async def lane(counts: Counts) -> AsyncIterator[Lane]:
    lane = Lane("voice", 4, counts)
    task = asyncio.create_task(lane.run())
    yield lane
    task.cancel()
    lane.close()


class Gate:
    """Holds the lane's thread until opened."""

    def __init__(self, lane: Lane) -> None:
        self.inside = threading.Event()
        self.open = threading.Event()
        lane.put(self._work, lambda _: None)

    def _work(self) -> None:
        self.inside.set()
        assert self.open.wait(10)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self.inside.wait, 10)


async def test_background_work_in_order(lane: Lane) -> None:
    results: list[int] = []
    over = asyncio.Event()
    for number in range(3):
        lane.put(partial(pow, number, 2), results.append)
    lane.after(over.set)
    async with asyncio.timeout(5):
        await over.wait()
    assert results == [0, 1, 4]


async def test_the_loop_goes_on_while_a_model_works(lane: Lane) -> None:
    gate = Gate(lane)
    await gate.entered()
    assert lane.busy_since is not None
    gate.open.set()
    assert await lane.ask(lambda: 7) == 7


async def test_questions_go_first(lane: Lane) -> None:
    order: list[str] = []
    gate = Gate(lane)
    await gate.entered()
    over = asyncio.Event()
    lane.put(lambda: order.append("reading"), lambda _: over.set())
    question = asyncio.create_task(lane.ask(lambda: order.append("question")))
    await asyncio.sleep(0)
    gate.open.set()
    async with asyncio.timeout(5):
        await question
        await over.wait()
    assert order == ["question", "reading"]


async def test_the_oldest_is_dropped_when_full(lane: Lane, counts: Counts) -> None:
    results: list[int] = []
    gate = Gate(lane)
    await gate.entered()
    over = asyncio.Event()
    for number in range(7):
        lane.put(partial(int, number), results.append)
    lane.after(over.set)
    gate.open.set()
    async with asyncio.timeout(5):
        await over.wait()
    assert results == [3, 4, 5, 6]
    assert counts == {"windows_dropped": 3}


async def test_too_many_questions_are_refused(lane: Lane) -> None:
    gate = Gate(lane)
    await gate.entered()
    waiting = [asyncio.create_task(lane.ask(lambda: 1)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(PeerUnavailable, match="4 questions wait"):
        await lane.ask(lambda: 1)
    gate.open.set()
    assert await asyncio.gather(*waiting) == [1, 1, 1, 1]


async def test_a_question_nobody_waits_for_is_not_worked_on(lane: Lane) -> None:
    done: list[int] = []
    gate = Gate(lane)
    await gate.entered()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await lane.ask(lambda: done.append(1))
    gate.open.set()
    assert await lane.ask(lambda: 2) == 2
    assert done == []


async def test_a_fault_ends_its_job_alone(lane: Lane, counts: Counts) -> None:
    def fault() -> int:
        raise RuntimeError("no such tensor")

    results: list[int] = []
    over = asyncio.Event()
    lane.put(fault, results.append)
    lane.put(lambda: 5, results.append)
    lane.after(over.set)
    with pytest.raises(PeerUnavailable, match="voice failed: RuntimeError"):
        await lane.ask(fault)
    async with asyncio.timeout(5):
        await over.wait()
    assert results == [5]
    assert counts == {"voice_failed": 2}


@pytest.mark.parametrize(
    ("state", "used_s", "hangs"),
    [("S", 0.0, True), ("T", 0.0, True), ("R", 1.0, False), ("D", 0.0, False), ("R", 15.0, True)],
)
async def test_a_job_hangs_that_sleeps_for_long_or_works_for_too_long(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, state: str, used_s: float, hangs: bool
) -> None:
    """A thread that works, or waits for a core, does not hang by the clock of the wall alone."""
    assert not lane.hangs(1e9, 30.0)
    gate = Gate(lane)
    await gate.entered()
    assert lane.busy_since is not None
    standing = ProcessState(state, used_s)
    monkeypatch.setattr("emocx_pbx.analysis.worker.lane.standing", lambda pid, thread: standing)
    assert lane.hangs(lane.busy_since + 31.0, 30.0) is hangs
    assert not lane.hangs(lane.busy_since + 29.0, 30.0)
    gate.open.set()

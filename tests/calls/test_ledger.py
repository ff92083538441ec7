"""What waits to be written while the store refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from emocx_pbx.calls.effects import Write, WriteEnd, WriteReadings, WriteSpans, WriteTapped
from emocx_pbx.calls.ledger import MAX_OTHERS, Ledger
from emocx_pbx.errors import LeaseLost, StoreError, StoreUnavailable

END = WriteEnd("c", 9.0, "hangup", "answered", "customer", None, ())


def tapped(number: int) -> WriteTapped:
    return WriteTapped(f"c{number}", float(number))


class Disk:
    """A store that refuses so many times, and some changes for ever."""

    def __init__(self, refusals: int = 0, wrong: Write | None = None) -> None:
        self.refusals, self.wrong = refusals, wrong
        self.written: list[Write] = []
        self.done = asyncio.Event()
        self.health: list[tuple[bool, str]] = []
        self.counted: list[tuple[str, ...]] = []
        self.slept: list[float] = []
        self.ledger = Ledger(
            self, lambda up, why: self.health.append((up, why)), self.count, self.sleep, 4, 6
        )

    def count(self, *what: str) -> None:
        self.counted.append(what)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def write(self, write: Write) -> None:
        if write == self.wrong:
            raise StoreError("no such call")
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("database or disk is full")
        self.written.append(write)
        self.done.set()

    async def write_together(self, writes: Sequence[Write]) -> None:
        raise StoreError("one at a time")


async def test_what_the_store_refuses_waits_in_order_and_health_says_so() -> None:
    disk = Disk(refusals=4)
    some: list[Any] = [tapped(1), END, tapped(2)]
    for write in some:
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.written == some
    assert disk.health[0] == (False, "database or disk is full; 3 changes wait")
    assert disk.health[-1] == (True, "")
    assert len(disk.slept) == 4


async def test_the_pauses_grow_and_news_are_written_at_once() -> None:
    disk = Disk(refusals=6)
    task = asyncio.ensure_future(disk.ledger.run())
    disk.ledger.add(END)
    await disk.done.wait()
    assert disk.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    task.cancel()


async def test_a_change_that_can_never_be_written_holds_up_nothing() -> None:
    disk = Disk(wrong=END)
    for write in (END, tapped(1)):
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.written == [tapped(1)]
    assert disk.counted == [("changes_regrouped",), ("changes_failed",)]


async def test_whoever_must_not_be_ahead_of_the_disk_waits_for_what_was_added_before() -> None:
    disk = Disk()
    assert await disk.ledger.written(0.0)  # nothing waits
    disk.ledger.add(tapped(1))
    waiting = asyncio.ensure_future(disk.ledger.written(60.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    task = asyncio.ensure_future(disk.ledger.run())
    assert await waiting and tapped(1) in disk.written
    task.cancel()


async def test_nobody_waits_for_a_store_that_refuses_or_is_slow() -> None:
    disk = Disk(refusals=99)
    disk.ledger.add(END)
    assert not await disk.ledger.written(0.0)  # nobody writes yet
    waiting = asyncio.ensure_future(disk.ledger.written(60.0))
    task = asyncio.ensure_future(disk.ledger.run())
    assert not await waiting
    assert not await disk.ledger.written(60.0)
    task.cancel()


async def test_readings_are_the_first_to_go_and_what_ends_something_is_the_last() -> None:
    disk = Disk()
    reading, span = WriteReadings("c", (), 1.0), WriteSpans("c", ())
    for write in (reading, tapped(1), span, tapped(2), END, reading):
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.written == [tapped(1), tapped(2), END, reading]
    assert disk.counted[:2] == [("changes_dropped", "readings")] * 2


async def test_when_something_that_matters_was_dropped_the_calls_are_reconciled() -> None:
    disk, observed = Disk(refusals=1), []
    disk.ledger.losses.subscribe(lambda: observed.append("resync"))
    for number in range(8):
        disk.ledger.add(tapped(number))
    assert disk.counted == [("changes_dropped", "other")] * 2
    await disk.ledger.drain()
    assert len(disk.written) == 6 and observed == ["resync"]


def heard(number: int) -> WriteSpans:
    return WriteSpans(f"c{number}", ())


class GroupedDisk(Disk):
    """A store that takes changes together."""

    def __init__(self, refusals: int = 0, wrong: Write | None = None) -> None:
        super().__init__(refusals, wrong)
        self.groups: list[list[Write]] = []
        self.ledger = Ledger(self, lambda up, why: self.health.append((up, why)), self.count, self.sleep)

    async def write_together(self, writes: Sequence[Write]) -> None:
        if self.wrong in writes:
            raise StoreError("no such call")
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("database or disk is full")
        self.groups.append(list(writes))
        self.written += writes
        self.done.set()


async def test_what_waits_is_written_together_and_in_order() -> None:
    disk = GroupedDisk()
    some: list[Write] = [heard(1), heard(2), tapped(1), heard(3), END, heard(4), heard(5)]
    for write in some:
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.written == some
    assert disk.groups == [some]


async def test_a_group_is_bounded() -> None:
    disk = GroupedDisk()
    some = [change for number in range(MAX_OTHERS) for change in (tapped(number), heard(number))]
    for write in [*some, END, heard(0)]:
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.groups == [some, [END, heard(0)]]


async def test_a_waiting_caller_of_the_ledger_does_not_wait_for_a_group() -> None:
    disk = GroupedDisk()
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(disk.ledger.run())
    disk.ledger.add(heard(1))
    disk.ledger.add(heard(2))
    await asyncio.sleep(0)  # it waits for more
    assert not disk.written
    begun = loop.time()
    assert await disk.ledger.written(10.0)
    assert disk.written == [heard(1), heard(2)]
    disk.ledger.add(heard(3))
    await asyncio.sleep(0)
    disk.ledger.add(END)
    assert await disk.ledger.written(10.0)
    assert disk.written == [heard(1), heard(2), heard(3), END]
    assert loop.time() - begun < 10.0
    running.cancel()


async def test_a_group_is_written_though_nobody_waits() -> None:
    disk = GroupedDisk()
    running = asyncio.ensure_future(disk.ledger.run())
    for number in range(3):
        disk.ledger.add(heard(number))
    await disk.done.wait()
    assert disk.groups == [[heard(0), heard(1), heard(2)]]
    running.cancel()


async def test_one_bad_change_takes_no_group_along() -> None:
    bad = heard(2)
    disk = GroupedDisk(wrong=bad)
    for write in (heard(1), bad, heard(3)):
        disk.ledger.add(write)
    await disk.ledger.drain()
    assert disk.written == [heard(1), heard(3)] and disk.counted == [
        ("changes_regrouped",),
        ("changes_failed",),
    ]


async def test_a_group_that_is_refused_waits() -> None:
    disk = GroupedDisk(refusals=3)
    for number in range(3):
        disk.ledger.add(heard(number))
    await disk.ledger.drain()
    assert disk.written == [heard(0), heard(1), heard(2)]
    assert disk.health[-1] == (True, "")


async def test_changes_of_calls_that_another_controller_goes_on_with_are_let_go() -> None:
    disk = Disk()
    for number in range(4):
        disk.ledger.add(tapped(number))
    disk.ledger.let_go(lambda write: write in (tapped(0), tapped(2)))
    assert len(disk.ledger) == 2
    await disk.ledger.drain()
    assert disk.written == [tapped(1), tapped(3)]
    assert disk.counted[:2] == [("changes_dropped", "not ours")] * 2


async def test_what_is_let_go_while_it_is_written_holds_up_nothing() -> None:
    class Refusing(Disk):
        async def write_together(self, writes: Sequence[Write]) -> None:
            self.ledger.let_go(lambda write: True)
            raise LeaseLost

    disk = Refusing()
    disk.ledger.add(tapped(0))
    disk.ledger.add(tapped(1))
    await disk.ledger.drain()
    assert len(disk.ledger) == 0 and disk.written == []

"""What must not be lost, through a real stream: in order and complete, whatever happens to the server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from boxes import DEADLINE_S, Box
from wire.nats_helpers import States, connected

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire import inflow as module
from emocx_pbx.wire.bus import Bus, StreamFull
from emocx_pbx.wire.inflow import Inflow, Superseded
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

LIVES = itertools.count(1)
PLAN = StreamPlan("LAB", ("lab.tap.>",))


@pytest.fixture
async def bus(server: PrivateNats) -> AsyncIterator[Bus]:
    bus = await connected(server.url)
    yield bus
    await bus.close()


@pytest.fixture
async def running() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def at_once() -> None:
    """All is written down already."""


def begin(
    running: AsyncExitStack,
    bus: Bus,
    box: Callable[[bytes], None],
    epoch: int = 1,
    written: Callable[[], Awaitable[None]] = at_once,
) -> asyncio.Task[None]:
    inflow = Inflow(bus, PLAN, "berlin", "lab.tap.berlin.*", epoch, f"life{next(LIVES)}", box, written)
    task = asyncio.create_task(inflow.run())
    running.push_async_callback(ended, task)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def keep(bus: Bus, number: int, pbx: str = "berlin") -> None:
    """As workers do: until it is kept."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await bus.keep(f"lab.tap.{pbx}.u", str(number).encode(), f"{pbx}.{number}")
                return
            except PeerUnavailable:
                await asyncio.sleep(0)


def once(found: list[bytes]) -> list[int]:
    """Without what came again, as those who take them see to."""
    seen: dict[int, None] = {}
    for body in found:
        seen.setdefault(int(body))
    return list(seen)


async def test_what_is_kept_before_anybody_takes_it_comes_in_order(bus: Bus, running: AsyncExitStack) -> None:
    await ensure_stream(bus, PLAN)
    box = Box()
    for number in range(5):
        await keep(bus, number)
        await keep(bus, number, "munich")  # not ours
    await keep(bus, 4)  # not sure that it was kept: sent again
    begin(running, bus, box)
    await keep(bus, 5)
    await box.until(lambda: len(box.found) == 6)
    assert [int(body) for body in box.found] == list(range(6))


@pytest.mark.parametrize("how", ["kill", "stop", "freeze"])
async def test_nothing_is_lost_and_order_kept_while_the_server_is_away(
    server: PrivateNats, bus: Bus, running: AsyncExitStack, how: str
) -> None:
    await ensure_stream(bus, PLAN)
    box, states = Box(), States()
    sender = await connected(server.url, states)
    running.push_async_callback(sender.close)
    begin(running, bus, box)

    async def send() -> None:
        for number in range(600):
            await keep(sender, number)

    sending = asyncio.create_task(send())
    await box.until(lambda: len(box.found) >= 100)
    getattr(server, how)()
    if how == "freeze":
        await states.be(False)
        server.thaw()
    else:
        server.start()
    await sending
    await box.until(lambda: b"599" in box.found)
    assert once(box.found) == list(range(600))


async def test_what_was_not_written_down_comes_to_the_next_taker_first(
    bus: Bus, running: AsyncExitStack
) -> None:
    await ensure_stream(bus, PLAN)
    first, second = Box(), Box()
    for number in range(3):
        await keep(bus, number)

    async def never() -> None:
        await asyncio.Event().wait()

    begin(running, bus, first, epoch=1, written=never)
    await first.until(lambda: len(first.found) == 3)
    await keep(bus, 3)
    begin(running, bus, second, epoch=2)
    await second.until(lambda: len(second.found) == 4)
    assert [int(body) for body in second.found] == [0, 1, 2, 3]


async def empty(bus: Bus) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if not (await bus.stream.stream_info("LAB")).state.messages:
                return


async def test_what_was_written_down_does_not_come_again(bus: Bus, running: AsyncExitStack) -> None:
    await ensure_stream(bus, PLAN)
    first, second = Box(), Box()
    before = begin(running, bus, first, epoch=1)
    for number in range(3):
        await keep(bus, number)
    await empty(bus)
    begin(running, bus, second, epoch=2)
    with pytest.raises(Superseded):
        async with asyncio.timeout(DEADLINE_S):
            await before
    await keep(bus, 3)
    await second.until(lambda: second.found)
    assert [int(body) for body in second.found] == [3]


async def test_a_reader_superseded_while_frozen_takes_nothing_more(
    bus: Bus, running: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FETCH_S", 0.2)
    await ensure_stream(bus, PLAN)
    old, new = Box(), Box()
    thawed = begin(running, bus, old, epoch=1)
    await keep(bus, 0)
    await old.until(lambda: old.found)
    begin(running, bus, new, epoch=2)
    with pytest.raises(Superseded):
        async with asyncio.timeout(DEADLINE_S):
            await thawed
    await keep(bus, 1)
    await new.until(lambda: new.found and new.found[-1] == b"1")
    assert old.found == [b"0"]


async def test_the_end_of_the_initial_backlog_is_known(
    bus: Bus, running: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    await ensure_stream(bus, PLAN)
    for number in range(7):
        await keep(bus, number)
    known: list[bool] = []
    box = Box()

    def take(body: bytes) -> None:
        known.append(inflow.caught_up_since is not None)
        box(body)

    inflow = Inflow(bus, PLAN, "berlin", "lab.tap.berlin.*", 1, "life", take, at_once)
    running.push_async_callback(ended, asyncio.create_task(inflow.run()))
    await box.until(lambda: len(box.found) == 7)
    # Less than a batch was left when the seventh came.
    assert not any(known[:6])
    await keep(bus, 7)
    await box.until(lambda: len(box.found) == 8)
    assert known[7]


async def test_what_a_server_that_went_away_holds_is_not_known(
    server: PrivateNats, bus: Bus, running: AsyncExitStack
) -> None:
    inflow = Inflow(bus, PLAN, "berlin", "lab.tap.berlin.*", 1, "life", Box(), at_once)
    running.push_async_callback(ended, asyncio.create_task(inflow.run()))

    async def known(whether: bool) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if (inflow.caught_up_since is not None) == whether:
                    return
                await asyncio.sleep(0)

    await known(True)
    server.kill()
    await known(False)
    server.start()
    await known(True)


async def test_a_full_stream_says_so_and_what_is_in_it_stays(bus: Bus, running: AsyncExitStack) -> None:
    await ensure_stream(bus, StreamPlan("LAB", ("lab.tap.>",), max_bytes=2_000))
    kept = 0
    with pytest.raises(StreamFull):
        for kept in range(1000):
            await bus.keep("lab.tap.berlin.u", str(kept).encode(), f"b.{kept}")
    box = Box()
    begin(running, bus, box)
    await box.until(lambda: len(box.found) == kept)
    await keep(bus, kept)  # there is room again
    await box.until(lambda: len(box.found) == kept + 1)
    assert [int(body) for body in box.found] == list(range(kept + 1))

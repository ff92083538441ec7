"""The faults, each a coroutine that breaks something, keeps it broken for a while and mends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from benchmarks.faults import processes
from benchmarks.faults.garbage import flood
from benchmarks.faults.world import World


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that fails."""

    name: str
    what: str
    """What is done, in a few words."""
    strike: Callable[[World, int], Awaitable[None]]
    """Break and mend; told which time this is, counted from 0."""
    seconds: float
    """How long it takes, about."""
    controller_lives: bool = True
    """The same controller goes on afterwards."""
    needs_disk: bool = False
    blinds: bool = False
    """The service can't see Asterisk meanwhile: what lies in this time alone, nobody can tell of."""


async def _for(world: World, least: float, most: float) -> None:
    await asyncio.sleep(world.chance.uniform(least, most))


def _some_worker(world: World) -> int | None:
    workers = processes.workers_of(world.service.pid)
    return world.chance.choice(workers) if workers else None


async def _worker_killed(world: World, number: int) -> None:
    if (worker := _some_worker(world)) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


async def _web_killed(world: World, number: int) -> None:
    for pid in processes.web_of(world.service.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _web_frozen(world: World, number: int) -> None:
    await asyncio.gather(
        *(_frozen(pid, world.chance.uniform(4, 10)) for pid in processes.web_of(world.service.pid))
    )


async def _frozen(pid: int, seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)


async def _worker_frozen(world: World, number: int) -> None:
    """First for shorter than anybody's patience, then for good: the service has to replace it."""
    if (worker := _some_worker(world)) is not None:
        await _frozen(worker, world.chance.uniform(4, 8) if number % 2 == 0 else 25.0)


async def _controller_killed(world: World, number: int) -> None:
    world.groups.append(world.service.pid)
    await world.service.kill()
    await _for(world, 0.2, 4)
    await world.service.start()


async def _controller_alone_killed(world: World, number: int) -> None:
    world.groups.append(world.service.pid)
    await world.service.kill(workers=False)
    await _for(world, 0.2, 4)
    await world.service.start()


async def _controller_frozen(world: World, number: int) -> None:
    await _frozen(world.service.pid, world.chance.uniform(3, 12))


async def _restart(world: World, number: int) -> None:
    world.groups.append(world.service.pid)
    await world.service.stop()
    await world.service.start()


async def _link_cut(world: World, number: int) -> None:
    with world.proxy.refusing():
        await _for(world, 0.0, 3)


async def _link_half_open(world: World, number: int) -> None:
    with world.proxy.swallowing():
        await asyncio.sleep(25)


async def _receiver_answers(world: World, status: int, seconds: float) -> None:
    world.receiver.answer = lambda received: status
    try:
        await asyncio.sleep(seconds)
    finally:
        world.receiver.answer = lambda received: 204


async def _receiver_500(world: World, number: int) -> None:
    await _receiver_answers(world, 500, world.chance.uniform(6, 12))


async def _receiver_429(world: World, number: int) -> None:
    world.receiver.headers = {"Retry-After": "3"}
    try:
        await _receiver_answers(world, 429, world.chance.uniform(6, 12))
    finally:
        world.receiver.headers = {}


async def _receiver_down(world: World, number: int) -> None:
    await world.receiver.stop()
    try:
        await _for(world, 6, 12)
    finally:
        await world.receiver.start()


async def _receiver_slow(world: World, number: int) -> None:
    """Some answers come after the sender's deadline of 15 s: taken, and sent again all the same."""
    world.receiver.delay_s = lambda: world.chance.uniform(0.5, 18)
    try:
        await asyncio.sleep(15)
    finally:
        world.receiver.delay_s = lambda: 0.0


async def _locked(world: World, seconds: float) -> None:
    with closing(sqlite3.connect(world.database, timeout=5, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            await asyncio.sleep(seconds)
        finally:
            other.execute("ROLLBACK")


async def _locked_7(world: World, number: int) -> None:
    await _locked(world, 7)


async def _locked_18(world: World, number: int) -> None:
    await _locked(world, 18)


async def _disk_full(world: World, number: int) -> None:
    assert world.disk is not None
    with world.disk.full():
        await asyncio.sleep(10)


async def _garbage(world: World, number: int) -> None:
    ports = processes.ports(processes.of_group(world.service.pid))
    await flood(ports, 10, world.chance)


async def _asterisk_killed(world: World, number: int) -> None:
    world.truth.asterisk_will_die()
    await world.pbx.kill()
    # The telephones' calls died as well.
    await _for(world, 0.2, 3)
    await world.telephones.restart()
    await world.pbx.start()
    await world.truth.connected()


FAULTS: Final = (
    Fault("worker-killed", "an analysis worker ends by SIGKILL", _worker_killed, 0),
    Fault("worker-frozen", "an analysis worker stops for 4 to 8 s, then for 25 s", _worker_frozen, 16),
    Fault("web-killed", "the web process ends by SIGKILL", _web_killed, 0),
    Fault("web-frozen", "the web process stops for 4 to 10 s", _web_frozen, 7),
    Fault("controller-frozen", "the controller stops for 3 to 12 s", _controller_frozen, 8),
    Fault("link-cut", "the manager link is cut for up to 3 s", _link_cut, 2, blinds=True),
    Fault("link-half-open", "the manager link swallows all for 25 s", _link_half_open, 25, blinds=True),
    Fault("receiver-500", "the receiver answers 500 for 6 to 12 s", _receiver_500, 9),
    Fault("receiver-429", "the receiver answers 429 for 6 to 12 s", _receiver_429, 9),
    Fault("receiver-down", "the receiver is down for 6 to 12 s", _receiver_down, 9),
    Fault("receiver-slow", "for 15 s the receiver takes 0.5 to 18 s for an answer", _receiver_slow, 15),
    Fault("store-locked-7", "another process locks the database for 7 s", _locked_7, 7),
    Fault("store-locked-18", "another process locks the database for 18 s", _locked_18, 18),
    Fault("disk-full", "the database's disk is full for 10 s", _disk_full, 10, needs_disk=True),
    Fault("garbage", "10 s of garbage on every port", _garbage, 10),
    Fault("restart", "an orderly restart", _restart, 8, controller_lives=False, blinds=True),
    Fault(
        "controller-killed", "controller and workers end by SIGKILL, up to 4 s", _controller_killed, 8,
        controller_lives=False, blinds=True,
    ),
    Fault(
        "controller-alone-killed", "the controller alone ends by SIGKILL, up to 4 s",
        _controller_alone_killed, 8, controller_lives=False, blinds=True,
    ),
    Fault("asterisk-killed", "Asterisk ends by SIGKILL and comes back", _asterisk_killed, 8, blinds=True),
)  # fmt: skip
NAMES: Final = tuple(fault.name for fault in FAULTS)

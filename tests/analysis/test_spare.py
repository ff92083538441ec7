"""The spare worker: real processes, killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pytest
from analysis.analysis_helpers import DEADLINE_S, Asterisk, Inbox, announce_tap

from emocx_pbx.analysis.messages import ReadingMade, Ready
from emocx_pbx.analysis.pool import WorkerHandle, WorkerLost, WorkerPool

Samples = npt.NDArray[np.int16]


async def warm(pool: WorkerPool) -> WorkerHandle:
    """The spare, once it stands by."""
    async with asyncio.timeout(DEADLINE_S):
        return await pool.spare.until_warm()


def kill(worker: WorkerHandle) -> None:
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)


def is_gone(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
async def spared(make_pool: Callable[..., WorkerPool]) -> WorkerPool:
    pool = make_pool(spare_after_s=0.0, workers=2)
    assert await pool.start()
    return pool


async def test_the_spare_is_the_killed_worker_and_hears_its_calls(
    spared: WorkerPool, inbox: Inbox, call: tuple[Samples, Samples]
) -> None:
    spare = await warm(spared)
    assert spare not in spared.workers  # no call goes there
    readies = len(inbox.of(Ready))
    kill(spared.workers[1])
    await inbox.until(lambda: len(inbox.of(Ready)) > readies)
    assert [lost.index for lost in inbox.of(WorkerLost)] == [1]
    assert spared.workers[1] is spare and spare.index == 1
    assert spare.ready is not None and spare.ready.transcriber  # all of its models are there already
    spared.workers[0].uuids.update(map(str, range(9)))
    uuid = uuid4()
    assert announce_tap(spared, uuid, "call-1") is spare
    tap = await Asterisk.connect(spare.port, uuid)
    await tap.play(*call)
    await tap.hang_up()
    await inbox.until(lambda: inbox.of(ReadingMade))
    another = await warm(spared)
    assert another is not spare and another.pid != spare.pid


async def test_the_spare_opens_the_port_of_the_killed_one(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pool = make_pool(spare_after_s=0.0, base_port=min(port, 65000))
    assert await pool.start()
    first = pool.workers[0]
    spare = await warm(pool)
    kill(first)
    await inbox.until(lambda: spare.ready)
    assert spare.port == first.port


async def test_a_killed_spare_is_replaced_and_nobody_else_notices(spared: WorkerPool, inbox: Inbox) -> None:
    spare = await warm(spared)
    kill(spare)
    async with asyncio.timeout(DEADLINE_S):
        await spared.spare.until_gone(spare)
    assert (await warm(spared)).pid != spare.pid
    assert not inbox.of(WorkerLost) and len(spared.workers) == 2


async def test_worker_and_spare_killed_at_once_are_both_replaced(spared: WorkerPool, inbox: Inbox) -> None:
    spare = await warm(spared)
    readies = len(inbox.of(Ready))
    kill(spare)
    kill(spared.workers[0])
    await inbox.until(lambda: len(inbox.of(Ready)) > readies)
    assert len(spared.workers) == 2
    assert (await warm(spared)) is not spare


async def test_a_spare_of_older_models_is_replaced(spared: WorkerPool) -> None:
    spare = await warm(spared)
    await spared.load_models({"returns": ["send it back"]})
    newer = await warm(spared)
    assert newer is not spare and newer.config.topics == {"returns": ("send it back",)}


async def test_the_spare_ends_with_the_pool(spared: WorkerPool) -> None:
    pids = [worker.pid for worker in (await warm(spared), *spared.workers)]
    await spared.stop()
    assert all(map(is_gone, pids))


async def test_without_the_setting_there_is_no_spare(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    pool = make_pool(spare_after_s=0.0, spare_worker=False)
    assert await pool.start()
    readies = len(inbox.of(Ready))
    kill(pool.workers[0])
    await inbox.until(lambda: len(inbox.of(Ready)) > readies)
    assert pool.spare.worker is None

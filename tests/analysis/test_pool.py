"""The pool: balance, bad starts, a controller that is gone."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from analysis.analysis_helpers import Inbox, announce_tap

from emocx_pbx.analysis.messages import EndSession, NoPort, Ready
from emocx_pbx.analysis.pool import WorkerLost, WorkerPool

HERE = Path(__file__).parent

ORPHAN = """
import asyncio, sys
sys.path.insert(0, {here!r})
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.settings.settings import AnalysisSettings
async def main():
    command = (sys.executable, {stub!r})
    config = WorkerConfig(settings=AnalysisSettings(base_port=0))
    pool = WorkerPool(config, lambda message: None, command)
    assert await pool.start()
    print(pool.pick_own().port, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_taps_go_to_the_freest_worker(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> None:
    pool = make_pool(workers=2)
    assert await pool.start()
    await inbox.until(lambda: len(pool.workers) == 2)
    assert len({worker.port for worker in pool.workers}) == 2
    uuids = [uuid4() for _ in range(4)]
    chosen = [announce_tap(pool, uuid, f"call-{uuid}").index for uuid in uuids]
    assert chosen == [0, 1, 0, 1]
    for uuid in uuids[1::2]:
        pool.workers[1].send(EndSession(str(uuid)))
    await inbox.until(lambda: not pool.workers[1].uuids)
    assert pool.pick_own().index == 1


async def test_workers_listen_on_counted_ports(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pool = make_pool(workers=2, base_port=min(port, 65000))
    await pool.start()
    await inbox.until(lambda: len(pool.workers) == 2)
    assert [worker.port - pool.workers[0].port for worker in pool.workers] == [0, 1]


async def test_a_taken_port_is_waited_for(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    pool = make_pool(base_port=taken.getsockname()[1])
    with taken:
        assert not await pool.start(wait_s=0.01)
        await inbox.until(lambda: inbox.of(WorkerLost))
        assert not inbox.of(Ready)
        port = taken.getsockname()[1]
        said = f"analysis.base_port: can't listen on 127.0.0.1:{port}: Address already in use"
        assert inbox.of(NoPort)[0].why == said
    await inbox.until(lambda: inbox.of(Ready))


async def test_a_worker_that_cannot_start_is_tried_again(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    pool = make_pool(command=("/nonexistent/python",))
    assert not await pool.start(wait_s=0.01)
    await inbox.until(lambda: len(inbox.of(WorkerLost)) >= 2)


async def test_a_worker_that_talks_nonsense_is_ended(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    script = "import os, sys, time; os.write(int(sys.argv[2]), b'HTTP/1.1 200'); time.sleep(60)"
    pool = make_pool(command=(sys.executable, "-c", script))
    assert not await pool.start(wait_s=0.01)
    await inbox.until(lambda: inbox.of(WorkerLost))


async def test_a_worker_does_not_outlive_its_controller() -> None:
    code = ORPHAN.format(here=str(HERE), stub=str(HERE / "stub_worker.py"))
    controller = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert controller.stdout is not None
    async with asyncio.timeout(30):
        port = int(await controller.stdout.readline())
        controller.send_signal(signal.SIGKILL)
        await controller.wait()
        # The worker shares the controller's stdout, which ends only with the last holder.
        assert await controller.stdout.read() == b""
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again

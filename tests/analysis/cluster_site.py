"""A controller's side of a cluster without its Asterisk, and real workers elsewhere, over real NATS."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis.analysis_helpers import Inbox

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.fleet import Fleet
from emocx_pbx.analysis.cluster.remote import RemoteWorker
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.lab.lifetime import with_us
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.inflow import Inflow, Superseded
from emocx_pbx.wire.stream import StreamPlan

DEADLINE_S = 30.0
HERE = Path(__file__).parent


class Node:
    """One worker process elsewhere."""

    def __init__(self, folder: Path, url: str, name: str, site: str = "") -> None:
        self.config, self._log = folder / f"{name}.toml", folder / f"{name}.log"
        self.name = f"{name}-0"
        sections: dict[str, dict[str, object]] = {
            "cluster": {"nats": url, "node": name, "site": site},
            "analysis": {"base_port": 0, "listen_start_s": 1.0},
            "log": {"format": "json"},
        }
        self.config.write_text(
            "".join(
                f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
                for section, values in sections.items()
            )
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> Node:
        words = with_us(sys.executable, str(HERE / "stub_node.py"), "--config", str(self.config))
        with self._log.open("ab") as sink:
            self.process = await asyncio.create_subprocess_exec(*words, stdout=sink, stderr=sink)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Site:
    """As the controller wires it: fleet, pool, what the stream kept; all that is told goes to the inbox."""

    def __init__(
        self, server: PrivateNats, site: str = "", workers: int = 0, life: str = "controller-1"
    ) -> None:
        self.inbox, self.life = Inbox(), life
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.bus = Bus(BusLogin((server.url,)), self._on_state)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.fleet = Fleet(self.bus, life, self.inbox, lambda: [""], self._own, time.monotonic)
        self.pool = WorkerPool(
            WorkerConfig(
                settings=AnalysisSettings(workers=workers, base_port=0, spare_worker=False),
                log=LogSettings(level="error"),
            ),
            self.inbox,
            command=(sys.executable, str(HERE / "stub_worker.py")),
            elsewhere=self._elsewhere,
            site=site,
        )

    def _on_state(self, up: bool, why: str) -> None:
        (self.up if up else self.down).set()
        (self.down if up else self.up).clear()

    def _elsewhere(self) -> list[AnyWorker]:
        return list(self.fleet.workers)

    def _own(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def start(self, epoch: int = 1, taking: bool = True) -> Site:
        await self.bus.start(5.0)
        await self.fleet.start()
        await self.fleet.act_for("")
        self._own(self.fleet.run())
        if taking:
            self.take(epoch)
        await self.pool.start()
        return self

    def take(self, epoch: int = 1) -> None:
        """Take what the stream keeps from now on."""
        plan = StreamPlan(subjects.STREAM, subjects.STREAM_SUBJECTS)
        name, taps = subjects.pbx_part(""), subjects.taps("")
        inflow = Inflow(self.bus, plan, name, taps, epoch, self.life, self.fleet.take, _at_once)
        self._own(_until_superseded(inflow))

    async def found(self, *nodes: Node) -> list[RemoteWorker]:
        """These workers, as soon as they are found and take calls."""

        def all_there() -> list[RemoteWorker] | None:
            there = {worker.beat.worker: worker for worker in self.fleet.workers}
            return [there[node.name] for node in nodes] if {n.name for n in nodes} <= set(there) else None

        found = await self.inbox.until(all_there)
        assert found is not None
        return found

    async def crash(self) -> None:
        """As when its process dies: nothing is said."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bus.close()

    async def close(self) -> None:
        await self.pool.stop()
        await self.crash()


async def _at_once() -> None:
    """All is written down already."""


async def _until_superseded(inflow: Inflow) -> None:
    with suppress(Superseded):
        await inflow.run()

"""A worker more than the settings ask for: warm, without calls, to take the place of one that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from emocx_pbx.analysis.handle import WorkerHandle
from emocx_pbx.errors import PeerUnavailable

log = structlog.get_logger()

#: It is started once all workers were ready for so long (s): at a start it must not hold them up, and workers
#: that die one after another are not outrun.
AFTER_S: Final = 10.0


class Spare:
    """Keeps one spare worker."""

    def __init__(
        self, start: Callable[[], WorkerHandle], command: tuple[str, ...], after_s: float = AFTER_S
    ) -> None:
        """Prepare.

        Args:
            start: makes a worker that stands by once it runs.
            command: what workers are run by.
            after_s: see AFTER_S.
        """
        self._start, self._command, self._after_s = start, command, after_s
        self._worker: WorkerHandle | None = None
        self._run: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        """It is taken, or too old."""
        self._begun = asyncio.Event()
        """There is one, warm or not yet."""

    @property
    def worker(self) -> WorkerHandle | None:
        """The spare, if one runs; perhaps not warm yet."""
        return self._worker

    @property
    def warm(self) -> bool:
        """Whether there is one that could take a place at once."""
        running = self._worker is not None and self._run is not None and not self._run.done()
        return running and self._worker is not None and self._worker.stands_by.is_set()

    async def until_warm(self) -> WorkerHandle:
        """The spare, as soon as one is warm."""
        while not self.warm:
            await self._begun.wait()
            if self._worker is not None and self._run is not None:
                standing = asyncio.ensure_future(self._worker.stands_by.wait())
                await asyncio.wait((standing, self._run), return_when=asyncio.FIRST_COMPLETED)
                standing.cancel()
            await asyncio.sleep(0)  # to whoever sees to one that died
        assert self._worker is not None
        return self._worker

    async def until_gone(self, worker: WorkerHandle) -> None:
        """Until this one is the spare no longer."""
        while self._worker is worker:
            await self._news.wait()

    def take(self, index: int) -> tuple[WorkerHandle, asyncio.Task[None]] | None:
        """Let it be the worker of this index, if it is warm.

        Returns:
            The worker, and its run, which is the caller's from now on.
        """
        worker, run = self._worker, self._run
        if worker is None or run is None or not self.warm:
            return None
        try:
            worker.take_place(index)
        except PeerUnavailable:
            return None  # dead as well, and not noticed yet
        self._drop()
        return worker, run

    def renew(self) -> None:
        """What it was started with holds no longer: another one is started in its place."""
        self._drop()

    def _drop(self) -> None:
        self._worker = self._run = None
        self._begun.clear()
        self._news.set()

    async def keep(self, all_ready: asyncio.Event) -> None:
        """Keep one, whenever no worker lacks, until cancelled."""
        while True:
            await all_ready.wait()
            await asyncio.sleep(self._after_s)
            if all_ready.is_set():
                await self._one()

    async def _one(self) -> None:
        """Start one, and see it taken, renewed or dead."""
        self._news.clear()
        worker = self._start()
        run = asyncio.get_running_loop().create_task(worker.run(self._command), name="spare worker")
        self._worker, self._run = worker, run
        self._begun.set()
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait((run, news), return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            if self._worker is worker:
                self._drop()
            if worker.config.standby:  # nobody took it
                died = run.done()
                run.cancel()
                (ended,) = await asyncio.gather(run, return_exceptions=True)
                if died:
                    why = str(ended or "its process ended")
                    log.error("spare worker died", key="spare.died", why=why, another_in_s=self._after_s)

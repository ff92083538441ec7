"""One thread that runs a model's work in order, so that the event loop never waits for a model."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import structlog

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.wire.progress import standing

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], object] | None
    """Runs in the thread; None: nothing to run, only `done` in its turn."""
    done: Callable[[object], None]
    """Runs on the loop with the result; not called when the work failed, but for a barrier always."""
    dropped: Callable[[BaseException], None] | None = None


class Lane:
    """A thread and its queue. Work that someone waits for goes before work in the background.

    The thread goes from job to job by itself: were the loop asked in between, it would get one job for each
    round of a loop that is busy with something else.

    When more than `limit` background jobs wait, the oldest is dropped and counted: a late reading is
    worth less than a fresh one. When more than `limit` questions wait, the next is refused.
    """

    def __init__(self, name: str, limit: int, count: Callable[[str], None]) -> None:
        self.name, self._limit, self._count = name, limit, count
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._lock = threading.Lock()
        """Of the two queues, which the loop fills and the thread empties, and of what is counted of them."""
        self._urgent: deque[_Job] = deque()
        self._background: deque[_Job] = deque()
        self._waiting = 0
        """Background jobs with work, barriers not counted."""
        self._wake = asyncio.Event()
        self._closed = False
        self.busy_since: float | None = None
        """Loop time since when the thread has been at its present job."""
        self._thread_id = 0
        self._begun_cpu_s = 0.0
        """CPU seconds that the thread had used when its present job began."""

    def put(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Queue background work; `done` gets its result on the event loop, in order."""
        with self._lock:
            if self._waiting >= self._limit:
                self._drop_oldest()
            self._waiting += 1
            self._background.append(_Job(work, done))  # type: ignore[arg-type]
        self._wake.set()

    def after(self, done: Callable[[], None]) -> None:
        """Call `done` when all background work queued so far is over. Never dropped."""
        with self._lock:
            self._background.append(_Job(None, lambda _: done()))
        self._wake.set()

    async def ask(self, work: Callable[[], T]) -> T:
        """Run work before all background work, and wait for its result.

        Raises:
            PeerUnavailable: too many questions wait already, or the work failed.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: T) -> None:
            if not future.done():
                future.set_result(result)

        def dropped(error: BaseException) -> None:
            if not future.done():
                future.set_exception(PeerUnavailable(f"{self.name} failed: {type(error).__name__}"))

        def guarded() -> T | None:
            return None if future.cancelled() else work()

        with self._lock:
            if len(self._urgent) >= self._limit:
                raise PeerUnavailable(f"{self._limit} questions wait for {self.name} already")
            self._urgent.append(_Job(guarded, done, dropped))  # type: ignore[arg-type]
        self._wake.set()
        return await future

    @property
    def asked(self) -> int:
        """Number of questions that wait, and jobs under way."""
        return len(self._urgent) + (self.busy_since is not None)

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await loop.run_in_executor(self._thread, self._work_off, loop)

    def hangs(self, at: float, patience_s: float) -> bool:
        """Whether the present job has gone on for longer than this, and not for want of a core.

        Either the thread sleeps, or it has worked for a third of that time by itself.
        """
        since = self.busy_since
        if since is None or at - since <= patience_s or not self._thread_id:
            return False
        state, cpu_s = standing(os.getpid(), self._thread_id)
        return state not in ("R", "D") or cpu_s - self._begun_cpu_s > patience_s / 3

    def close(self) -> None:
        """Let the thread end after its present job."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread: do what is queued, and tell the loop of each job."""
        self._thread_id = threading.get_native_id()
        while not self._closed and (job := self._next()) is not None:
            result: object = None
            error: Exception | None = None
            if job.work is not None:
                self._begun_cpu_s, self.busy_since = time.thread_time(), loop.time()
                try:
                    result = job.work()
                except Exception as raised:
                    # The outermost loop of the models: one input that breaks a model must not end the others.
                    error = raised
                self.busy_since = None
            try:
                loop.call_soon_threadsafe(self._over, job, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody is there to be told

    def _over(self, job: _Job, result: object, error: Exception | None) -> None:
        """On the loop."""
        try:
            if error is not None:
                raise error
            job.done(result)
        except Exception as raised:
            log.exception("model failed", key="model.failed", lane=self.name)
            self._count(f"{self.name}_failed")
            if job.dropped:
                job.dropped(raised)

    def _next(self) -> _Job | None:
        with self._lock:
            if self._urgent:
                return self._urgent.popleft()
            if not self._background:
                return None
            job = self._background.popleft()
            self._waiting -= job.work is not None
            return job

    def _drop_oldest(self) -> None:
        """With the lock."""
        for index, job in enumerate(self._background):
            if job.work is not None:
                del self._background[index]
                self._waiting -= 1
                self._count("windows_dropped")
                return

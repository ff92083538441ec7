"""Tasks with an owner and a guard: a failure is logged and counted, and everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, TypeVar

import structlog

from emocx_pbx.wire.cancelling import cancelled

log = structlog.get_logger()

T = TypeVar("T")

#: Seconds of pause before a lasting part that failed is restarted; doubled with each failure.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
#: Seconds after which a failure counts as a new one, and the pause starts small again.
STEADY_S: Final = 60.0


class Tasks:
    """Owns tasks until the `async with` block ends; what is still running then is cancelled.

    Unlike asyncio.TaskGroup, the failure of one task ends none of the others: a fault in the tap of
    one call must not end the calls of all.
    """

    def __init__(self, count: Callable[[str], None] = lambda name: None) -> None:
        """`count` adds one to the counter tasks_failed."""
        self._count = count
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Tasks:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            await cancelled(self._running)

    def create_task(self, work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Start a task; whoever awaits it gets its result or its error as well."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def keep(self, part: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> asyncio.Task[None]:
        """Start a lasting part, and restart it whenever it fails; cancel the task to end it."""
        return self.create_task(self._kept(part, name), name=name)

    async def _kept(self, part: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                await part()
            except Exception as error:
                # The outermost loop of a part: otherwise the service would lose the part, or end.
                self._failed(name, error)
            else:
                return
            if loop.time() - began >= STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(task.get_name(), error)

    def _failed(self, name: str, error: BaseException) -> None:
        # The name may contain a call's id; the log key keeps them all lines of one kind.
        log.error("task failed, the others go on", key="task.failed", task=name, exc_info=error)
        self._count("tasks_failed")

"""The controller's analysis workers: starts them, finds the least loaded, replaces those that die."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.handle import WorkerHandle, WorkerLost
from emocx_pbx.analysis.messages import (
    ClassifyText,
    KeepWords,
    LoadModels,
    LogAs,
    ModelsLoaded,
    Ready,
    SwapModels,
    TextResult,
    ToController,
)
from emocx_pbx.analysis.spare import AFTER_S, Spare
from emocx_pbx.analysis.unreached import Unreached
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.settings.settings import LogSettings

__all__ = ["ToService", "WorkerHandle", "WorkerLost", "WorkerPool"]

log = structlog.get_logger()

#: What the pool tells the service.
ToService = ToController | WorkerLost

#: Pauses before a dead worker is replaced: short at first, since its calls wait to be tapped again.
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 30.0
#: A worker that lived so long died of something new.
HEALTHY_S: Final = 60.0
#: `start` waits so long for the first Ready; workers go on warming up after that.
START_WAIT_S: Final = 10.0
#: For an orderly end with the last readings; then a worker is killed.
STOP_S: Final = 3.0
#: Calls that a worker is thought to carry before it has measured.
UNKNOWN: Final = 50
#: A worker on another host gets so much of a question's time before another is asked.
ELSEWHERE_S: Final = 0.4
#: For loading a new version beside a worker's calls.
LOAD_S: Final = 60.0


class WorkerPool:
    """As many workers as set, each in a process of its own; shared-nothing."""

    def __init__(
        self,
        config: WorkerConfig,
        on_message: Callable[[ToService], None],
        command: tuple[str, ...] = (),
        spare_after_s: float = AFTER_S,
        elsewhere: Callable[[], Sequence[AnyWorker]] = tuple,
        site: str = "",
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Prepare; `start` starts.

        Args:
            config: what each worker does, and how; as many are started as its settings say.
            on_message: told everything the workers say (but answers to `classify_text`), and losses;
                called on the event loop, in order for each worker.
            command: program and arguments in place of `python -m emocx_pbx.analysis.worker.process`.
            spare_after_s: how long all workers are ready before a spare is started.
            elsewhere: the workers on other hosts, as they are known now.
            site: where we stand; workers of it are preferred.
            count: counts by metric name.
        """
        self._config = config
        self._on_message, self._command = on_message, command
        self._elsewhere, self._site, self._count = elsewhere, site, count
        self.unreached = Unreached()
        """What taps found out, for the next `pick`."""
        self._workers: list[WorkerHandle | None] = [None] * config.settings.workers
        self._keepers: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)
        self._some_ready, self._all_ready = asyncio.Event(), asyncio.Event()
        self._stopping = False
        self.spare = Spare(self._new_spare, command, spare_after_s)
        self._sparing: asyncio.Task[None] | None = None

    @property
    def workers(self) -> list[WorkerHandle]:
        """Our own workers that take messages now."""
        return [worker for worker in self._workers if worker is not None and worker.alive]

    @property
    def everywhere(self) -> list[AnyWorker]:
        """All workers that take messages now: our own, then those on other hosts."""
        return [*self.workers, *(worker for worker in self._elsewhere() if worker.alive)]

    @property
    def slots(self) -> tuple[WorkerHandle | None, ...]:
        """Every worker there should be; None: it is dead, and not replaced yet."""
        return tuple(self._workers)

    def models(self) -> tuple[Ready, ...]:
        """What each ready worker said of its models."""
        return tuple(worker.ready for worker in self.workers if worker.ready is not None)

    @property
    def keepers(self) -> list[asyncio.Task[None]]:
        """The tasks that keep each worker running, for as long as the pool does."""
        return self._keepers

    @property
    def ready(self) -> bool:
        """Whether at least one worker takes messages."""
        return bool(self.everywhere)

    async def start(self, wait_s: float = START_WAIT_S) -> bool:
        """Start all workers; waits until one is ready, `wait_s` at most. Whether one is.

        Workers that need longer, or die, are looked after from here on until `stop`.
        """
        loop = asyncio.get_running_loop()
        self._keepers = [
            loop.create_task(self._keep(index), name=f"worker {index}") for index in range(len(self._workers))
        ]
        if self._config.settings.spare_worker and self._workers:
            self._sparing = loop.create_task(self.spare.keep(self._all_ready), name="spare worker")
        if not self._workers:
            return self.ready
        try:
            async with asyncio.timeout(wait_s):
                await self._some_ready.wait()
        except TimeoutError:
            log.warning("no analysis worker is ready yet", key="pool.slow", waited_s=wait_s)
        return self.ready

    async def stop(self) -> None:
        """End all workers in order: their last readings still come. Bounded; then they are killed."""
        self._stopping = True
        if self._sparing is not None:
            self._sparing.cancel()
            await asyncio.wait([self._sparing])
        for worker, keeper in zip(self._workers, self._keepers, strict=False):
            if worker is None or not worker.shut_down():
                keeper.cancel()
        if not self._keepers:
            return
        _, late = await asyncio.wait(self._keepers, timeout=STOP_S)
        for keeper in late:
            log.warning("worker does not stop, killing it", key="pool.kill", worker=keeper.get_name())
            keeper.cancel()
        await asyncio.wait(self._keepers)

    def pick_own(self) -> WorkerHandle:
        """Of our own the ready worker with fewest sessions; a silent one only for want of others.

        Raises:
            PeerUnavailable: none is ready.
        """
        if not self.workers:
            raise PeerUnavailable("no analysis worker is ready")
        return min(self.workers, key=lambda worker: (not worker.responsive, worker.sessions, worker.index))

    def pick(self, pbx: str = "", *, waits: bool = False) -> AnyWorker:
        """The ready worker with fewest taps and questions for what it carries, of our site if there is one.

        Those that this PBX lately did not reach only for want of others; if somebody `waits` for it, those
        that it has not reached since.

        Raises:
            PeerUnavailable: none is ready.
        """
        workers = self.everywhere
        if all(worker.local for worker in workers):
            return self.pick_own()
        return min(
            workers,
            key=lambda worker: (
                not worker.responsive,
                self.unreached.by(pbx, worker.address, certain=waits),
                self._far(worker),
                worker.sessions / _carries(worker),
                worker.index,
            ),
        )

    def _far(self, worker: AnyWorker) -> bool:
        return not worker.local and worker.site != self._site

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        """Scores and topic of a text.

        Raises:
            PeerUnavailable: no worker is ready, it died, or did not answer in time.
        """
        number = next(self._numbers)
        ready = [worker for worker in self.everywhere if worker.responsive] or self.everywhere
        if not ready:
            raise PeerUnavailable("no analysis worker is ready")
        # In turn, our own first. One elsewhere may be cut off unnoticed: there is time to ask another.
        at = number % len(ready)
        turns = sorted(ready[at:] + ready[:at], key=lambda worker: (not worker.local, self._far(worker)))
        loop = asyncio.get_running_loop()
        ends, asked = loop.time() + deadline_s, ClassifyText(f"q{number}", text)
        while True:
            worker, left_s = turns.pop(0), ends - loop.time()
            last = worker.local or not turns
            try:
                answer = await worker.ask(asked, left_s if last else min(left_s, ELSEWHERE_S))
            except PeerUnavailable:
                if last or loop.time() >= ends:
                    raise
                continue
            assert isinstance(answer, TextResult)
            return answer

    async def load_models(
        self, topics: Mapping[str, Sequence[str]] | None = None, deadline_s: float = LOAD_S
    ) -> list[ModelsLoaded]:
        """Let every worker load the models that the settings' names now stand for, one worker at a time.

        Calls go on meanwhile; a worker that can't load one keeps the old. `topics`, if given, are
        learned anew. Returns each ready worker's answer; a worker that did not answer in time or
        died has no models and the reason among its problems.
        """
        learned = None if topics is None else {name: tuple(said) for name, said in topics.items()}
        if learned is not None:
            self._config = msgspec.structs.replace(self._config, topics=learned)
        self.spare.renew()
        return [await self._asked(worker, LoadModels(self._new_id(), learned), deadline_s)
                for worker in self.everywhere]  # fmt: skip

    async def hold_models(self, versions: Mapping[str, str]) -> list[str]:
        """Let our own workers load versions (by `kind/name`) beside those in use; why some did not.

        None of them: let go what is held.
        """
        return await self._ask_own(lambda: LoadModels(self._new_id(), None, dict(versions), hold=True))

    async def swap_models(self) -> list[str]:
        """Let our own workers use what they hold, or what the folder says now; why some do not."""
        self.spare.renew()
        return await self._ask_own(lambda: SwapModels(self._new_id()))

    async def _ask_own(self, make: Callable[[], LoadModels | SwapModels]) -> list[str]:
        workers = self.workers
        answers = await asyncio.gather(*(self._asked(worker, make(), LOAD_S) for worker in workers))
        return [
            problem
            for worker, answer in zip(workers, answers, strict=True)
            for problem in answer.problems
            if worker.ready is None or problem not in worker.ready.problems  # it lacked that all along
        ]

    def _new_id(self) -> str:
        return f"m{next(self._numbers)}"

    async def _asked(
        self, worker: AnyWorker, asked: LoadModels | SwapModels, deadline_s: float
    ) -> ModelsLoaded:
        try:
            answer = await worker.ask(asked, deadline_s)
        except PeerUnavailable as error:
            answer = ModelsLoaded(asked.request_id, None, None, [str(error)])
        assert isinstance(answer, ModelsLoaded)
        found = {"speech_model": answer.speech_model, "text_model": answer.text_model}
        problems = answer.problems
        log.info("models in use", key="models.loaded", worker=worker.index, problems=problems, **found)
        return answer

    def log_as(self, settings: LogSettings) -> None:
        """Let all workers, also those to come, log by other settings."""
        self._config = msgspec.structs.replace(self._config, log=settings)
        self.spare.renew()
        for worker in self.workers:
            with suppress(PeerUnavailable):  # its successor is started with them
                worker.send(LogAs(settings))

    def keep_words(self, kept: bool) -> None:
        """Let all workers, also those to come, tell what customers say in calls, or not."""
        if kept == self._config.store_words:
            return
        self._config = msgspec.structs.replace(self._config, store_words=kept)
        for worker in self.workers:
            with suppress(PeerUnavailable):
                worker.send(KeepWords(kept))

    async def _keep(self, index: int) -> None:
        """Keep one worker alive until `stop`."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while not self._stopping:
            worker, run = self._next(index)
            self._workers[index] = worker
            born = loop.time()
            try:
                await run
            except OSError as error:
                log.error("worker can't be started", key="worker.no_start", worker=index, why=str(error))
            except Exception:
                # The outermost loop of a worker's life: without it nobody would start the next one.
                log.exception("worker lost through our own fault", key="worker.fault", worker=index)
                self._count("workers_failed")
            finally:
                self._workers[index] = None
                self._all_ready.clear()
                self._lost(worker)
            if self._stopping:
                return
            if loop.time() - born >= HEALTHY_S:
                pause = FIRST_PAUSE_S
            in_s = 0.0 if self.spare.warm else pause
            log.error("analysis worker died, starting another", key="worker.died", worker=index, in_s=in_s)
            await asyncio.sleep(in_s)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _next(self, index: int) -> tuple[WorkerHandle, Awaitable[None]]:
        """The worker to be of this index, and its run: the spare if there is one, else a new one."""
        if (spare := self.spare.take(index)) is not None:
            log.info("the spare takes its place", key="spare.taken", worker=index)
            return spare
        worker = WorkerHandle(msgspec.structs.replace(self._config, index=index), self._take)
        return worker, worker.run(self._command)

    def _new_spare(self) -> WorkerHandle:
        config = msgspec.structs.replace(self._config, index=len(self._workers), standby=True)
        return WorkerHandle(config, self._take)

    def _take(self, message: ToController) -> None:
        """A worker's message."""
        if isinstance(message, Ready):
            self._some_ready.set()
            if len(self.workers) == len(self._workers):
                self._all_ready.set()
        self._tell(message)

    def _lost(self, worker: WorkerHandle) -> None:
        """It takes its taps along."""
        if worker.uuids or not self._stopping:
            self._tell(WorkerLost(worker.index, tuple(sorted(worker.uuids))))

    def _tell(self, message: ToService) -> None:
        try:
            self._on_message(message)
        except Exception:
            # The outermost loop of workers' messages: a fault in handling one must not cost a worker.
            log.exception("worker's message not handled", key="pool.unhandled", kind=type(message).__name__)
            self._count("workers_failed")


def _carries(worker: AnyWorker) -> int:
    """Calls that it carries, as it measured at its start."""
    return (worker.stats.carries_accurate if worker.stats else 0) or UNKNOWN

"""One worker process as the controller sees it: start, talk, notice death, end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    ListenResult,
    LoadModels,
    ModelsLoaded,
    Ready,
    Shutdown,
    StandsBy,
    SwapModels,
    TakePlace,
    TapEnded,
    TextResult,
    ToController,
    ToWorker,
    WorkerStats,
)
from emocx_pbx.errors import PeerUnavailable, ProtocolError
from emocx_pbx.wire.child import Child
from emocx_pbx.wire.link import Link
from emocx_pbx.wire.message import BadMessage
from emocx_pbx.wire.progress import ProcessProgress

log = structlog.get_logger()

#: Seconds of silence after which a worker, which reports every 2 s, gets nothing new while others report.
QUIET_S: Final = 5.0
#: And for this long: if it does not get on, it is stopped or hangs, and another takes its place.
SILENT_S: Final = 10.0
#: And when it has worked for so long without a word (CPU seconds): whatever it is at, it is not what it is
#: there for. By the clock a worker that others keep from the core may need ten times as long.
SILENT_WORK_S: Final = 60.0
#: Time to load models on a slow, cold machine.
START_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker died; these taps and questions died with it (made by the pool, not sent by workers)."""

    index: int
    uuids: tuple[str, ...]


class WorkerHandle:
    """One worker of the pool; a dead one stays dead, its successor is another handle."""

    def __init__(self, config: WorkerConfig, on_message: Callable[[ToController], None]) -> None:
        self.config, self.index = config, config.index
        self.ready: Ready | None = None
        """Its latest Ready; None before."""
        self.stats: WorkerStats | None = None
        """Its latest; None before."""
        self.became_ready = asyncio.Event()
        self.stands_by = asyncio.Event()
        """It is a spare, and its models are warm."""
        self.uuids: set[str] = set()
        """Taps and questions announced to it and not over."""
        self.last_message_at = 0.0
        """When its last message came, by the event loop's clock."""
        self._on_message = on_message
        self._child = Child(f"analysis worker {config.index}", msgspec.msgpack.Decoder(ToController))
        self._answers: dict[str, asyncio.Future[TextResult | ModelsLoaded]] = {}
        self._stopping = False
        self._progress: ProcessProgress | None = None

    @property
    def port(self) -> int:
        """Its AudioSocket port; 0 before it is ready."""
        return self.ready.port if self.ready else 0

    @property
    def address(self) -> str:
        """Where Asterisk reaches its AudioSocket port: HOST:PORT."""
        return f"{self.config.settings.host}:{self.port}"

    @property
    def site(self) -> str:
        """Here."""
        return ""

    @property
    def local(self) -> bool:
        """It is a process of ours."""
        return True

    @property
    def sessions(self) -> int:
        """Taps and questions announced to it and not over."""
        return len(self.uuids)

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it takes messages."""
        return self._child.link is not None and self.ready is not None and not self._stopping

    @property
    def responsive(self) -> bool:
        """Whether it takes messages, and has sent one recently."""
        return self.alive and asyncio.get_running_loop().time() - self.last_message_at < QUIET_S

    def send(self, message: ToWorker) -> None:
        """Queue a message for the worker.

        Raises:
            PeerUnavailable: it is not ready yet, is dead, or does not read.
            BadMessage: the message must not be sent.
        """
        link = self._child.link
        if link is None or self.ready is None or self._stopping:
            raise PeerUnavailable(f"analysis worker {self.index} is not ready")
        link.send(message)
        if isinstance(message, AnnounceTap | AnnounceListen):
            self.uuids.add(message.uuid)

    async def announce(self, message: AnnounceTap | AnnounceListen) -> None:
        """Have it expect an AudioSocket: nothing that Asterisk sends can overtake this.

        Raises:
            PeerUnavailable: as `send`.
        """
        self.send(message)

    async def ask(
        self, message: ClassifyText | LoadModels | SwapModels, within_s: float
    ) -> TextResult | ModelsLoaded:
        """Its answer to a message, by the same request_id.

        Raises:
            PeerUnavailable: it died, or did not answer in time.
        """
        future: asyncio.Future[TextResult | ModelsLoaded] = asyncio.get_running_loop().create_future()
        self._answers[message.request_id] = future
        try:
            self.send(message)
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError:
            raise PeerUnavailable(
                f"no answer from analysis worker {self.index} within {within_s:.3g} s"
            ) from None
        finally:
            del self._answers[message.request_id]

    def take_place(self, index: int) -> None:
        """Let a spare that stands by be the worker of this index; Ready follows.

        Raises:
            PeerUnavailable: it is dead, or does not read.
        """
        link = self._child.link
        if link is None or self._stopping:
            raise PeerUnavailable("the spare worker is gone")
        link.send(TakePlace(index))
        self.index = index
        self.config = msgspec.structs.replace(self.config, index=index, standby=False)

    async def run(self, command: tuple[str, ...] = ()) -> None:
        """Start the process and take its messages until it is gone; it never outlives this call.

        Raises:
            OSError: it can't be started.
        """
        link = await self._child.start(
            command or (sys.executable, "-m", "emocx_pbx.analysis.worker.process"),
            msgspec.json.encode(self.config),
        )
        self._progress = ProcessProgress(self.pid) if self.pid else None
        try:
            await self._receive(link)
        finally:
            # Whoever waits for it need not wait longer.
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(PeerUnavailable(f"analysis worker {self.index} died"))
            await self._child.end()

    def shut_down(self) -> bool:
        """Ask for an orderly end, after which `run` returns; False when it can't be asked."""
        self._stopping = True
        if self._child.link is None:
            return False
        try:
            self._child.link.send(Shutdown())
        except PeerUnavailable:
            return False
        return True

    def _gets_on(self) -> bool:
        """Whether the silent worker is merely slow: busy, or kept waiting for a core."""
        if self._progress is None:
            return False
        slow = self._progress.merely_slow(SILENT_WORK_S)
        if slow:
            silent_s = asyncio.get_running_loop().time() - self.last_message_at
            log.warning("worker slow", key="worker.slow", worker=self.index, silent_s=round(silent_s))
        return slow

    async def _receive(self, link: Link[ToController]) -> None:
        while True:
            patience = SILENT_S if self.ready or self.stands_by.is_set() else START_S
            try:
                message = await link.receive_within(patience, self._gets_on)
            except TimeoutError:
                log.error(
                    "worker silent, ending it", key="worker.silent", worker=self.index, after_s=patience
                )
                return
            except BadMessage as error:
                # Losing one message is better than ending the worker, which would cost all of its taps.
                log.error("worker's message refused", key="worker.bad_message", worker=self.index,
                          why=str(error))  # fmt: skip
                continue
            except ProtocolError as error:
                log.error(
                    "worker sent an invalid message", key="worker.garbled", worker=self.index, why=str(error)
                )
                return
            if message is None:
                return
            self.last_message_at = asyncio.get_running_loop().time()
            if isinstance(message, WorkerStats):
                self.stats = message
                if self._progress is not None:
                    self._progress.spoke()
            if isinstance(message, StandsBy):
                self.stands_by.set()
            if self.config.standby:
                continue  # nobody needs to know more of a spare
            if isinstance(message, Ready):
                self.ready = message
                self.became_ready.set()
            elif isinstance(message, ModelsLoaded) and self.ready is not None:
                self.ready = msgspec.structs.replace(
                    self.ready, speech_model=message.speech_model, text_model=message.text_model
                )
            elif isinstance(message, TapEnded | ListenResult):
                self.uuids.discard(message.uuid)
            if isinstance(message, TextResult | ModelsLoaded):
                self._answered(message)
            else:
                self._on_message(message)

    def _answered(self, message: TextResult | ModelsLoaded) -> None:
        future = self._answers.get(message.request_id)
        if future is not None and not future.done():
            future.set_result(message)

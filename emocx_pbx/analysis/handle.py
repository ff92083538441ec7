"""One worker process as the controller sees it: start, talk, notice death, end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.link import Link
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ListenResult,
    ModelsLoaded,
    Ready,
    Shutdown,
    TapEnded,
    ToController,
    ToWorker,
)
from emocx_pbx.errors import PeerUnavailable, ProtocolError

log = structlog.get_logger()

#: A worker reports every 2 s; one that is silent for so long is stopped, frozen or starved.
SILENT_S: Final = 15.0
#: Time to load models on a slow, cold machine.
START_S: Final = 90.0
#: Time to take its settings.
CONFIGURE_S: Final = 10.0
#: From the closing of its link to SIGTERM, and from there to SIGKILL.
END_S: Final = 1.0
KILL_S: Final = 0.5


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
        self.became_ready = asyncio.Event()
        self.uuids: set[str] = set()
        """Taps and questions announced to it and not over."""
        self._on_message = on_message
        self._process: asyncio.subprocess.Process | None = None
        self._link: Link[ToController] | None = None
        self._stopping = False

    @property
    def port(self) -> int:
        """Its AudioSocket port; 0 before it is ready."""
        return self.ready.port if self.ready else 0

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it takes messages."""
        return self._link is not None and self.ready is not None and not self._stopping

    def send(self, message: ToWorker) -> None:
        """Queue a message for the worker.

        Raises:
            PeerUnavailable: it is not ready yet, dead, or does not read.
        """
        if self._link is None or self.ready is None or self._stopping:
            raise PeerUnavailable(f"analysis worker {self.index} is not ready")
        self._link.send(message)
        if isinstance(message, AnnounceTap | AnnounceListen):
            self.uuids.add(message.uuid)

    async def run(self, command: tuple[str, ...] = ()) -> None:
        """Start the process and take its messages until it is gone; it never outlives this call.

        Raises:
            OSError: it can't be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *(command or (sys.executable, "-m", "emocx_pbx.analysis.worker.process")),
                    "--fd",
                    str(theirs.fileno()),
                    "--config",
                    "-",
                    stdin=asyncio.subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            await self._end_process()
            raise
        self._link = Link(reader, writer, msgspec.msgpack.Decoder(ToController))
        try:
            await self._configure()
            await self._receive(self._link)
        finally:
            link, self._link = self._link, None
            await link.close()
            await self._end_process()

    def shut_down(self) -> bool:
        """Ask for an orderly end, after which `run` returns; False when it can't be asked."""
        self._stopping = True
        if self._link is None:
            return False
        try:
            self._link.send(Shutdown())
        except PeerUnavailable:
            return False
        return True

    async def _configure(self) -> None:
        """Over stdin: topics can be longer than a command line may be, and need not show in `ps`."""
        stdin = self._process.stdin if self._process else None
        if stdin is None:
            return
        stdin.write(msgspec.json.encode(self.config))
        try:
            async with asyncio.timeout(CONFIGURE_S):
                await stdin.drain()
                stdin.close()
                await stdin.wait_closed()
        except (TimeoutError, ConnectionError):
            log.warning("worker did not take its settings", key="worker.deaf", worker=self.index)

    async def _receive(self, link: Link[ToController]) -> None:
        while True:
            patience = SILENT_S if self.ready else START_S
            try:
                async with asyncio.timeout(patience):
                    message = await link.receive()
            except TimeoutError:
                log.error(
                    "worker silent, ending it", key="worker.silent", worker=self.index, after_s=patience
                )
                return
            except ProtocolError as error:
                log.error("worker talks nonsense", key="worker.garbled", worker=self.index, why=str(error))
                return
            if message is None:
                return
            if isinstance(message, Ready):
                self.ready = message
                self.became_ready.set()
            elif isinstance(message, ModelsLoaded) and self.ready is not None:
                self.ready = msgspec.structs.replace(
                    self.ready, speech_model=message.speech_model, text_model=message.text_model
                )
            elif isinstance(message, TapEnded | ListenResult):
                self.uuids.discard(message.uuid)
            self._on_message(message)

    async def _end_process(self) -> None:
        """Let it end (its link is closed); then SIGTERM, then SIGKILL."""
        process = self._process
        if process is None:
            return
        try:
            for patience, insist in ((END_S, process.terminate), (KILL_S, process.kill)):
                try:
                    async with asyncio.timeout(patience):
                        await process.wait()
                    return
                except TimeoutError:
                    log.warning("worker does not end", key="worker.insist", worker=self.index)
                    insist()
            await process.wait()
        except asyncio.CancelledError:
            # No patience left: it must not outlive us.
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise

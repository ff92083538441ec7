"""The controller's side of the web process: starts it, watches it, answers it, and restarts it.

Its requests are answered, and limited, by `web_answers.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import Coroutine
from typing import Any, Final

import msgspec
import structlog

from emocx_pbx.chat.moves import CallMoved
from emocx_pbx.errors import PeerUnavailable, ProtocolError, SettingsError
from emocx_pbx.live.calls import BoardChange, in_pieces
from emocx_pbx.service.web_answers import Behind, WebAnswers
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.web import messages as m
from emocx_pbx.wire.child import Child
from emocx_pbx.wire.message import BadMessage
from emocx_pbx.wire.progress import ProcessProgress

log = structlog.get_logger()

#: Seconds from the start of the process to the open port, on a cold disk.
START_S: Final = 30.0
#: Seconds of silence after which the process, which reports every second, is hanging and is restarted.
SILENT_S: Final = 20.0
#: Unless it works or waits for a core, up to so many CPU seconds without a word (its start needs about 2). By
#: the clock, a process that others keep from the core may need ten times as long.
SILENT_WORK_S: Final = 60.0
#: How often a process that hangs is started at the service's start before giving up: callers are served
#: meanwhile, and missing pages are no reason to stop.
FIRST_STARTS: Final = 3
#: Seconds between checks whether the state differs from what it was last sent.
STATE_S: Final = 0.5
#: Seconds of pause before successive restarts.
AGAIN_S: Final = (0.2, 1.0, 2.0, 5.0)
#: Seconds that a process must have lived to be restarted at once.
STEADY_S: Final = 30.0
#: Seconds for an orderly end: feeds are ended, requests in progress are answered.
STOP_S: Final = 3.0


class WebHost:
    """One per service."""

    def __init__(
        self,
        in_force: SettingsInForce,
        behind: Behind,
        command: tuple[str, ...] = (sys.executable, "-m", "emocx_pbx.web.process"),
        life: str | None = None,
        answers: WebAnswers | None = None,
    ) -> None:
        """Prepare.

        Args:
            in_force: the settings.
            behind: the parts that answer its requests.
            command: the command line that starts the process.
            life: distinguishes this run of the service from others; None: a new one is made.
            answers: shared with web nodes; None: there are no web nodes.
        """
        self._life, self._in_force = life or uuid.uuid4().hex[:8], in_force
        self._behind, self._command = behind, command
        self._child: Child[m.FromWeb] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers = answers or WebAnswers(behind)
        self._answers.state_changed.subscribe(self._tell_state)
        self._sent_state = b""
        self._stopping = self._silent = False
        self._over = asyncio.Event()
        behind.board.changes.subscribe(self._on_change)

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._child.pid if self._child else None

    # Life.

    async def run(self, listening: asyncio.Future[int]) -> None:
        """Keep the process running until cancelled.

        Args:
            listening: gets the HTTP port once it is open for the first time, or SettingsError when it
                can't be; then this returns.
        """
        tries = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            why = await self._one_life(listening)
            if self._stopping:
                self._over.set()
                return
            self._behind.health.set("web", False, why)
            if not listening.done() and not (self._silent and tries + 1 < FIRST_STARTS):
                listening.set_exception(SettingsError(why))
                return
            steady = listening.done() and loop.time() - began > STEADY_S
            tries = 0 if steady else tries + 1
            self._behind.metrics.count("web_restarts")
            log.error("the web process ended, starting it again", key="web.again", why=why, tries=tries)
            await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])

    async def _one_life(self, listening: asyncio.Future[int]) -> str:
        child: Child[m.FromWeb] = Child("web", msgspec.msgpack.Decoder(m.FromWeb), STOP_S)
        self._child, self._silent = child, False
        try:
            await child.start(self._command, msgspec.json.encode(self._web_config()))
            self._sent_state = b""
            self._tell_state()
            self._tell_board()
            telling = asyncio.create_task(self._keep_telling(), name="web state")
            try:
                return await self._receive(child, listening)
            finally:
                telling.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(telling, *self._tasks, return_exceptions=True)
        except OSError as error:
            return f"can't be started: {error}"
        finally:
            await child.end()
            self._child = None

    async def _receive(self, child: Child[m.FromWeb], listening: asyncio.Future[int]) -> str:
        patience, link = START_S, child.link
        progress = ProcessProgress(child.pid or 0)

        def merely_slow() -> bool:
            slow = progress.merely_slow(SILENT_WORK_S)
            if slow:
                log.warning("web process slow", key="web.slow", cpu_s=progress.cpu_s)
            return slow

        while link is not None:
            try:
                message = await link.receive_within(patience, merely_slow)
            except TimeoutError:
                self._silent = True
                return f"silent for {patience:g} s"
            except BadMessage as error:
                # Losing one message is better than ending the process, which would cost all pages and feeds.
                log.error("message of the web refused", key="web.bad_message", why=str(error))
                continue
            except ProtocolError as error:
                return f"sent an invalid message: {error}"
            progress.spoke()
            match message:
                case None:
                    return "it ended"
                case m.Listening(port):
                    patience = SILENT_S
                    self._behind.health.set("web", True)
                    self._tell_state()
                    if not listening.done():
                        listening.set_result(port)
                case m.CannotListen(why):
                    return why
                case _:
                    self._take(message)
        return "it ended"

    async def stop(self) -> None:
        """Ask for an orderly end, after which `run` returns; cancel `run` if it does not."""
        self._stopping = True
        if self._child is None:
            return
        self._send(m.Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._over.wait()
                await self._answers.settle()

    # Out.

    def _send(self, message: m.ToWeb) -> None:
        if self._child is None or self._child.link is None:
            return
        try:
            self._child.link.send(message)
        except (PeerUnavailable, BadMessage) as error:
            # It hangs, or is gone: its silence ends this process.
            self._behind.metrics.count("web_messages_lost")
            log.debug("not sent to the web process", key="web.deaf", why=str(error))

    def watch(self, moved: CallMoved) -> None:
        """Pass on what the chat desk needs to know of calls."""
        self._send(moved)

    def receivers_changed(self) -> None:
        """The controller changed receivers in the store."""
        self._send(m.ReceiversChanged())

    def settings_changed(self) -> None:
        """Other settings are in force; a later process is started with them anyway."""
        self._send(m.SettingsChanged(self._in_force.settings))

    def _web_config(self) -> m.WebConfig:
        return m.WebConfig(self._in_force.settings, self._life)

    def _on_change(self, change: BoardChange) -> None:
        self._send(m.BoardChanged(change.number, change.kind, change.present, change.data))

    def _tell_board(self) -> None:
        parts = in_pieces(self._behind.board.state())
        for number, part in enumerate(parts, start=1):
            self._send(m.BoardNow(part, number == 1, number == len(parts)))

    def _tell_state(self) -> None:
        state = self._answers.state()
        encoded = msgspec.msgpack.encode(state)
        if encoded != self._sent_state:
            self._sent_state = encoded
            self._send(state)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(STATE_S)
            self._tell_state()

    # In.

    def _take(self, message: m.FromWeb) -> None:
        behind = self._behind
        match message:
            case m.Counted(counts, requests, watchers):
                for name, label, by in counts:
                    behind.metrics.count(name, label, max(0.0, by))
                for area, seconds in requests:
                    behind.metrics.request(area, seconds)
                behind.metrics.set("live_watchers", watchers)
            case m.BecameCall():
                self._answers.became_call(message)
            case m.BoardLost():
                self._tell_board()
            case m.Listening() | m.CannotListen():
                pass  # only at the start of the process
            case _:
                self._own(self._answer(message))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="web asks")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: m.Asking) -> None:
        self._send(await self._answers.answer(asked))

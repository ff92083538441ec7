"""The controller's end of the web process: starts it, watches it, answers it, and starts it again.

What HTTP asks for is bounded here: few of its decisions are in work at once, so that however much comes in
by HTTP, a caller's decision finds the text model free.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import News
from emocx_pbx.chat.moves import moved_of
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import Queries
from emocx_pbx.errors import EmocxError, PeerUnavailable, ProtocolError, SettingsError
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.calls import BoardChange, in_pieces
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.database import Store
from emocx_pbx.web import messages as m
from emocx_pbx.web.failures import failure_of
from emocx_pbx.wire.child import Child
from emocx_pbx.wire.message import BadMessage

log = structlog.get_logger()

R = TypeVar("R")

#: To the open port, from the start of the process on a cold disk.
START_S: Final = 30.0
#: It reports every second; one that is silent for this long hangs and is started anew.
SILENT_S: Final = 20.0
#: Its decisions in work at once; each takes the text model about two milliseconds.
DECIDING: Final = 4
#: What it asks at once; more is refused, which it answers with 503.
MAX_ASKED: Final = 128
#: At the service's start, one that is slow (a busy machine) is started this often before all is given up:
#: callers are served meanwhile, and pages are no reason to stop.
FIRST_STARTS: Final = 3
#: Between looks at whether the state differs from what it was told.
STATE_S: Final = 0.5
#: Pauses before it is started again.
AGAIN_S: Final = (0.2, 1.0, 2.0, 5.0)
#: A process that lived this long starts again at once.
STEADY_S: Final = 30.0
#: For an orderly end: feeds are ended, requests in work are answered.
STOP_S: Final = 3.0


class Reload(Protocol):
    """The part of the reloading that HTTP may ask for."""

    def policy_and_models(self) -> asyncio.Task[list[ModelsLoaded]]:
        """Read the policy again, and let workers swap in what models' names now stand for."""


class ReadyWorkers(Protocol):
    """The part of the worker pool that pages show."""

    def models(self) -> tuple[Ready, ...]:
        """What each ready worker said of its models."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The parts that answer what comes by HTTP."""

    queries: Queries
    placing: Placing
    deeds: Doer
    board: LiveBoard
    health: HealthBoard
    metrics: Metrics
    policies: Policies
    store: Store
    reloading: Reload
    pool: ReadyWorkers


class WebHost:
    """One for the service."""

    def __init__(
        self,
        in_force: SettingsInForce,
        behind: Behind,
        command: tuple[str, ...] = (sys.executable, "-m", "emocx_pbx.web.process"),
        life: str | None = None,
    ) -> None:
        """`life` tells this run of the service from others; None: a new one."""
        self._life, self._in_force = life or uuid.uuid4().hex[:8], in_force
        self._behind, self._command = behind, command
        self._child: Child[m.FromWeb] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._doing: set[asyncio.Task[Any]] = set()
        self._deciding = asyncio.Semaphore(DECIDING)
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
        while link is not None:
            try:
                message = await link.receive_within(patience)
            except TimeoutError:
                self._silent = True
                return f"silent for {patience:g} s"
            except BadMessage as error:
                # One message is lost; its end would cost all pages and feeds.
                log.error("message of the web refused", key="web.bad_message", why=str(error))
                continue
            except ProtocolError as error:
                return f"talks nonsense: {error}"
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
        """Ask for an orderly end, after which `run` returns; cancel that if it has not."""
        self._stopping = True
        if self._child is None:
            return
        self._send(m.Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._over.wait()
                await asyncio.gather(*self._doing, return_exceptions=True)

    # Out.

    def _send(self, message: m.ToWeb) -> None:
        if self._child is None or self._child.link is None:
            return
        try:
            self._child.link.send(message)
        except (PeerUnavailable, BadMessage) as error:
            # It hangs, or is gone: its silence ends this life.
            self._behind.metrics.count("web_messages_lost")
            log.debug("not told to the web process", key="web.deaf", why=str(error))

    def watch(self, happened: News, call: CallState) -> None:
        """Pass on what the chat desk needs to know of calls."""
        if (moved := moved_of(happened)) is not None:
            self._send(moved)

    def receivers_changed(self) -> None:
        """The controller changed receivers in the store."""
        self._send(m.ReceiversChanged())

    def settings_changed(self) -> None:
        """Other settings are in force; a successor of the process is started with them anyway."""
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
        behind = self._behind
        state = m.StateNow(
            behind.health.components(),
            behind.policies.queues,
            behind.policies.policy,
            behind.pool.models(),
            behind.policies.queues_by_pbx,
        )
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
            case m.BecameCall(decision, caller):
                behind.queries.became_call(decision, caller)
            case m.BoardLost():
                self._tell_board()
            case m.Listening() | m.CannotListen():
                pass  # only at the start of its life
            case _:
                self._own(self._answer(message))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="web asks")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _to_its_end(self, work: Coroutine[Any, Any, R]) -> R:
        """What has begun is finished, also if the process that asked for it ends meanwhile."""
        doing = asyncio.create_task(work, name="deed")
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            doing.add_done_callback(_unanswered)
            raise

    async def _answer(self, asked: m.Asking) -> None:
        """One of the outermost loops: a question that fails must not end the others."""
        number = asked.request_id
        if len(self._tasks) > MAX_ASKED:
            self._send(failure_of(number, PeerUnavailable("too many requests are in work already")))
            return
        try:
            self._send(await self._answered(asked))
        except EmocxError as error:
            self._send(failure_of(number, error))
        except Exception:
            self._behind.metrics.count("web_questions_failed")
            log.exception("question of the web failed", key="web.failed", what=type(asked).__name__)
            self._send(m.Failed(number, "", "the controller failed"))

    async def _answered(self, asked: m.Asking) -> m.ToWeb:
        behind = self._behind
        match asked:
            case m.Decide(number, text, caller):
                async with self._deciding:
                    return m.Decided(number, await behind.queries.by_text(text, caller))
            case m.TryOut(number, text, caller):
                async with self._deciding:
                    return m.TriedOut(number, *await behind.queries.preview(text, caller))
            case m.MayDial(number, text):
                return m.Admitted(number, behind.placing.admit(text))
            case m.Ring(number, call, by):
                await self._to_its_end(behind.placing.ring(call, by))
                return m.CallPlaced(number)
            case m.DoDeed(number, deed, by):
                result = await self._to_its_end(behind.deeds.do(deed, by))
                return m.DeedDone(number, msgspec.Raw(msgspec.msgpack.encode(result)))
            case m.ReloadAll(number, wait):
                loading = behind.reloading.policy_and_models()
                self._tell_state()
                loaded = await asyncio.shield(loading) if wait else []
                self._tell_state()
                return m.ReloadedAll(number, tuple(loaded))
            case m.ReadMetrics(number):
                await self._look_around()
                return m.MetricsText(number, *behind.metrics.render())

    async def _look_around(self) -> None:
        """Set the gauges of what is not counted as it happens."""
        behind = self._behind
        for state, number in behind.board.counts().items():
            behind.metrics.set("calls", number, state)
        for name, component in behind.health.components().items():
            behind.metrics.set("component_up", float(component.up), name)
        pending = await behind.store.outbox.pending()
        for receiver in behind.store.receivers.current():
            behind.metrics.set("deliveries_pending", pending.get(receiver.name, 0), receiver.name)


def _unanswered(doing: asyncio.Task[Any]) -> None:
    """Its asker is gone: what went wrong with it is told here."""
    if not doing.cancelled() and (error := doing.exception()) is not None:
        log.error("deed failed after who asked for it had ended", key="web.deed_failed", why=str(error))

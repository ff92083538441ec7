"""The controller as its web process sees it: asked by messages, within deadlines and limits."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeVar
from uuid import UUID, uuid4

import structlog

from emocx_pbx.chat.moves import CallIsOver, CallTaken, CallTalks, CallWaits
from emocx_pbx.deeds.base import Deed
from emocx_pbx.deeds.deed import OnReceivers
from emocx_pbx.dispatch.callback import new_call_id
from emocx_pbx.errors import InputError, OutcomeUnknown, PeerUnavailable, ProtocolError
from emocx_pbx.live.calls import BoardState, joined
from emocx_pbx.live.mirror import Mirror
from emocx_pbx.observe.health import Component, report_of
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.receivers import Receivers
from emocx_pbx.web import messages as m
from emocx_pbx.web.asking import MAX_ASKED, A, AskedByMessages, Question
from emocx_pbx.web.failures import made
from emocx_pbx.wire.link import Link
from emocx_pbx.wire.message import BadMessage

log = structlog.get_logger()

#: Seconds after which a live board that was requested and did not arrive is requested again.
BOARD_AGAIN_S: Final = 5.0
#: Most request times kept between two reports; further ones are not recorded.
MAX_TIMED: Final = 5_000

R = TypeVar("R")


class RemoteController(AskedByMessages):
    """One per process; `run` handles what the controller sends, until it stops us or is gone."""

    def __init__(self, link: Link[m.ToWeb], deadline_s: float, action_s: float) -> None:
        """`deadline_s` is the deadline for decisions, `action_s` that for actions on Asterisk, in seconds."""
        super().__init__(deadline_s, action_s, Mirror())
        self._link = link
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[m.Answering]] = {}
        self._state: m.StateNow | None = None
        self._board: list[BoardState] = []
        """Parts of the board that have arrived so far."""
        self._board_asked_at: float | None = None
        """When the board that has not arrived yet was requested."""
        self.began = asyncio.Event()
        """Set when state and board are known."""
        self.settings_changed: Listeners[[Settings]] = Listeners()
        """Listeners get the settings in force from now on."""

    @property
    def state(self) -> m.StateNow:
        """The newest state.

        Raises:
            PeerUnavailable: the controller has not reported its state yet.
        """
        if self._state is None:
            raise PeerUnavailable("the controller has not reported its state yet")
        return self._state

    def tell(self, message: m.FromWeb) -> None:
        """Send a message that needs no answer.

        Raises:
            PeerUnavailable: the controller is gone, or does not read.
        """
        self._link.send(message)

    async def run(self) -> None:
        """Take messages until Stop or the end of the link."""
        try:
            while True:
                try:
                    message = await self._link.receive()
                except BadMessage as error:
                    log.error("message refused", key="web.bad_message", why=str(error))
                    continue
                if message is None or isinstance(message, m.Stop):
                    return
                self._take(message)
        except ProtocolError as error:
            log.error("the controller sent an invalid message", key="web.garbled", why=str(error))
        finally:
            for future in self._asked.values():
                future.cancel()

    def _take(self, message: m.ToWeb) -> None:
        match message:
            case m.StateNow():
                self._state = message
            case m.BoardNow(state, first, last):
                self._board = [state] if first else [*self._board, state]
                if not last:
                    return
                self.mirror.begin(joined(self._board))
                self._board, self._board_asked_at = [], None
                if self.began.is_set():
                    self.board_anew.tell()
                self.began.set()
            case m.BoardChanged(number, kind, there, data):
                if not self.mirror.take(number, kind, there, data):
                    self._ask_board()
            case CallWaits() | CallTaken() | CallTalks() | CallIsOver():
                self.moves.tell(message)
            case m.ReceiversChanged():
                self.receivers_changed.tell()
            case m.SettingsChanged(settings):
                self.settings_changed.tell(settings)
            case m.Stop():
                pass  # ends `run`
            case _:
                future = self._asked.get(message.request_id)
                if future is not None and not future.done():
                    future.set_result(message)

    def _ask_board(self) -> None:
        """Changes were lost on their way: request the board again, and repeat that if it is lost as well."""
        at = time.monotonic()
        if self._board_asked_at is None or at - self._board_asked_at > BOARD_AGAIN_S:
            self._board_asked_at = at
            log.warning("live board lost, asking for it", key="web.board_lost")
            with suppress(PeerUnavailable):
                self.tell(m.BoardLost())

    async def _ask(
        self,
        question: Question,
        answer: type[A],
        deadline_s: float,
        pbx: str | None = None,
    ) -> A:
        if len(self._asked) >= MAX_ASKED:
            raise PeerUnavailable("too many requests wait for the controller already")
        number = next(self._ids)
        future: asyncio.Future[m.Answering] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            # On one machine, all monotonic clocks are one.
            self._link.send(question(number, time.monotonic() + deadline_s))
            async with asyncio.timeout(deadline_s):
                found = await future
        except TimeoutError:
            raise OutcomeUnknown("the controller did not answer in time") from None
        except BadMessage as error:
            raise InputError(f"can't be asked: {error}") from error
        finally:
            del self._asked[number]
        if isinstance(found, m.Failed):
            raise made(found)
        if not isinstance(found, answer):
            raise PeerUnavailable(f"the controller answered with {type(found).__name__}")
        return found

    def _tell(self, message: m.BecameCall, pbx: str) -> None:
        self.tell(message)


class RemoteDeeds:
    """Deeds, done by the controller; what they change is reread before the answer is shown."""

    def __init__(self, controller: RemoteController, receivers: Receivers) -> None:
        self._controller, self._receivers = controller, receivers

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """As RemoteController.do."""
        done = await self._controller.do(deed, by)
        if isinstance(deed, OnReceivers):
            await self._receivers.load()  # whoever asked shows them next
        return done


class RemoteCallBack:
    """Calling customers back, by the controller."""

    def __init__(
        self, controller: AskedByMessages, pbx: str = "", new_uuid: Callable[[], UUID] = uuid4
    ) -> None:
        """`pbx` places calls if no other is requested."""
        self._pbx, self._new_uuid = pbx, new_uuid
        self._controller = controller
        self.ring = controller.ring

    async def admit(self, text: str, pbx: str | None = None) -> str:
        """As AskedByMessages.admit."""
        return await self._controller.admit(text, self._pbx if pbx is None else pbx)

    def new_call_id(self, pbx: str | None = None) -> str:
        """A new id for a call that `pbx` is to place."""
        return new_call_id(self._new_uuid, self._pbx if pbx is None else pbx)


class RemoteHealth:
    """The controller's health board, as last reported."""

    def __init__(self, controller: RemoteController) -> None:
        self._controller = controller

    def components(self) -> Mapping[str, Component]:
        """All components, by name."""
        return self._controller.state.components

    @property
    def ready(self) -> bool:
        """Whether all are up."""
        components = self.components()
        return bool(components) and all(c.up for c in components.values())

    def report(self) -> dict[str, object]:
        """As HealthBoard.report."""
        return report_of(self.components())


class Tally:
    """What the process counts, until it is reported to the controller, whose metrics it becomes part of."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], float] = {}
        self._requests: list[tuple[str, float]] = []

    def count(self, name: str, label: str = "", by: float = 1.0) -> None:
        """As Metrics.count."""
        self._counts[name, label] = self._counts.get((name, label), 0.0) + by

    def request(self, area: str, seconds: float) -> None:
        """As Metrics.request."""
        if len(self._requests) < MAX_TIMED:
            self._requests.append((area, seconds))

    def taken(self, watchers: int) -> m.Counted:
        """Everything counted since the last time."""
        counts = tuple((name, label, by) for (name, label), by in self._counts.items())
        requests = tuple(self._requests)
        self._counts.clear()
        self._requests.clear()
        return m.Counted(counts, requests, watchers)

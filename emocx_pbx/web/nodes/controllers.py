"""The controllers as a web node sees them: found by their beats, asked with deadlines, shown as one.

Requests go to the controller that acts for a call's PBX; if none acts, to any reachable one. A controller
that was silent for LOST_S seconds is gone, and requests that waited for its answer fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.errors import EmocxError, InputError, OutcomeUnknown, PeerUnavailable
from emocx_pbx.live.calls import BoardState, joined
from emocx_pbx.live.union import LiveUnion
from emocx_pbx.observe.health import Component
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.web import messages as m
from emocx_pbx.web.asking import MAX_ASKED, RELOAD_S, A, AskedByMessages, Question
from emocx_pbx.web.failures import made
from emocx_pbx.web.nodes.messages import (
    AskBoard,
    AskState,
    ControllerBeat,
    FromController,
    StateIs,
    WebNews,
)
from emocx_pbx.wire.bus import Bus, NobodyThere
from emocx_pbx.wire.message import BadMessage

log = structlog.get_logger()

#: Seconds without a sign of life; a controller beats twice a second.
LOST_S: Final = 2.5
#: Seconds between checks for silent controllers.
LOOK_S: Final = 0.25
#: Seconds for a controller's state, and for its promise to send the board.
STATE_S: Final = 2.0
#: Seconds after which a live board that was requested and did not arrive is requested again.
BOARD_AGAIN_S: Final = 3.0
#: Most changes kept while a board is on its way.
MAX_KEPT: Final = 16_384

_NEWS: Final = msgspec.msgpack.Decoder(WebNews)
_ANSWER: Final = msgspec.msgpack.Decoder(FromController)


@dataclass(slots=True, eq=False)
class Known:
    """One controller, as far as it is known."""

    life: str
    beat: ControllerBeat
    seen_at: float
    """Monotonic seconds."""
    ahead_s: float | None = None
    """By how much its monotonic clock is ahead of ours, less the time that its quickest beat took; None: it
    does not say.
    """
    state: m.StateNow | None = None
    state_number: int = -1
    asking_state: bool = False
    parts: list[BoardState] = field(default_factory=list)
    """Parts of its board, as they arrive."""
    board_asked_at: float | None = None
    """Monotonic seconds when the board was requested; None: none is on its way."""
    kept: list[m.BoardChanged] = field(default_factory=list)
    """Changes that arrived meanwhile."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Controllers(AskedByMessages):
    """One per web node."""

    def __init__(
        self,
        bus: Bus,
        life: str,
        deadline_s: float,
        action_s: float,
        own: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
        measured: Callable[[], tuple[bytes, str]],
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            life: identifies this process.
            deadline_s: seconds for decisions.
            action_s: seconds for actions on Asterisk.
            own: owns a task.
            clock: monotonic seconds.
            measured: this node's metrics as Prometheus text, and its content type.
        """
        self._measured = measured
        self.live = LiveUnion()
        super().__init__(deadline_s, action_s, self.live.whole)
        self._bus, self._life, self._own, self._clock = bus, life, own, clock
        self._known: dict[str, Known] = {}
        self._owners: dict[str, str] = {}
        self._asked = 0
        self._unsent: list[tuple[str, m.BecameCall]] = []
        self.live.anew.subscribe(self.board_anew.tell)

    async def start(self) -> None:
        """Hear of controllers from now on."""
        await self._bus.hear(subjects.WEB_NEWS, _NEWS, self._on_news)
        await self._bus.hear(subjects.web_board(self._life), _NEWS, self._on_news)

    async def run(self) -> None:
        """Notice which controllers are gone, and request what is missing, until cancelled."""
        while True:
            at = self._clock()
            for known in list(self._known.values()):
                if at - known.seen_at > LOST_S:
                    self._lose(known)
            for known in self._known.values():
                if known.board_asked_at is not None and at - known.board_asked_at > BOARD_AGAIN_S:
                    self._ask_board(known)
            await asyncio.sleep(LOOK_S)

    # What is known.

    @property
    def away(self) -> str:
        """Why there is nothing live to show, in one line; empty: there is."""
        if any(life in self._known for life in self._owners.values()):
            return ""
        if not self._bus.up:
            return "NATS can't be reached, so no controller can be: live calls are not known here"
        return "no controller answers: live calls are not known here"

    @property
    def state(self) -> m.StateNow:
        """The state of all controllers that act, as one."""
        acting = [known.state for known in self._acting() if known.state is not None]
        if not acting:
            raise PeerUnavailable(self.away or "the controller has not told of itself yet")
        first, *others = acting
        for other in others:
            first = m.StateNow(
                {**other.components, **first.components},
                {**other.queues, **first.queues},
                first.policy,
                (*first.workers, *other.workers),
                {**other.pbx_queues, **first.pbx_queues},
            )
        return first

    # As while the link to Asterisk is down: pages of records work without it.

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """All PBXes' queues as last seen; empty if no controller acts."""
        return self.state.queues if self._tells() else {}

    @property
    def pbx_queues(self) -> Mapping[str, Mapping[str, QueueState]]:
        """Each PBX's queues as last seen, by its name; without PBXes for which no controller acts."""
        return self.state.pbx_queues if self._tells() else {}

    def models(self) -> Sequence[Ready]:
        """What each analysis worker reported about its models."""
        return self.state.workers if self._tells() else ()

    def _tells(self) -> bool:
        return any(known.state is not None for known in self._acting())

    def components(self) -> Mapping[str, Component]:
        """All controllers' parts, by name and node."""
        return {
            f"{name} at {known.beat.node}": component
            for known in self._known.values()
            for name, component in (known.state.components if known.state else {}).items()
        }

    def versions(self) -> Mapping[str, str]:
        """The version of each controller, by its node."""
        return {known.beat.node: known.beat.version for known in self._known.values()}

    @property
    def acted_for(self) -> frozenset[str]:
        """PBXes for which a controller acts."""
        return frozenset(self._owners)

    def _acting(self) -> Iterator[Known]:
        """The acting controllers, each once, in the order of their PBXes' names."""
        for life in dict.fromkeys(self._owners[pbx] for pbx in sorted(self._owners)):
            yield self._known[life]

    # In.

    def _on_news(self, news: WebNews) -> None:
        known, what = self._known.get(news.life), news.what
        match what:
            case ControllerBeat():
                self._on_beat(news.life, known, what)
            case m.BoardChanged() if known is not None:
                self._on_change(known, what)
            case m.BoardNow(part, first, last) if known is not None:
                known.parts = [part] if first else [*known.parts, part]
                if last:
                    self._on_board(known, joined(known.parts))
            case m.BoardChanged() | m.BoardNow():
                pass  # its first beat has not arrived yet
            case m.ReceiversChanged():
                self.receivers_changed.tell()
            case _:
                self.moves.tell(what)

    def _on_beat(self, life: str, known: Known | None, beat: ControllerBeat) -> None:
        new = known is None
        if known is None:
            known = self._known[life] = Known(life, beat, self._clock())
            log.info("controller found", key="web.controller_found", node=beat.node, acts=list(beat.acts))
        acted, known.beat, known.seen_at = known.beat.acts, beat, self._clock()
        if beat.clock is not None:
            ahead_s = beat.clock - known.seen_at
            known.ahead_s = ahead_s if known.ahead_s is None else max(known.ahead_s, ahead_s)
        if beat.state != known.state_number and not known.asking_state:
            known.asking_state = True
            self._own(self._read_state(known))
        if known.board_asked_at is None and self.live.number(life) != beat.board:
            self._ask_board(known)
        if new or acted != beat.acts:
            self._settle()

    def _settle(self) -> None:
        """Who acts for what: of two that claim to, the one in the later term."""
        found: dict[str, tuple[int, str]] = {}
        for known in self._known.values():
            for pbx, epoch in known.beat.acts.items():
                found[pbx] = max(found.get(pbx, (-1, "")), (epoch, known.life))
        self._owners = {pbx: life for pbx, (_, life) in found.items()}
        self.live.own(self._owners)

    def _lose(self, known: Known) -> None:
        log.warning("controller lost", key="web.controller_lost", node=known.beat.node)
        del self._known[known.life]
        known.gone.set()
        self._settle()
        self.live.leave(known.life)

    async def _read_state(self, known: Known) -> None:
        try:
            found = await self._bus.ask(subjects.web_asked(known.life), AskState(), _ANSWER, STATE_S)
            if isinstance(found, StateIs):
                known.state, known.state_number = found.state, found.number
        except (EmocxError, BadMessage) as error:  # the next beat asks again
            log.debug("state not read", key="web.no_state", node=known.beat.node, why=str(error))
        finally:
            known.asking_state = False

    def _ask_board(self, known: Known) -> None:
        known.board_asked_at, known.kept, known.parts = self._clock(), [], []
        self._own(self._order_board(known))

    async def _order_board(self, known: Known) -> None:
        with suppress(EmocxError, BadMessage):  # requested again if it does not arrive
            asked = AskBoard(self._life)
            await self._bus.ask(subjects.web_asked(known.life), asked, _ANSWER, STATE_S)

    def _on_board(self, known: Known, state: BoardState) -> None:
        kept, known.kept, known.parts, known.board_asked_at = known.kept, [], [], None
        self.live.begin(known.life, state)
        for change in kept:
            self._on_change(known, change)

    def _on_change(self, known: Known, change: m.BoardChanged) -> None:
        number = self.live.number(known.life)
        if known.board_asked_at is not None:
            if len(known.kept) < MAX_KEPT:
                known.kept.append(change)
        elif number is None or change.number > number + 1:
            self._ask_board(known)
            known.kept.append(change)
        elif change.number == number + 1:
            self.live.take(known.life, change.number, change.kind, change.there, change.data)

    # Out.

    def _tell(self, message: m.BecameCall, pbx: str) -> None:
        self._unsent.append((subjects.web_asked(self._whom(pbx)[0].life), message))
        self._own(self._tell_all())

    async def _tell_all(self) -> None:
        while self._unsent:
            await self._bus.tell(*self._unsent.pop(0))

    def _whom(self, pbx: str | None) -> list[Known]:
        """Controllers to ask, the best first: one that acts for the PBX, for another, or that stands by."""
        acting = self._owners.get(pbx) if pbx is not None else None
        mine = [self._known[acting]] if acting is not None else []
        found = list(dict.fromkeys([*mine, *self._acting(), *self._known.values()]))
        if not found:
            raise PeerUnavailable(
                "no controller answers" if self._bus.up else "NATS can't be reached, so no controller can be"
            )
        return found

    async def _ask(
        self,
        question: Question,
        answer: type[A],
        deadline_s: float,
        pbx: str | None = None,
    ) -> A:
        if self._asked >= MAX_ASKED:
            raise PeerUnavailable("too many requests wait for the controller already")
        self._asked += 1
        try:
            await self._tell_all()
            for known in self._whom(pbx):
                try:
                    return await self._ask_one(known, question, answer, deadline_s)
                except NobodyThere:
                    continue  # it has just ended: nothing was done
            raise PeerUnavailable("no controller answers")
        except BadMessage as error:
            raise InputError(f"can't be asked: {error}") from error
        finally:
            self._asked -= 1

    async def _ask_one(self, known: Known, question: Question, answer: type[A], deadline_s: float) -> A:
        """Ask one; fails as soon as it is known to be gone."""
        # By when we give it up if it stands still from now on.
        given_up = min(self._clock() + deadline_s, known.seen_at + LOST_S)
        until = None if known.ahead_s is None else given_up + known.ahead_s
        asking = asyncio.ensure_future(
            self._bus.ask(subjects.web_asked(known.life), question(0, until), _ANSWER, deadline_s)
        )
        gone = asyncio.ensure_future(known.gone.wait())
        try:
            await asyncio.wait({asking, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise OutcomeUnknown("the controller is gone; it may have done what it was asked")
            found = asking.result()
        finally:
            for waiting in (asking, gone):
                waiting.cancel()
            await asyncio.gather(asking, gone, return_exceptions=True)
        if isinstance(found, m.Failed):
            raise made(found)
        if not isinstance(found, answer):
            raise PeerUnavailable(f"the controller answered with {type(found).__name__}")
        return found

    async def scrape(self) -> tuple[bytes, str]:
        """Metrics of this node: each controller has its own."""
        return self._measured()

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        """As AskedByMessages.reload, for every reachable controller."""
        asked = [
            self._ask_one(known, lambda n, _: m.ReloadAll(n, wait), m.ReloadedAll, RELOAD_S)
            for known in self._whom(None)
        ]
        loaded: list[ModelsLoaded] = []
        errors: list[BaseException] = []
        for answered in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answered, BaseException):
                errors.append(answered)
            else:
                loaded += answered.workers
        if errors:
            raise errors[0]
        return loaded

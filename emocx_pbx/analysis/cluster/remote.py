"""One worker on another host as a controller sees it: asked over NATS, known by its signs of life."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import Beat, FromWorkerHost, Order, Sessions, WhichTaps
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    EndSession,
    LoadModels,
    ModelsLoaded,
    Ready,
    SwapModels,
    TextResult,
    WorkerStats,
)
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.wire.bus import Bus

log = structlog.get_logger()

#: For the answer to an announcement; the caller, or the call, goes elsewhere after that.
ANNOUNCE_S: Final = 0.5

_ANSWER: Final = msgspec.msgpack.Decoder(FromWorkerHost)

#: Owns a task.
Own = Callable[[Coroutine[None, None, None]], object]


class RemoteWorker:
    """One process of a worker elsewhere; its next one is another."""

    def __init__(self, beat: Beat, index: int, bus: Bus, by: str, own: Own) -> None:
        """Prepare.

        Args:
            beat: its first sign of life.
            index: its number.
            bus: the connection.
            by: the controller's life.
            own: owns a task.
        """
        self.beat = beat
        """The latest."""
        self._index, self._bus, self._by, self._own = index, bus, by, own
        self.uuids: set[str] = set()
        """Taps and questions of this controller."""
        self.lost = False
        self.to_end: dict[str, EndSession] = {}
        """What it was told to end, until it did."""

    @property
    def index(self) -> int:
        """Its number, the same after it was started again."""
        return self._index

    @property
    def site(self) -> str:
        """Where it stands."""
        return self.beat.site

    @property
    def address(self) -> str:
        """Where Asterisk reaches its AudioSocket port: HOST:PORT."""
        return self.beat.address

    @property
    def ready(self) -> Ready | None:
        """What it has."""
        return self.beat.ready

    @property
    def stats(self) -> WorkerStats | None:
        """Its latest."""
        beat = self.beat
        return beat.stats and msgspec.structs.replace(
            beat.stats, worker=self._index, name=beat.worker, site=beat.site
        )

    @property
    def local(self) -> bool:
        """It is elsewhere."""
        return False

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately, and takes new taps."""
        return not self.lost and not self.beat.draining and not self.beat.behind

    @property
    def responsive(self) -> bool:
        """Whether it can be told now, as far as we know."""
        return self.alive and self._bus.up

    @property
    def sessions(self) -> int:
        """Taps and questions: all controllers' as it last said, ours as we know."""
        return max(self.beat.sessions, len(self.uuids))

    async def announce(self, message: AnnounceTap | AnnounceListen) -> None:
        """Have it expect an AudioSocket.

        Raises:
            PeerUnavailable: it did not say that it does.
        """
        self.uuids.add(message.uuid)
        try:
            await self._order(message, ANNOUNCE_S)
        except (PeerUnavailable, RefusedError, ProtocolError) as error:
            self.uuids.discard(message.uuid)
            self.see_ended(EndSession(message.uuid))
            raise PeerUnavailable(f"worker {self.beat.worker}: {error}") from error

    def send(self, message: EndSession) -> None:
        """Have a session end; told again with each of its signs of life until it did.

        Raises:
            PeerUnavailable: it is lost.
        """
        if self.lost:
            raise PeerUnavailable(f"worker {self.beat.worker} is lost")
        self.see_ended(message)

    def see_ended(self, message: EndSession) -> None:
        """Have a session end, now or when the worker is back."""
        self.to_end[message.uuid] = message
        self._own(self.end(message))

    async def end(self, message: EndSession) -> None:
        """Have it end a session, if it hears us."""
        try:
            await self._order(message, ANNOUNCE_S)
        except (PeerUnavailable, RefusedError, ProtocolError) as error:
            log.debug("not told to end", key="remote.end", worker=self.beat.worker, why=str(error))
            return
        self.to_end.pop(message.uuid, None)

    async def ask(
        self, message: ClassifyText | LoadModels | SwapModels, within_s: float
    ) -> TextResult | ModelsLoaded:
        """Its answer.

        Raises:
            PeerUnavailable: none came in time.
        """
        try:
            answer = await self._order(message, within_s)
        except (RefusedError, ProtocolError) as error:
            raise PeerUnavailable(f"worker {self.beat.worker}: {error}") from error
        if not isinstance(answer, TextResult | ModelsLoaded):
            raise PeerUnavailable(f"worker {self.beat.worker}: no answer but {type(answer).__name__}")
        return answer

    async def which(self, pbx: str) -> tuple[str, ...]:
        """UUIDs of what it has of a PBX.

        Raises:
            PeerUnavailable, RefusedError, ProtocolError: it did not say.
        """
        answer = await self._bus.ask(subjects.orders(self.beat.life), WhichTaps(pbx), _ANSWER, ANNOUNCE_S)
        return answer.uuids if isinstance(answer, Sessions) else ()

    async def _order(
        self,
        message: AnnounceTap | AnnounceListen | EndSession | ClassifyText | LoadModels | SwapModels,
        within_s: float,
    ) -> FromWorkerHost:
        order = Order(self._by, message)
        return await self._bus.ask(subjects.orders(self.beat.life), order, _ANSWER, within_s)

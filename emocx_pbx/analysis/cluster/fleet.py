"""All workers on other hosts: found, lost, found again; delivers their messages as a pool does."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import Beat, DecidedAlone, Echo, OrderTaken, TapBatch
from emocx_pbx.analysis.cluster.presence import Presence
from emocx_pbx.analysis.cluster.remote import Own, RemoteWorker
from emocx_pbx.analysis.handle import WorkerLost
from emocx_pbx.analysis.messages import (
    CallerPlaced,
    EndSession,
    ListenResult,
    TapEnded,
    TapStarted,
    ToController,
)
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.wire.bus import Bus, Subscriber
from emocx_pbx.wire.link import decoded

log = structlog.get_logger()

#: Seconds between two echoes of ourselves.
ECHO_S: Final = 0.25
#: Numbers of the first workers elsewhere; our own are below.
FIRST_INDEX: Final = 64
#: Most taps whose last batch number is remembered, so that nothing is taken twice.
MOST_TAPS: Final = 50_000
#: Worker processes remembered after they were lost: one that was frozen may come back.
MOST_LOST: Final = 256

_BEAT: Final = msgspec.msgpack.Decoder(Beat)
_ECHO: Final = msgspec.msgpack.Decoder(Echo)
_DIRECT: Final = msgspec.msgpack.Decoder(TapStarted | CallerPlaced)
_LISTEN_RESULT: Final = msgspec.msgpack.Decoder(ListenResult)
_BATCH: Final = msgspec.msgpack.Decoder(TapBatch)

ToService = ToController | WorkerLost | DecidedAlone


class Fleet:
    """One per controller; everything happens on the event loop."""

    def __init__(
        self,
        bus: Bus,
        life: str,
        deliver: Callable[[ToService], None],
        pbxs: Callable[[], Iterable[str]],
        own: Own,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            life: names this process of the controller.
            deliver: gets workers' messages, and losses, as from a WorkerPool.
            pbxs: names of the PBXes that we act for now.
            own: owns a task.
            clock: monotonic seconds.
        """
        self._bus, self._life, self._deliver, self._pbxs, self._own = bus, life, deliver, pbxs, own
        self._clock = clock
        self._presence = Presence()
        self._subscribers: dict[str, Subscriber] = {}
        """Of taps that begin, by PBX."""
        self._by_life: dict[str, RemoteWorker] = {}
        self._indexes: dict[str, int] = {}
        """By the worker's name: the same over its restarts."""
        self._numbers: OrderedDict[str, int] = OrderedDict()
        """Of the last batch taken, by tap."""
        self._given_up: OrderedDict[str, None] = OrderedDict()
        """Taps of lost workers: what still comes of them is late, their calls are heard by others."""

    @property
    def workers(self) -> list[RemoteWorker]:
        """Workers that are known and not lost, including those that drain."""
        return [worker for worker in self._by_life.values() if not worker.lost]

    async def start(self) -> None:
        """Hear of workers from now on."""
        await self._bus.hear(subjects.BEATS, _BEAT, self._on_beat)
        await self._bus.hear(subjects.echo(self._life), _ECHO, self._on_echo)
        await self._bus.answer(subjects.controller(self._life), _LISTEN_RESULT, self._on_listened)

    async def act_for(self, pbx: str) -> None:
        """Subscribe to this PBX's tap starts; their messages arrive by `take`."""
        if pbx not in self._subscribers:
            self._subscribers[pbx] = await self._bus.hear(subjects.at_once(pbx), _DIRECT, self._on_direct)
        for worker in self.workers:
            self._own(self._reconcile(worker, [pbx]))

    async def leave(self, pbx: str) -> None:
        """Its taps are another controller's."""
        if subscriber := self._subscribers.pop(pbx, None):
            await subscriber.end()

    async def run(self) -> None:
        """Listen for ourselves, until cancelled."""
        while True:
            await self._bus.tell(subjects.echo(self._life), Echo())
            await asyncio.sleep(ECHO_S)

    # What workers say.

    def _on_beat(self, beat: Beat) -> None:
        worker = self._by_life.get(beat.life)
        if worker is None:
            for other in self.workers:
                if other.beat.worker == beat.worker:
                    self._lose(other, "it was started again")
            index = self._indexes.setdefault(beat.worker, FIRST_INDEX + len(self._indexes))
            worker = RemoteWorker(beat, index, self._bus, self._life, self._own)
            self._by_life[beat.life] = worker
        before, worker.beat = worker.beat, beat
        if self._presence.beat(beat.life):
            worker.lost = False
            log.info(
                "worker on another host found", key="remote.found", worker=beat.worker, address=beat.address
            )
            self._deliver(beat.ready)
            self._own(self._reconcile(worker, list(self._pbxs())))
        elif before.ready != beat.ready or (before.behind and not beat.behind):
            self._deliver(beat.ready)
        if beat.behind and beat.behind != before.behind:
            log.warning("takes no calls until it has the cluster's models", key="remote.behind",
                        worker=beat.worker, why=beat.behind)  # fmt: skip
        if worker.stats is not None and before.stats != beat.stats:
            self._deliver(worker.stats)
        for message in list(worker.to_end.values()):
            self._own(worker.end(message))

    def _on_echo(self, echo: Echo) -> None:
        for life in self._presence.echoed(self._clock()):
            self._lose(self._by_life[life], "it is silent")

    def _lose(self, worker: RemoteWorker, why: str) -> None:
        worker.lost = True
        self._presence.forget(worker.beat.life)
        uuids, worker.uuids = tuple(sorted(worker.uuids)), set()
        tell = log.info if worker.beat.draining and not uuids else log.error
        tell("worker elsewhere lost", key="remote.lost", worker=worker.beat.worker, why=why, taps=len(uuids))
        self._given_up |= dict.fromkeys(uuids)
        while len(self._given_up) > MOST_TAPS:
            self._given_up.popitem(last=False)
        for life in [life for life, other in self._by_life.items() if other.lost][:-MOST_LOST]:
            del self._by_life[life]
        self._deliver(WorkerLost(worker.index, uuids))

    async def _reconcile(self, worker: RemoteWorker, pbxs: Iterable[str]) -> None:
        """Have a worker end sessions on our PBXes that we do not know of: they were lost, or another
        controller's.
        """
        for pbx in pbxs:
            try:
                its = await worker.which(pbx)
            except (PeerUnavailable, RefusedError, ProtocolError) as error:
                log.debug("its taps are not known", key="remote.which", why=str(error))
                continue
            for uuid in set(its) - worker.uuids:
                log.info("no longer its own", key="remote.not_own", worker=worker.beat.worker, uuid=uuid)
                worker.see_ended(EndSession(uuid))

    def _on_direct(self, message: TapStarted | CallerPlaced) -> None:
        if message.uuid not in self._given_up:
            self._deliver(message)

    async def _on_listened(self, result: ListenResult) -> OrderTaken:
        self._over(result.uuid)
        self._deliver(result)
        return OrderTaken()

    def _over(self, uuid: str) -> None:
        for worker in self._by_life.values():
            worker.uuids.discard(uuid)
            worker.to_end.pop(uuid, None)

    def take(self, body: bytes) -> None:
        """Take a tap's batch from the stream; each once, however often it is repeated.

        Raises:
            BadMessage: it is not a valid batch.
        """
        batch = decoded(_BATCH, body)
        last = self._numbers.get(batch.uuid)
        if batch.uuid in self._given_up or (last is not None and batch.number <= last):
            return
        self._numbers[batch.uuid] = batch.number
        self._numbers.move_to_end(batch.uuid)
        while len(self._numbers) > MOST_TAPS:
            self._numbers.popitem(last=False)
        if last is None and batch.started is not None and not isinstance(batch.messages[0], TapStarted):
            self._deliver(batch.started)  # another controller saw it begin
        for message in batch.messages:
            if isinstance(message, TapEnded):
                self._over(message.uuid)
            self._deliver(message)

"""A worker's end of the cluster, in place of the socket that a worker of the pool inherits.

Controllers' orders arrive as requests and are answered; results go into the stream, from a backlog that keeps
them while NATS is unreachable; signs of life say where the worker is and what it has.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.backlog import Backlog
from emocx_pbx.analysis.cluster.messages import (
    Beat,
    DecidedAlone,
    Drain,
    Draining,
    FromTap,
    FromWorkerHost,
    Order,
    OrderTaken,
    Sessions,
    ToWorkerHost,
    WhichTaps,
)
from emocx_pbx.analysis.cluster.place import OfModels, WorkerIdentity, topics_digest
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    CallerPlaced,
    ClassifyText,
    EndSession,
    ListenResult,
    LoadModels,
    ModelsLoaded,
    NoPort,
    ReadingMade,
    Ready,
    SwapModels,
    TapEnded,
    TapStarted,
    TextResult,
    ToWorker,
    UtteranceEnded,
    WordsSaid,
    WorkerStats,
)
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.wire.bus import Bus, StreamFull
from emocx_pbx.wire.message import Message
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

log = structlog.get_logger()

#: Seconds between two signs of life.
BEAT_S: Final = 0.5
#: Orders that wait for the worker; more are refused.
MOST_ORDERS: Final = 4096
#: For a text, and for loading models; who asked waits less.
TEXT_S: Final = 5.0
LOAD_S: Final = 60.0
#: What a caller said is told until the controller says that it heard: so long (s), each try so long.
TELL_S: Final = 3.0
TRY_S: Final = 0.5
#: Between two tries to have the stream take what waits.
FIRST_RETRY_S: Final = 0.05
LAST_RETRY_S: Final = 0.5
#: At the end, for what the stream has not taken yet.
FLUSH_S: Final = 5.0

_WORDS: Final = msgspec.msgpack.Decoder(ToWorkerHost)
_ANSWER: Final = msgspec.msgpack.Decoder(FromWorkerHost)
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Session:
    """A tap or question that was announced and is not over."""

    pbx: str
    by: str


class NatsLink:
    """One for the process; `run` beside what uses it."""

    def __init__(
        self,
        bus: Bus,
        plan: StreamPlan,
        place: WorkerIdentity,
        clock: Callable[[], float],
        checksums: Callable[[Ready], dict[str, str]] = lambda ready: {},
        count: Callable[[str], None] = lambda name: None,
        of_models: Callable[[], OfModels] = OfModels,
        topics: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            plan: of the stream.
            place: which worker this is.
            clock: monotonic seconds.
            checksums: of the models that are in use; may read files.
            count: adds one to a counter.
            of_models: how its models stand to those of the cluster, now.
            topics: that it learns at its start.
        """
        self._of_models, self._topics = of_models, topics_digest(topics or {})
        self._bus, self._plan, self._place, self._checksums = bus, plan, place, checksums
        self._backlog = Backlog(clock, count)
        self._inbox: asyncio.Queue[ToWorker | None] = asyncio.Queue(MOST_ORDERS)
        self._sessions: dict[str, _Session] = {}
        self._answers: dict[str, asyncio.Future[TextResult | ModelsLoaded]] = {}
        self._numbers = itertools.count(1)
        self._ready: Ready | None = None
        self._stats: WorkerStats | None = None
        self._sums: dict[str, str] = {}
        self._draining = False
        self._something_kept, self._beat_now = asyncio.Event(), asyncio.Event()
        self._poured, self._emptied = asyncio.Event(), asyncio.Event()
        self._emptied.set()
        self._tasks: set[asyncio.Task[object]] = set()

    # To the controllers (wire.link.Ends).

    def send(self, message: Message) -> None:
        """Send the worker's message to where it belongs; never fails, never waits."""
        match message:
            case TapStarted() | CallerPlaced():
                # Directly: who waits for a tap must not wait for the stream, and that keeps no voice.
                self._own(self._bus.tell(subjects.at_once(pbx_of(message.call_id)), message))
                if isinstance(message, TapStarted):
                    self._keep(message)
            case ReadingMade() | UtteranceEnded() | WordsSaid() | DecidedAlone():
                self._keep(message)
            case TapEnded(uuid):
                self._keep(message)
                self._over(uuid)
            case ListenResult(uuid):
                if session := self._over(uuid):
                    self._own(self._tell_listened(session.by, message))
            case TextResult(request_id) | ModelsLoaded(request_id):
                if isinstance(message, ModelsLoaded) and self._ready:
                    models = {"speech_model": message.speech_model, "text_model": message.text_model}
                    self._now_ready(msgspec.structs.replace(self._ready, **models))
                if (future := self._answers.get(request_id)) and not future.done():
                    future.set_result(message)
            case Ready():
                self._now_ready(message)
            case WorkerStats():
                self._stats = message
            case NoPort(why):
                log.critical("no port for audio", key="worker.no_port", why=why)

    def _keep(self, message: FromTap) -> None:
        self._backlog.put(message)
        self._something_kept.set()

    def _over(self, uuid: str) -> _Session | None:
        session = self._sessions.pop(uuid, None)
        self._end_if_drained()
        return session

    def _now_ready(self, ready: Ready) -> None:
        self._ready = ready
        self._own(self._sum_up(ready))
        self._beat_now.set()

    async def _sum_up(self, ready: Ready) -> None:
        self._sums = await asyncio.to_thread(self._checksums, ready)
        self._beat_now.set()

    async def _tell_listened(self, by: str, result: ListenResult) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + TELL_S
        while True:
            try:
                await self._bus.ask(subjects.controller(by), result, _ANSWER, TRY_S)
                return
            except (PeerUnavailable, RefusedError, ProtocolError) as error:
                if loop.time() >= ends:
                    log.warning("a caller's question not delivered", key="worker.unheard", why=str(error))
                    return
            await asyncio.sleep(FIRST_RETRY_S)

    # From the controllers.

    async def receive(self) -> ToWorker | None:
        """The next order; None: drained, and all is over."""
        return await self._inbox.get()

    async def start(self) -> None:
        """Take orders from now on."""
        await self._bus.answer(subjects.orders(self._place.life), _WORDS, self._take)
        await self._bus.answer(subjects.drain(self._place.worker), _WORDS, self._take)

    async def _take(self, message: ToWorkerHost) -> Message:
        match message:
            case Drain():
                self._draining = True
                log.warning("draining", key="worker.draining", sessions=len(self._sessions))
                self._beat_now.set()
                self._end_if_drained()
                return Draining(len(self._sessions))
            case WhichTaps(pbx):
                return Sessions(tuple(uuid for uuid, one in self._sessions.items() if one.pbx == pbx))
            case Order(by, order):
                return await self._obey(by, order)

    async def _obey(self, by: str, order: ToWorker) -> Message:
        match order:
            case AnnounceTap() | AnnounceListen():
                behind = self._of_models().behind
                if self._draining or self._ready is None or behind:
                    raise PeerUnavailable("draining" if self._draining else behind or "not ready yet")
                self._put(order)
                self._sessions[order.uuid] = _Session(pbx_of(order.call_id), by)
            case ClassifyText():
                return await self.ask(order, TEXT_S)
            case LoadModels() | SwapModels():
                return await self.ask(order, LOAD_S)
            case EndSession():
                self._put(order)
        return OrderTaken()

    def _put(self, order: ToWorker) -> None:
        try:
            self._inbox.put_nowait(order)
        except asyncio.QueueFull:
            raise PeerUnavailable("too many orders wait") from None

    async def ask(
        self, asked: ClassifyText | LoadModels | SwapModels, within_s: float
    ) -> TextResult | ModelsLoaded:
        """The worker's answer; under an id of our own, as those of two controllers may be alike.

        Raises:
            PeerUnavailable: it has not come in time.
        """
        request_id = f"o{next(self._numbers)}"
        future: asyncio.Future[TextResult | ModelsLoaded] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = future
        try:
            self._put(msgspec.structs.replace(asked, request_id=request_id))
            if isinstance(asked, LoadModels) and asked.topics is not None:
                self._topics = topics_digest(asked.topics)
            async with asyncio.timeout(within_s):
                answer = await future
        except TimeoutError:
            raise PeerUnavailable(f"no answer within {within_s:g} s") from None
        finally:
            del self._answers[request_id]
        return msgspec.structs.replace(answer, request_id=asked.request_id)

    def _end_if_drained(self) -> None:
        if self._draining and not self._sessions:
            log.info("drained", key="worker.drained")
            self._put_end()

    def _put_end(self) -> None:
        if not self._inbox.full():
            self._inbox.put_nowait(None)

    # Life.

    @property
    def ready(self) -> Ready | None:
        """What the worker has; None: it loads."""
        return self._ready

    def beat_now(self) -> None:
        """Tell at once that something is another."""
        self._beat_now.set()

    async def run(self) -> None:
        """Send signs of life, and have the stream take the results, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._pour())
            group.create_task(self._group())

    async def _beat(self) -> None:
        while True:
            self._beat_now.clear()
            if self._ready is not None:
                place = self._place
                beat = Beat(
                    worker=place.worker,
                    life=place.life,
                    node=place.node,
                    site=place.site,
                    address=f"{place.host}:{self._ready.port}",
                    version=place.version,
                    checksums=self._sums,
                    ready=self._ready,
                    stats=self._stats,
                    sessions=len(self._sessions),
                    draining=self._draining,
                    dropped=self._backlog.dropped,
                    waiting=len(self._backlog),
                    models=self._of_models().number,
                    behind=self._of_models().behind,
                    topics=self._topics,
                )
                await self._bus.tell(subjects.beat(place.life), beat)
            await _within(self._beat_now, BEAT_S)

    async def _group(self) -> None:
        """Let utterances go that no reading took along."""
        while True:
            self._something_kept.clear()
            self._backlog.close_due()
            if self._backlog.first is not None:
                self._poured.set()
            await _within(self._something_kept, self._backlog.due_in())

    async def _pour(self) -> None:
        """One batch after another: so their order holds, whatever is repeated."""
        retry_s, why = FIRST_RETRY_S, ""
        while True:
            batch = self._backlog.first
            if batch is None:
                self._emptied.set()
                self._poured.clear()
                await self._poured.wait()
                continue
            self._emptied.clear()
            subject = subjects.tap(pbx_of(batch.call_id), batch.uuid)
            try:
                await self._bus.keep(subject, _encode(batch), f"{batch.uuid}.{batch.number}")
            except PeerUnavailable as error:
                if str(error) != why:
                    why = str(error)
                    log.warning(
                        "what is heard waits", key="worker.waits", why=why, waiting=len(self._backlog)
                    )
                if not isinstance(error, StreamFull):
                    await self._see_to_stream()
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LAST_RETRY_S)
                continue
            if why:
                log.warning(
                    "the stream accepts messages again", key="worker.pours", waiting=len(self._backlog)
                )
            retry_s, why = FIRST_RETRY_S, ""
            self._backlog.sent()

    async def _see_to_stream(self) -> None:
        try:
            await ensure_stream(self._bus, self._plan)
        except PeerUnavailable as error:
            log.debug("no stream", key="worker.no_stream", why=str(error))

    async def close(self) -> None:
        """Have the stream take what is left, within FLUSH_S."""
        self._backlog.close_due(all_of_them=True)
        if len(self._backlog):
            self._emptied.clear()
            self._poured.set()
        try:
            async with asyncio.timeout(FLUSH_S):
                while self._tasks:
                    await asyncio.wait(self._tasks)
                await self._emptied.wait()
        except TimeoutError:
            log.error(
                "some messages about taps were not kept", key="worker.unflushed", lost=len(self._backlog)
            )

    def _own(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a message was not delivered", key="worker.untold", exc_info=error)


async def _within(event: asyncio.Event, seconds: float | None) -> None:
    """Wait until the event is set, or the time is up."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass

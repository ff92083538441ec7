"""A worker at work: its AudioSocket port, its models, and the calls it was told to expect."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from typing import Final
from uuid import UUID

import msgspec
import structlog

from emocx_pbx.analysis.budget import Budget, Coarse
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    EndSession,
    KeepWords,
    ListenResult,
    LoadModels,
    LogAs,
    ModelsLoaded,
    Ready,
    Shutdown,
    SwapModels,
    TakePlace,
    TapEnded,
    ToWorker,
    WorkerStats,
)
from emocx_pbx.analysis.worker.carries import Carries, measure
from emocx_pbx.analysis.worker.guesses import Guesses
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.intake import Intake, in_next_turn
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.listen import Listen
from emocx_pbx.analysis.worker.models import Loader, Models, Newer, transcribed_at_once
from emocx_pbx.analysis.worker.questions import Questions
from emocx_pbx.analysis.worker.scribe import Scribe
from emocx_pbx.analysis.worker.tap import CallAudio, Tap
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.observe.logs import configure
from emocx_pbx.pbx.audiosocket.batches import PERIOD_S
from emocx_pbx.pbx.audiosocket.server import AudioPort, AudioServer, SessionHandler
from emocx_pbx.wire.link import Ends
from emocx_pbx.wire.message import BadMessage, Message

log = structlog.get_logger()

STATS_S: Final = 2.0
#: Connections of taps and questions at once: more than a core can hear, so that no tap is turned away.
MAX_TAPS: Final = 4096
#: Jobs waiting for a model: bounds memory. What waits for too long is not done (`analysis.budget`).
WINDOW_QUEUE: Final = 4096
#: So many calls, and so many times those there were, are many that begin at once.
FEW: Final = 20
MANY_MORE: Final = 1.2
#: Seconds between checks of the load.
STEER_S: Final = 1.0
#: Seconds at one job after which a model hangs; the process ends, and the pool starts another.
STUCK_S: Final = 30.0
#: Time for readings still under way at the end.
FLUSH_S: Final = 2.0


class Worker:
    """What is announced and open, and who gets which message."""

    def __init__(self, config: WorkerConfig, link: Ends[ToWorker], steady: Callable[[], float]) -> None:
        self.config, self._link, self._now = config, link, steady
        self._counters: dict[str, float] = {}
        self.models = Models()
        self.budget = Budget(cascade=False)
        self._late_s = 0.0
        """How long a window waited at most, since the budget was last steered."""
        self._load = 0.0
        self._carries: Carries | None = None
        self._coarse = Coarse()
        self._foreseen = 0
        """Calls for which effort was foreseen."""
        self._loader = Loader(config.settings, config.topics, self.models)
        self._voice = Lane("voice", WINDOW_QUEUE, self.count)
        self._words = Lane("words", WINDOW_QUEUE, self.count)
        self._scribes = tuple(Lane("scribe", WINDOW_QUEUE, self.count) for _ in range(transcribed_at_once()))
        self.lanes = (self._voice, self._words, *self._scribes)
        self._questions = Questions(self.models, self._voice, self._words, self._scribes, self.count)
        self._announced: dict[UUID, tuple[AnnounceTap | AnnounceListen, asyncio.TimerHandle]] = {}
        self._taps: dict[UUID, Tap] = {}
        self._listens: dict[UUID, Listen] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loading = asyncio.Lock()
        self._held: Newer | None = None
        """Loaded to be swapped in when all others do."""
        self.placed = asyncio.Event()
        """It has a place among the workers; a spare only after TakePlace."""
        if not config.standby:
            self.placed.set()
        settings = config.settings
        self._guesses = Guesses(self._questions.speech, settings.listen_silence_s, self._answered)
        self.scribe = Scribe(config, self.count)
        self._intake = Intake(settings, MAX_TAPS, in_next_turn, self.count)
        self.server = AudioServer(
            AudioPort(settings.bind, config.port, settings.handshake_s, settings.idle_s, MAX_TAPS),
            self.accept,
            clock=steady,
            count=self.count,
            batch_read=self._intake.run,
        )

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self._counters[name] = self._counters.get(name, 0.0) + 1.0

    def send(self, message: Message) -> None:
        """Tell the controller; a controller that is gone ends us anyway."""
        try:
            self._link.send(message)
        except (PeerUnavailable, BadMessage) as error:
            log.warning("controller not notified", key="worker.unsent", why=str(error))

    async def load(self) -> None:
        """Load the models that calls need at once; the others follow in `load_late`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._voice.ask(self._loader.speech))
            group.create_task(self._words.ask(self._loader.text))
        self.budget.cascade = self.models.light is not None

    def _take_place(self, index: int) -> None:
        self.config = msgspec.structs.replace(self.config, index=index, standby=False)
        self.placed.set()

    async def load_late(self) -> None:
        """Load topics and transcriber, which take seconds; tell when they are there (or can't be)."""
        problems = len(self.models.problems)
        await self._scribes[0].ask(self._loader.topics)
        await self._scribes[0].ask(self._loader.transcriber)
        more = self.models.transcriber is not None or len(self.models.problems) > problems
        if more and self.placed.is_set():
            self.send(self.ready())

    async def measure(self) -> None:
        """Find out how many calls this machine carries; not while it has calls to hear."""
        if self._taps or self._listens or self._announced:
            return
        self._carries = found = await self._voice.ask(lambda: measure(self.models, self.config.settings))
        log.info("calls that one core carries", key="worker.carries", **asdict(found))

    def ready(self) -> Ready:
        """What this worker has."""
        models = self.models
        return Ready(
            self.server.port, *models.in_use, models.transcriber.name if models.transcriber else None,
            list(models.problems),
        )  # fmt: skip

    async def _load_newer(self, asked: LoadModels | SwapModels) -> None:
        """Load beside the work, swap between two pieces of it unless it is to be held, tell."""
        async with self._loading:
            newer, self._held = self._held, None
            if isinstance(asked, LoadModels):
                newer = await asyncio.to_thread(self._loader.newer, asked.topics, asked.versions)
            if newer is None:
                newer = await asyncio.to_thread(self._loader.newer, None)
            if isinstance(asked, LoadModels) and asked.hold:
                self._held = newer if asked.versions else None
            else:
                await self._swap(newer)
        for problem in newer.problems:
            log.warning("model not loaded, the old one stays", key="model.not_swapped", why=problem)
        self.send(ModelsLoaded(asked.request_id, *self.models.in_use, newer.problems))

    async def _swap(self, newer: Newer) -> None:
        await self._voice.ask(lambda: self.models.take_speech(newer))
        await self._words.ask(lambda: self.models.take_words(newer))
        self.budget.cascade = self.models.light is not None
        self.scribe.start_again(newer.text is not None)

    # From the controller.

    def take(self, message: ToWorker) -> None:
        """Act on a message (Shutdown is the main loop's)."""
        match message:
            case AnnounceTap() | AnnounceListen():
                self._announce(message)
            case EndSession(uuid, unheard):
                self._end(UUID(uuid), unheard)
            case ClassifyText():
                self._own(self._answer_text(message))
            case LoadModels() | SwapModels():
                self._own(self._load_newer(message))
            case LogAs(settings):
                configure(settings)
            case TakePlace(index):
                self._take_place(index)
            case KeepWords(kept):
                self.scribe.keep_words(kept)
            case Shutdown():
                return

    def _announce(self, message: AnnounceTap | AnnounceListen) -> None:
        uuid = UUID(message.uuid)
        if uuid in self._announced or uuid in self._taps or uuid in self._listens:
            log.warning("announced twice", key="worker.announced_twice", uuid=message.uuid)
            return
        timer = asyncio.get_running_loop().call_later(message.ttl_s, self._expire, uuid)
        self._announced[uuid] = message, timer

    def _end(self, uuid: UUID, unheard: bool) -> None:
        if unheard and (tap := self._taps.get(uuid)):
            tap.call.leave_alone()
        if uuid in self._announced:
            self._never_connected(uuid, "ended")
        elif (running := self._taps.get(uuid) or self._listens.get(uuid)) and running.session:
            running.session.end()

    def _expire(self, uuid: UUID) -> None:
        log.warning("announced audio did not arrive", key="worker.no_audio", uuid=str(uuid))
        self.count("audio_never_came")
        self._never_connected(uuid, "handshake")

    def _never_connected(self, uuid: UUID, reason: str) -> None:
        message, timer = self._announced.pop(uuid)
        timer.cancel()
        if isinstance(message, AnnounceTap):
            self.send(TapEnded(message.uuid, message.call_id, self._now(), reason, 0.0, 0.0, 0.0))
        else:
            self.send(ListenResult(message.uuid, message.call_id, "error", None, None, 0.0, None, None))

    async def _answer_text(self, message: ClassifyText) -> None:
        self.send(await self._questions.text(message))

    # From Asterisk.

    def accept(self, uuid: UUID) -> SessionHandler | None:
        """Who handles a connection; None for a UUID that isn't announced, or came before."""
        found = self._announced.pop(uuid, None)
        if found is None:
            return None
        message, timer = found
        timer.cancel()
        if isinstance(message, AnnounceListen):
            settings, callers = self.config.settings, self._listens.__len__
            self._listens[uuid] = listen = Listen(message, settings, self._guesses, callers, self._now)
            return listen
        self._taps[uuid] = tap = Tap(message, self._call_of(message), self._voice, self.send, self._forget)
        self._expect()
        return tap

    def _call_of(self, message: AnnounceTap) -> CallAudio:
        """The running analysis that lacks just this side, or a new one."""
        if message.mode != "stereo":
            for tap in self._taps.values():
                taken = {other.announced.mode for other in self._taps.values() if other.call is tap.call}
                if tap.call.call_id == message.call_id and not taken & {"stereo", message.mode}:
                    return tap.call
        hearing = None
        if self.budget.voice_only:
            log.warning("too many calls, one is not read", key="worker.voice_only", call=message.call_id)
            self.count("taps_voice_only")
        elif self.models.speech is not None:
            hearing = Hearing(
                self.models, self.budget, self.config.settings.neutral_share, time.monotonic,
                self.count, self._waited, message.zeros,
            )  # fmt: skip
        return CallAudio(
            message, self._intake, self._voice, self.send, hearing, time.monotonic,
            self.scribe.for_calls, self.config.settings.words == "sampled",
        )  # fmt: skip

    def _expect(self) -> None:
        """Foresee what many new calls leave time for; a few are steered for as they come."""
        if self._carries is not None and len(self._taps) > FEW + MANY_MORE * self._foreseen:
            self._foreseen = len(self._taps)
            self.budget.expect(effort := self._carries.effort(self._foreseen))
            if not effort:
                self._coarse.expect(self._foreseen)

    def _forget(self, tap: Tap) -> None:
        del self._taps[UUID(tap.announced.uuid)]
        self._foreseen = min(self._foreseen, len(self._taps))
        self.count("taps_ended")

    def _answered(self, message: AnnounceListen, answer: Awaitable[ListenResult]) -> None:
        """A question is over; its answer is on its way."""
        del self._listens[UUID(message.uuid)]
        self._own(self._tell_when_done(answer))

    async def _tell_when_done(self, answer: Awaitable[ListenResult]) -> None:
        self.send(await answer)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """An answer that fails costs only its own caller."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an answer failed", key="worker.task_failed", exc_info=error)
            self.count("tasks_failed")

    # Life.

    async def report(self) -> None:
        """Tell the counters every STATS_S, and end the process when a model hangs."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(STATS_S)
            budget = self.budget
            self.send(
                WorkerStats(
                    len(self._taps),
                    dict(self._counters),
                    self.config.index,
                    round(self._load, 3),
                    round(budget.accurate_share, 3),
                    round(budget.read_share, 3),
                    budget.voice_only,
                    self._carries.accurate if self._carries else 0,
                    self._carries.light if self._carries else 0,
                    bool(self._coarse),
                )
            )
            for lane in self.lanes:
                # The thread of a loading transcriber may be long at it on a cold disk.
                if lane not in self._scribes and lane.hangs(loop.time(), STUCK_S):
                    log.critical("a model hangs, giving up", key="worker.stuck", lane=lane.name)
                    os._exit(3)

    def _waited(self, late_s: float) -> None:
        self._late_s = max(self._late_s, late_s)

    async def steer(self) -> None:
        """Keep the load near its target by what the models hear, until cancelled."""
        at, used = time.monotonic(), time.process_time()
        while True:
            await asyncio.sleep(STEER_S)
            at_last, cpu = time.monotonic(), time.process_time()
            self._load = (cpu - used) / (at_last - at)
            at, used = at_last, cpu
            # Audio that is taken in late makes readings late before they wait.
            late_s, self._late_s = max(self._late_s, self.server.cycle_s - PERIOD_S), 0.0
            self.budget.steer(self._load, late_s)
            if self._coarse.look(len(self._taps), self.server.cycle_s, self.budget):
                log.warning("voice activity by level alone" if self._coarse else "voice activity as usual",
                            key="worker.coarse", taps=len(self._taps))  # fmt: skip
            self._intake.spare(self.budget.read_share < 1, bool(self._coarse))
            self.scribe.steer(self.budget.effort)

    async def stop(self) -> None:
        """End all sessions in order, and let their readings out."""
        await self.server.stop()
        self._intake.end_all()
        for uuid in list(self._announced):
            self._never_connected(uuid, "ended")
        flushed = asyncio.Event()
        self._voice.after(flushed.set)
        try:
            async with asyncio.timeout(FLUSH_S):
                await flushed.wait()
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            log.warning("last readings not done in time", key="worker.unflushed")

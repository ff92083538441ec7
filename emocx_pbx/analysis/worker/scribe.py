"""The worker's side of its scribe (speech-to-text): which phrases it gets, and what happens to the others.

Phrases wait in their order, 32 of them at most: when another comes, the oldest is let go, for what was said
last matters most. One that has waited for two seconds is let go as well. An answer that takes longer than
that counts as none; a scribe that still does not give it is stopped and started again, and so is one that
dies, with growing pauses. Readings by voice never wait for any of this.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.budget import WordsGate
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.windows import Phrase
from emocx_pbx.analysis.worker.scribe_messages import (
    ForgetCall,
    FromScribe,
    Hear,
    ScribeReady,
    Understood,
)
from emocx_pbx.errors import PeerUnavailable, ProtocolError
from emocx_pbx.wire.child import Child
from emocx_pbx.wire.link import Link

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take (s), and how many phrases may wait."""

    queue: int = 32
    latest_s: float = 2.0
    """A phrase waits no longer."""
    answer_s: float = 2.0
    """From its being given to its answer."""
    stuck_s: float = 20.0
    """Without an answer for so long, the scribe is given up."""
    start_s: float = 120.0
    """To load its models on a cold, slow machine."""
    first_pause_s: float = 1.0
    """Before a scribe that died is started again; doubled each time."""
    longest_pause_s: float = 60.0


#: Called once with what came of a phrase; None: nothing.
OnAnswer = Callable[[Understood | None], None]

COMMAND: Final = (sys.executable, "-m", "emocx_pbx.analysis.worker.scribe_process")


class _GivenUpError(Exception):
    """The scribe is gone or stuck, and another must take its place."""


@dataclass(frozen=True, slots=True)
class _Job:
    call_id: str
    phrase: Phrase
    on_answer: OnAnswer
    put_at: float


class _Line:
    """The link to one scribe: a question at a time, and always an ear for its end."""

    def __init__(self, link: Link[FromScribe]) -> None:
        self._link = link
        self._receiving = asyncio.ensure_future(link.receive())
        self._number = 0

    async def first_of(self, *events: asyncio.Event) -> None:
        """Wait for one of the events; raises _GivenUpError when the scribe ends meanwhile."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait({*waits, self._receiving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if self._receiving.done():
            self._taken()
            raise _GivenUpError("it talks out of turn")

    async def ask(self, job: _Job, within_s: float) -> Understood | None:
        """The answer to a phrase; None when it is late."""
        self._number += 1
        self._link.send(Hear(self._number, job.call_id, job.phrase.samples.astype("<i2").tobytes()))
        done, _ = await asyncio.wait({self._receiving}, timeout=within_s)
        return self._taken() if done else None

    async def catch_up(self, within_s: float) -> None:
        """Wait for the late answer; raises _GivenUpError when there is none in this time."""
        done, _ = await asyncio.wait({self._receiving}, timeout=within_s)
        if not done:
            raise _GivenUpError("no answer")
        self._taken()

    def _taken(self) -> Understood:
        answer = self._receiving.result()
        if not isinstance(answer, Understood) or answer.number != self._number:
            raise _GivenUpError("it ended" if answer is None else "it talks out of turn")
        self._receiving = asyncio.ensure_future(self._link.receive())
        return answer

    def close(self) -> None:
        """Listen no more."""
        self._receiving.cancel()


class Scribe:
    """One worker's; `run` owns the process."""

    def __init__(
        self,
        config: WorkerConfig,
        count: Callable[[str], None],
        command: tuple[str, ...] = COMMAND,
        limits: Limits = Limits(),
    ) -> None:
        """`count` adds one to a counter; `command` starts the process."""
        self._config, self._count, self._command, self._limits = config, count, command, limits
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._link: Link[FromScribe] | None = None
        self._again = asyncio.Event()
        self._allowed = True
        self._gate = WordsGate()
        self.ready = asyncio.Event()
        """Whether speech-to-text is running."""
        self.text_model = ""
        """`name/version`, once it is ready."""
        self.problem = ""
        """Why no words are heard."""

    @property
    def for_calls(self) -> Scribe | None:
        """Itself, where the settings want words."""
        return self if self._config.settings.words != "off" else None

    def steer(self, effort: float) -> None:
        """Take the budget's effort, once a second: words are heard while there is time for everything."""
        self.allow(self._gate.steer(effort))

    def allow(self, allowed: bool) -> None:
        """Whether there is time for words. If not, what waits is let go, and nothing is taken."""
        self._allowed = allowed
        if not allowed:
            while self._waiting:
                self._let_go("words_skipped")

    def put(self, call_id: str, phrase: Phrase, on_answer: OnAnswer) -> None:
        """A phrase to be heard; `told` is called once, later or at once."""
        if not self._allowed or self._link is None:
            self._count("words_skipped")
            on_answer(None)
            return
        if len(self._waiting) >= self._limits.queue:
            self._let_go("words_dropped")
        self._waiting.append(_Job(call_id, phrase, on_answer, asyncio.get_running_loop().time()))
        self._wake.set()

    def forget(self, call_id: str) -> None:
        """No more comes of a call: what waits of it is let go unheard, and its words are forgotten."""
        own = [job for job in self._waiting if job.call_id == call_id]
        self._waiting = deque(job for job in self._waiting if job.call_id != call_id)
        for job in own:
            job.on_answer(None)
        if self._link is not None:
            try:
                self._link.send(ForgetCall(call_id))
            except PeerUnavailable:
                log.debug("message to the scribe not sent", key="scribe.unsent")

    def start_again(self, changed: bool = True) -> None:
        """Take other models, if they changed: with the process, which loads those of now."""
        if changed:
            self._again.set()

    def keep_words(self, kept: bool) -> None:
        """Whether it is to tell the words themselves: another one is started that knows."""
        self._config = msgspec.structs.replace(self._config, store_words=kept)
        self.start_again()

    async def run(self) -> None:
        """Keep a scribe at work until cancelled, where the settings want words."""
        if self.for_calls is None:
            return
        pause_s = self._limits.first_pause_s
        while True:
            self._again.clear()
            try:
                if await self._one():
                    pause_s = self._limits.first_pause_s
            except (OSError, ProtocolError, PeerUnavailable, _GivenUpError) as error:
                log.warning("scribe lost", key="scribe.lost", why=str(error))
                self._count("words_restarts")
            finally:
                self._link = None
                while self._waiting:
                    self._let_go("words_skipped")
            if self.problem:
                await self._again.wait()
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._limits.longest_pause_s)

    async def _one(self) -> bool:
        """One process from start to end; whether it was of any use.

        Raises:
            OSError: it can't be started.
            ProtocolError: it sent an invalid message.
            PeerUnavailable: it is gone.
            _GivenUpError: it is gone, or stuck.
        """
        child = Child("scribe", msgspec.msgpack.Decoder(FromScribe), end_s=0.2)
        link = await child.start(self._command, msgspec.json.encode(self._config))
        try:
            if not await self._is_ready(link):
                return False
            self._link = link
            self.ready.set()
            log.info("scribe ready", key="scribe.ready", text_model=self.text_model)
            line = _Line(link)
            try:
                while not self._again.is_set():
                    await self._next(line)
            finally:
                line.close()
            return True
        finally:
            self._link = None
            self.ready.clear()
            await child.end()

    async def _is_ready(self, link: Link[FromScribe]) -> bool:
        try:
            ready = await link.receive_within(self._limits.start_s)
        except TimeoutError:
            raise _GivenUpError(f"its models are not loaded after {self._limits.start_s:g} s") from None
        if not isinstance(ready, ScribeReady):
            raise _GivenUpError("it ended while loading its models")
        missing = [
            what
            for what, name in (("speech-to-text", ready.transcriber), ("a text model", ready.text_model))
            if name is None
        ]
        self.text_model = ready.text_model or ""
        self.problem = ""
        if missing:
            self.problem = "; ".join(ready.problems) or f"{' and '.join(missing)} missing"
            log.warning("words in calls are not transcribed", key="scribe.no_models", why=self.problem)
            self._count("words_no_models")
        return not missing

    async def _next(self, line: _Line) -> None:
        """Hear the next phrase, or find out that the scribe is gone."""
        self._wake.clear()
        if not self._waiting:
            await line.first_of(self._wake, self._again)
            return
        job = self._waiting.popleft()
        if asyncio.get_running_loop().time() - job.put_at > self._limits.latest_s:
            self._count("words_late")
            job.on_answer(None)
            return
        answer: Understood | None = None
        try:
            answer = await line.ask(job, self._limits.answer_s)
        finally:
            if answer is not None:
                self._count("words_heard" if answer.probabilities else "words_none")
            job.on_answer(answer)
        if answer is None:
            self._count("words_slow")
            await line.catch_up(self._limits.stuck_s - self._limits.answer_s)

    def _let_go(self, counted: str) -> None:
        self._count(counted)
        self._waiting.popleft().on_answer(None)

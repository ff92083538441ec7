"""Live taps: audio of a call's sides in, readings and spans out as messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import structlog

from emocx_pbx.analysis.alert_ahead import AlertAhead
from emocx_pbx.analysis.arrival import ArrivalClock
from emocx_pbx.analysis.call_words import CallWords, Worded, is_sampled
from emocx_pbx.analysis.messages import (
    AnnounceTap,
    CallerPlaced,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
    WordsSaid,
)
from emocx_pbx.analysis.sides import TwoSides
from emocx_pbx.analysis.windows import Item, Phrase
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.intake import Intake
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.scribe import Scribe
from emocx_pbx.analysis.worker.scribe_messages import Understood
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, from_slin
from emocx_pbx.domain import CallerPlace, Reading, Scores, Side, Span
from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.session import AudioSession
from emocx_pbx.wire.message import Message

log = structlog.get_logger()

Send = Callable[[Message], None]

STEREO: Final = "stereo"

#: The end of a tap is told so much later (s) for the last words of its call.
LAST_WORDS_S: Final = 2.0


class CallAudio:
    """One call's analysis; fed by one stereo tap, or by up to two one-sided ones."""

    def __init__(
        self,
        announced: AnnounceTap,
        intake: Intake,
        lane: Lane,
        send: Send,
        hearing: Hearing | None,
        clock: Callable[[], float],
        scribe: Scribe | None = None,
        sampled: bool = False,
    ) -> None:
        """Prepare.

        Args:
            announced: the tap's announcement.
            intake: where its audio is cut.
            lane: where its windows are read.
            send: tells the controller.
            hearing: reads its windows; None: it is followed by voice activity alone.
            clock: seconds.
            scribe: hears its words; None: nobody does.
            sampled: whether it hears only some phrases.
        """
        self.call_id, self.uuid = announced.call_id, announced.uuid
        self.sides = TwoSides()
        self._intake = intake
        wanted = hearing is not None or scribe is not None
        self._row = intake.open(announced.offset_s, self._tell, wanted)
        self._hearing, self._clock = hearing, clock
        self._ahead = AlertAhead(announced.alerts, intake.interval_s)
        self._lane, self._send = lane, send
        self._finished = False
        self._over: list[Callable[[], None]] | None = []
        """Who waits for the rest to be told; None: it is."""
        self._scribe, self._sampled = scribe, sampled
        self._words = CallWords(voiced=hearing is not None)
        self._phrases = 0
        self._unheard = 0
        """Phrases given to the scribe that nothing has come of yet."""
        self._left_alone = self._placed = False
        self._settled: Callable[[], None] | None = None

    @property
    def is_read(self) -> bool:
        """Whether there will be readings, not only utterances."""
        return self._hearing is not None or self._scribe is not None

    def feed(self, customer: Int16Array, agent: Int16Array) -> None:
        """Take the next stretch of both sides."""
        if len(customer):
            self.feed_pairs(np.stack([customer, agent], axis=1).astype("<i2").tobytes())

    def feed_pairs(self, pairs: bytes) -> None:
        """Take the next stretch: 16 bits little-endian, customer and agent by turns."""
        if not self._finished:
            self._intake.put(self._row, pairs)

    def finish(self, then: Callable[[], None]) -> None:
        """No more comes; `then` is called when all that this settles has been told. May be repeated."""
        if self._over is None:
            then()
            return
        self._over.append(then)
        if not self._finished:
            self._finished = True
            self._intake.finish(self._row, self._is_over)

    def _is_over(self) -> None:
        waiting, self._over = self._over or [], None
        for then in waiting:
            then()

    def take_place(self) -> CallerPlace | None:
        """Where the caller's readings lie on average, once all are out; None: not known, or taken before."""
        hearing, self._placed = (None if self._placed else self._hearing), True
        return None if hearing is None or self._left_alone else hearing.place

    def leave_alone(self) -> None:
        """The customer opted out: nothing more of the call is transcribed."""
        self._left_alone = True
        if self._scribe is not None:
            self._scribe.forget(self.call_id)

    def when_words_are_in(self, then: Callable[[], None]) -> None:
        """Call `then` when nothing waits to be transcribed, or after LAST_WORDS_S."""
        if not self._unheard:
            self._forget_words()
            then()
            return
        timer = asyncio.get_running_loop().call_later(LAST_WORDS_S, self._settle)

        def settled() -> None:
            timer.cancel()
            self._forget_words()
            then()

        self._settled = settled

    def _settle(self) -> None:
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()

    def _forget_words(self) -> None:
        if self._scribe is not None:
            self._scribe.forget(self.call_id)

    def _tell(self, item: Item) -> None:
        match item:
            case Span():
                self._send(UtteranceEnded(self.uuid, self.call_id, item.side, item.t0, item.t1))
            case Phrase():
                self._transcribe(item)
            case _ if self._hearing is not None:
                done = partial(self._on_reading, item.early)
                self._lane.put(partial(self._hearing.read, item, self._clock()), done)

    def _on_reading(self, early: bool, reading: Reading | None) -> None:
        if reading is None:
            return
        taken = self._ahead.take(reading, early)
        if taken.early_s is not None and not self._finished:
            self._intake.read_early(self._row, reading.t1, taken.early_s)
        if taken.counts:
            worded = self._words.by_voice(reading)
            if worded.words is not None:
                self._ahead.revise(worded)
            self._tell_reading(worded, revises=False)

    def _transcribe(self, phrase: Phrase) -> None:
        number, self._phrases = self._phrases, self._phrases + 1
        if self._scribe is None or self._left_alone or (self._sampled and not is_sampled(number)):
            return
        self._unheard += 1
        self._scribe.put(self.call_id, phrase, partial(self._understood, phrase))

    def _understood(self, phrase: Phrase, answer: Understood | None) -> None:
        self._unheard -= 1
        if answer is not None and not self._left_alone:
            self._tell_words(phrase, answer)
        if not self._unheard:
            self._settle()

    def _tell_words(self, phrase: Phrase, answer: Understood) -> None:
        if answer.text:
            self._send(WordsSaid(self.uuid, self.call_id, phrase.t0, phrase.t1, answer.text))
        if answer.probabilities is None:
            return
        scores = Scores(answer.probabilities, answer.threshold)
        model = self._scribe.text_model if self._scribe is not None else ""
        for reading in self._words.by_words(Worded(phrase.t0, phrase.t1, scores, model)):
            self._ahead.revise(reading)
            self._tell_reading(reading, revises=reading.voice is not None)

    def _tell_reading(self, reading: Reading, *, revises: bool) -> None:
        scores = reading.scores
        self._send(
            ReadingMade(
                self.uuid,
                self.call_id,
                reading.t0,
                reading.t1,
                reading.speech_s,
                scores.probabilities,
                scores.threshold,
                reading.model,
                scores.plain,
                reading.zero,
                reading.voice,
                reading.words,
                revises,
            )
        )


class Tap:
    """One tap's connection (a SessionHandler): true times, the right side, one TapEnded."""

    def __init__(
        self, announced: AnnounceTap, call: CallAudio, lane: Lane, send: Send, forget: Callable[[Tap], None]
    ) -> None:
        """`forget` is called when the connection is over."""
        self.announced, self.call = announced, call
        self.session: AudioSession | None = None
        self.clock = ArrivalClock(sides=1 if self.side else 2)
        self._lane, self._send, self._forget = lane, send, forget

    @property
    def side(self) -> Side | None:
        """The one side it carries; None for both."""
        match self.announced.mode:
            case "agent":
                return "agent"
            case "customer":
                return "customer"
            case _:
                return None

    # SessionHandler.

    def started(self, session: AudioSession, at: float) -> None:
        """The socket opened; TapStarted waits for the first audio."""
        self.session = session
        session.read_in_batches()

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        """Audio came.

        Raises:
            ProtocolError: another rate than 8 kHz, or half a sample; it ends the connection.
        """
        if rate != SAMPLE_RATE:
            raise ProtocolError(f"a tap at {rate} Hz; expected {SAMPLE_RATE} (is the channel c(slin)?)")
        if self.side is None and len(pcm) % 4:
            raise ProtocolError(f"{len(pcm)} bytes of audio are not whole stereo samples")
        first = self.clock.started_at is None
        blocks = self.clock.push(at, pcm)
        started_at = self.clock.started_at
        if first and started_at is not None:
            is_read = self.call.is_read
            self._send(TapStarted(self.announced.uuid, self.announced.call_id, started_at, is_read))
            if self.side is not None:
                self.call.sides.join(self.side, started_at)
        self._feed(blocks)

    def dtmf(self, digit: str, at: float) -> None:
        """Keys pressed are not signals."""

    def ended(self, reason: str, at: float) -> None:
        """The connection is over: flush, and tell so once all readings are out."""
        self.session = None
        self._feed(self.clock.flush())
        if self.side is not None:
            self.call.feed(*self.call.sides.leave(self.side))
        ended = TapEnded(
            self.announced.uuid,
            self.announced.call_id,
            at,
            short_reason(reason),
            round(self.clock.audio_s, 3),
            round(self.clock.max_gap_s, 3),
            round(self.clock.missing_s, 3),
        )
        self._forget(self)
        if self.side != "agent" or not self.call.sides.open:
            self.call.finish(lambda: self._tell_end(ended))
        else:
            self._tell_end(ended)

    def _tell_end(self, ended: TapEnded) -> None:
        """After all that was heard."""

        def tell() -> None:
            if (place := self.call.take_place()) is not None:
                self._send(CallerPlaced(ended.uuid, ended.call_id, place))
            self._send(ended)

        self._lane.after(lambda: self.call.when_words_are_in(tell))

    def _feed(self, blocks: list[bytes]) -> None:
        for block in blocks:
            if self.side is None:
                self.call.feed_pairs(block)
            else:
                self.call.feed(*self.call.sides.push(self.side, from_slin(block)))


def short_reason(reason: str) -> str:
    """A session's reason in the words of TapEnded: eof, ended, idle or protocol."""
    if reason.startswith(("malformed", "handler")):
        return "protocol"
    if reason.startswith(("peer", "connection")):
        return "eof"
    return "idle" if reason == "idle" else "ended"

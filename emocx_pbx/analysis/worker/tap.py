"""Live taps: audio of a call's sides in, readings and spans out as messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import structlog

from emocx_pbx.analysis.arrival import ArrivalClock
from emocx_pbx.analysis.messages import (
    AnnounceTap,
    ReadingMade,
    SpeechHeard,
    TapEnded,
    TapStarted,
)
from emocx_pbx.analysis.sides import TwoSides
from emocx_pbx.analysis.windows import Window
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.intake import Intake
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, from_slin
from emocx_pbx.domain import Reading, Side, Span
from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.session import AudioSession
from emocx_pbx.wire.message import Message

log = structlog.get_logger()

Send = Callable[[Message], None]

STEREO: Final = "stereo"


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
    ) -> None:
        """Without `hearing` the call is followed by voice activity alone."""
        self.call_id, self.uuid = announced.call_id, announced.uuid
        self.sides = TwoSides()
        self._intake = intake
        self._row = intake.open(announced.offset_s, self._tell)
        self._hearing, self._clock = hearing, clock
        self._lane, self._send = lane, send
        self._finished = False

    @property
    def is_read(self) -> bool:
        """Whether there will be readings, not only utterances."""
        return self._hearing is not None

    def feed(self, customer: Int16Array, agent: Int16Array) -> None:
        """Take the next stretch of both sides."""
        if len(customer):
            self.feed_pairs(np.stack([customer, agent], axis=1).astype("<i2").tobytes())

    def feed_pairs(self, pairs: bytes) -> None:
        """Take the next stretch: 16 bits little-endian, customer and agent by turns."""
        if not self._finished:
            self._intake.put(self._row, pairs)

    def finish(self) -> None:
        """No more comes; harmless when repeated."""
        if not self._finished:
            self._finished = True
            self._intake.finish(self._row)

    def _tell(self, item: Window | Span) -> None:
        if isinstance(item, Span):
            self._send(SpeechHeard(self.uuid, self.call_id, item.side, item.t0, item.t1))
        elif self._hearing is not None:
            self._lane.put(partial(self._hearing.read, item, self._clock()), self._tell_reading)

    def _tell_reading(self, reading: Reading | None) -> None:
        if reading is None:
            return
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
        """Keys say nothing about feelings."""

    def ended(self, reason: str, at: float) -> None:
        """The connection is over: flush, and tell so once all readings are out."""
        self.session = None
        self._feed(self.clock.flush())
        if self.side is not None:
            self.call.feed(*self.call.sides.leave(self.side))
        if self.side != "agent" or not self.call.sides.open:
            self.call.finish()
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
        self._lane.after(lambda: self._send(ended))

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

"""One AudioSocket connection: handshake, audio to a handler, silence back, an orderly end.

Whatever the peer does wrong ends its connection alone, with one log line and one count. Asterisk
stands on the other side, so even a refused connection gets an orderly 0x00 first (a bare close makes
the AudioSocket application of Asterisk before 20.14 spin for ever).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast
from uuid import UUID

import structlog

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.port import AudioPort
from emocx_pbx.pbx.audiosocket.protocol import (
    NOBODY,
    SILENCE_20MS,
    Audio,
    AudioMessage,
    Decoder,
    Dtmf,
    Error,
    Hangup,
    Uuid,
    encode_audio,
    encode_hangup,
)

log = structlog.get_logger()

KEEP_ALIVE_S: Final = 0.2
"""Between silences of ours: Asterisk's inactivity limit is 2 s, and its taps notice an end sooner."""
READ_BYTES: Final = 100 * 643
"""Taken from a socket at once, two seconds of a stereo tap in whole messages."""
WRITE_LIMIT: Final = 16_384
"""Bytes waiting in our write buffer, about 10 s of silence, at which we stop sending."""


class SessionHandler(Protocol):
    """Handles one connection's audio. Called in order, synchronously, on the event loop."""

    def started(self, session: AudioSession, at: float) -> None:
        """The UUID was accepted."""

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        """Audio arrived: little-endian 16-bit, `rate` samples per second (per side)."""

    def dtmf(self, digit: str, at: float) -> None:
        """A key was pressed."""

    def ended(self, reason: str, at: float) -> None:
        """Nothing follows; called exactly once after `started`."""


class SessionHost(Protocol):
    """What a session asks of the server that it is a connection of."""

    where: AudioPort
    accept: Callable[[UUID], SessionHandler | None]
    clock: Callable[[], float]
    count: Callable[[str], None]

    def admit(self, session: AudioSession) -> bool:
        """Note a new connection, if there is room."""

    def read_in_batches(self, session: AudioSession) -> None:
        """Call the session's `read_waiting` and `look` from now on, until it is dropped or forgotten."""

    def drop_from_batches(self, session: AudioSession) -> None:
        """Stop calling them."""

    def forget(self, session: AudioSession) -> None:
        """Drop a connection that is gone."""


class AudioSession(asyncio.Protocol):
    """One connection, from the opening of its socket to the end."""

    def __init__(self, server: SessionHost) -> None:
        self._server = server
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._handler: SessionHandler | None = None
        self._received_at = 0.0
        self._said_at = 0.0
        self._paused = False
        self._ended = False
        self._in_batches = False
        self.uuid: UUID | None = None
        """Whose audio this is; None before the handshake."""

    def send_audio(self, pcm: bytes, rate: int = 8_000) -> None:
        """Send audio in one message; dropped (and counted) while the peer does not read, or at the end.

        The caller paces itself: Asterisk plays what it gets when it gets it.

        Raises:
            ProtocolError: half a sample, or there is no such rate.
        """
        message = encode_audio(pcm, rate)
        if self._ended or self._paused:
            self._server.count("audio_write_dropped")
        elif pcm:
            self._write(message)

    def read_in_batches(self) -> None:
        """Read the socket by the server's timer from now on, with all others, and not as audio arrives.

        A handler asks for it that can bear 100 ms of delay: `audio` then has as many messages at once.
        """
        if self._ended or self._in_batches or self._transport is None:
            return
        self._in_batches = True
        self._disarm()
        self._transport.pause_reading()
        self._server.read_in_batches(self)

    def end(self, reason: str = "ended by us") -> None:
        """End the session in order: 0x00, then close. The handler's `ended` is called before this returns."""
        self._end(reason)

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake's deadline."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._server.admit(self):
            log.warning("too many audio connections", key="audio.crowded")
            self._server.count("audio_crowded")
            self._ended = True
            self._transport.write(encode_hangup())
            self._transport.close()
            return
        self._arm(self._server.where.handshake_s, self._handshake_overdue)

    def data_received(self, data: bytes) -> None:
        """Decode and pass on; any fault ends only this connection."""
        self._digest(data, self._decoder.receive)

    def read_waiting(self) -> None:
        """Take what the socket holds; for the timer of batches."""
        while self._in_batches and self._transport is not None:
            try:
                data = os.read(self._transport.get_extra_info("socket").fileno(), READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                # The event loop meets the same end, and goes about it in its own way. However late we are
                # to hear of it, it is no silence of theirs.
                self._received_at = self._server.clock()
                self._leave_batches()
                return
            self._digest(data, self._decoder.receive_joined)
            if len(data) < READ_BYTES:
                return

    def _digest(self, data: bytes, decode: Callable[[bytes], list[AudioMessage]]) -> None:
        if self._ended:
            return  # drained, so that our close is no reset
        try:
            for message in decode(data):
                self._take(message)
                if self._ended:
                    return
            if self._decoder.failure is not None:
                raise self._decoder.failure
        except ProtocolError as error:
            self._fail("audio_malformed", f"malformed: {error}")
        except Exception:
            # The outermost loop of a session: a fault in its handler must not reach the others.
            log.exception("audio handler failed", key="audio.handler_failed", uuid=str(self.uuid))
            self._server.count("audio_handler_failed")
            self._end("handler failed")

    def eof_received(self) -> bool:
        """The peer closed: the normal end of a tap, since Asterisk sends no 0x00."""
        self._peer_gone("peer closed")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._peer_gone("peer closed" if exc is None else "connection lost")
        self._disarm()
        self._server.forget(self)

    def pause_writing(self) -> None:
        """The peer does not read: say nothing more, so that the buffer stays bounded."""
        self._paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._paused = False

    # Inside.

    def _take(self, message: AudioMessage) -> None:
        at = self._received_at = self._server.clock()
        match message:
            case Audio(pcm, rate):
                if pcm and self._handler:
                    self._handler.audio(pcm, rate, at)
            case Uuid(uuid):
                self._identify(uuid, at)
            case Dtmf(digit):
                if self._handler:
                    self._handler.dtmf(digit, at)
            case Hangup():
                self._end("peer hung up")
            case Error(code):
                self._end(f"peer error {code}")

    def _identify(self, uuid: UUID, at: float) -> None:
        self.uuid = uuid
        self._disarm()
        if uuid == NOBODY:
            self._end("the check looked who listens")
            return
        handler = self._server.accept(uuid)
        if handler is None:
            self._fail("audio_unknown_uuid", "unknown or repeated UUID")
            return
        self._handler = handler
        self._write(SILENCE_20MS)
        self._arm(KEEP_ALIVE_S, self._tick)
        handler.started(self, at)

    def _tick(self) -> None:
        """Look every 200 ms."""
        self.look()
        if not self._ended and not self._in_batches:
            self._arm(KEEP_ALIVE_S, self._tick)

    def look(self) -> None:
        """See that the peer is still there, and has heard from us."""
        at = self._server.clock()
        if at - self._received_at >= self._server.where.idle_s:
            self._fail("audio_idle", "idle")
            return
        if not self._paused and at - self._said_at >= KEEP_ALIVE_S / 2:
            self._write(SILENCE_20MS)

    def _leave_batches(self) -> None:
        if self._in_batches:
            self._in_batches = False
            self._server.drop_from_batches(self)
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def _handshake_overdue(self) -> None:
        self._fail("audio_handshake_overdue", "no UUID in time")

    def _peer_gone(self, reason: str) -> None:
        if self._ended:
            return
        if self._decoder.pending:
            self._fail("audio_malformed", "malformed: cut in the middle of a message")
        elif self.uuid is None:
            # A port probe, if it said nothing at all; half a UUID is pending and was handled above.
            log.debug("audio port probed", key="audio.probed")
            self._end("probe")
        else:
            self._end(reason)

    def _fail(self, counter: str, reason: str) -> None:
        """An end that the peer is to blame for: one log line, one count."""
        if self._ended:
            return
        peer = self._transport.get_extra_info("peername") if self._transport else None
        log.warning(
            "audio connection ended",
            key=counter.replace("_", ".", 1),
            why=reason,
            peer=peer[0] if peer else None,
            uuid=str(self.uuid) if self.uuid else None,
        )
        self._server.count(counter)
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._leave_batches()
        transport, handler = self._transport, self._handler
        self._handler = None
        if transport is not None:
            if self._paused or transport.is_closing():
                transport.abort()
            else:
                transport.write(encode_hangup())
                # A close with audio unread would reset the connection, which old Asterisk answers by
                # hanging up: let the peer close, and cut it off only when it does not.
                self._arm(self._server.where.linger_s, transport.abort)
        if handler is not None:
            try:
                handler.ended(reason, self._server.clock())
            except Exception:
                log.exception("audio handler failed", key="audio.handler_failed", uuid=str(self.uuid))
                self._server.count("audio_handler_failed")

    def _write(self, message: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message)
            self._said_at = self._server.clock()

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        """The session's one timer."""
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""The AudioSocket protocol, sans-IO: bytes in, messages out, and messages into bytes.

A message is one byte of kind, two bytes of big-endian length and the payload; audio is little-endian
16-bit. Asterisk is always the client and opens with its UUID. The authority is Asterisk's
`include/asterisk/res_audiosocket.h`. A stereo tap (ChanSpy's option `D`) is plain 0x10 audio with
left (customer) and right (agent) samples interleaved.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from emocx_pbx.errors import ProtocolError

HANGUP: Final = 0x00
IDENTITY: Final = 0x01
DTMF: Final = 0x03
ERROR: Final = 0xFF

RATES: Final = MappingProxyType(
    {
        0x10: 8_000,
        0x11: 12_000,
        0x12: 16_000,
        0x13: 24_000,
        0x14: 32_000,
        0x15: 44_100,
        0x16: 48_000,
        0x17: 96_000,
        0x18: 192_000,
    }
)
"""Kind of an audio message -> samples per second."""

_KINDS: Final = MappingProxyType({rate: kind for kind, rate in RATES.items()})

HEADER_BYTES: Final = 3
LONGEST_PAYLOAD: Final = 65_535
"""What the length field can say."""
MAX_PAYLOAD: Final = 32_768
#: The UUID of no call: with it the check asks who listens.
NOBODY: Final = UUID(int=0)
"""What we believe: 2 s of 8 kHz mono, 1 s of a stereo tap, 85 ms at 192 kHz. Asterisk sends 20 to 60 ms."""


@dataclass(frozen=True, slots=True)
class Uuid:
    """Whose audio follows; the first message of every connection, and only the first."""

    uuid: UUID


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of audio of any length, also empty."""

    pcm: bytes
    """Little-endian 16-bit samples, a whole number of them."""
    rate: int = 8_000
    """Samples per second (for a stereo tap: per side)."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key was pressed (Asterisk 20.14, 21.9, 22.4, 23 and later)."""

    digit: str
    """One of 0-9, *, #, A-D."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """The peer ends the session; nothing follows."""


@dataclass(frozen=True, slots=True)
class Error:
    """The peer reports an error."""

    code: int | None = None
    """1 hangup, 2 frame forwarding, 4 memory; None if none was given."""


AudioMessage = Uuid | Audio | Dtmf | Hangup | Error

_DIGITS: Final = frozenset("0123456789*#ABCDabcd")


class Decoder:
    """Takes a connection's bytes apart, however they were split.

    At most one unfinished message is kept, so memory is bounded by `max_payload` and the last chunk.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self._max_payload = max_payload
        self._buffer = bytearray()
        self._identified = False
        self._ended = False
        self.failure: ProtocolError | None = None
        """How the peer broke the protocol, once it has."""

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message; more than zero at the end of the stream means it was cut."""
        return len(self._buffer)

    def receive(self, data: bytes) -> list[AudioMessage]:
        """The messages completed by these bytes, in order.

        Good messages in front of bad bytes are still returned; `failure` then tells what is wrong, and
        the next call raises it. Bytes after a Hangup are ignored.

        Raises:
            ProtocolError: the stream is broken, and nothing good came before in these bytes.
        """
        if self.failure is not None:
            raise self.failure
        if self._ended:
            return []
        buffer = self._buffer
        buffer += data
        messages: list[AudioMessage] = []
        start = 0
        while len(buffer) - start >= HEADER_BYTES and not self._ended:
            kind = buffer[start]
            length = buffer[start + 1] << 8 | buffer[start + 2]
            try:
                self._check(kind, length)
                end = start + HEADER_BYTES + length
                if len(buffer) < end:
                    break
                messages.append(self._message(kind, bytes(buffer[start + HEADER_BYTES : end])))
            except ProtocolError as error:
                self.failure = error
                buffer.clear()
                if not messages:
                    raise
                return messages
            start = end
        del buffer[:start]
        if self._ended:
            buffer.clear()
        return messages

    def receive_joined(self, data: bytes) -> list[AudioMessage]:
        """Like `receive`, but audio messages that are alike may come as one, with all their samples.

        Raises:
            ProtocolError: as `receive`.
        """
        joined = None if self._buffer or self._ended or not self._identified else _joined(data)
        return self.receive(data) if joined is None else [joined]

    def _check(self, kind: int, length: int) -> None:
        """Refuse a message by its header alone, before its payload costs memory."""
        if not self._identified and kind != IDENTITY:
            raise ProtocolError(f"AudioSocket: message 0x{kind:02x} before the UUID")
        if kind in RATES:
            if length > self._max_payload:
                raise ProtocolError(f"AudioSocket: absurd length {length} of audio")
            if length % 2:
                raise ProtocolError(f"AudioSocket: odd length {length} of 16-bit audio")
        elif kind == IDENTITY:
            if self._identified:
                raise ProtocolError("AudioSocket: second UUID")
            if length != 16:
                raise ProtocolError(f"AudioSocket: UUID of {length} bytes, expected 16")
        elif kind == DTMF:
            if length != 1:
                raise ProtocolError(f"AudioSocket: DTMF of {length} bytes, expected 1")
        elif kind == HANGUP:
            if length:
                raise ProtocolError(f"AudioSocket: hangup of {length} bytes, expected 0")
        elif kind == ERROR:
            if length > 1:
                raise ProtocolError(f"AudioSocket: error of {length} bytes, expected 0 or 1")
        else:
            raise ProtocolError(f"AudioSocket: unknown kind 0x{kind:02x}")

    def _message(self, kind: int, payload: bytes) -> AudioMessage:
        rate = RATES.get(kind)
        if rate is not None:
            return Audio(payload, rate)
        if kind == IDENTITY:
            self._identified = True
            return Uuid(UUID(bytes=payload))
        if kind == DTMF:
            digit = payload.decode("latin-1")
            if digit not in _DIGITS:
                raise ProtocolError(f"AudioSocket: 0x{payload[0]:02x} is not a DTMF digit")
            return Dtmf(digit.upper())
        if kind == HANGUP:
            self._ended = True
            return Hangup()
        return Error(payload[0] if payload else None)


def _joined(data: bytes) -> Audio | None:
    """The samples of bytes that are whole audio messages of one kind and length; None: they aren't.

    A tap's messages all look alike, so comparing their heads is enough.
    """
    if len(data) < HEADER_BYTES:
        return None
    kind, high, low = data[:HEADER_BYTES]
    length = high << 8 | low
    size = HEADER_BYTES + length
    count, over = divmod(len(data), size)
    if over or length % 2 or not 0 < length <= MAX_PAYLOAD or kind not in RATES:
        return None
    for place, value in enumerate((kind, high, low)):
        if data[place::size].count(value) != count:
            return None
    pieces = [data[at + HEADER_BYTES : at + size] for at in range(0, len(data), size)]
    return Audio(b"".join(pieces), RATES[kind])


def encode(message: AudioMessage) -> bytes:
    """The bytes of any message, to be written at once (old Asterisk misreads a split message)."""
    match message:
        case Audio(pcm, rate):
            return encode_audio(pcm, rate)
        case Uuid(uuid):
            return encode_uuid(uuid)
        case Dtmf(digit):
            return encode_dtmf(digit)
        case Hangup():
            return encode_hangup()
        case Error(code):
            return encode_error(code)


def encode_audio(pcm: bytes, rate: int = 8_000) -> bytes:
    """Audio of little-endian 16-bit samples, 1 to 32767 of them.

    Raises:
        ProtocolError: no such rate, half a sample, or too long.
    """
    kind = _KINDS.get(rate)
    if kind is None:
        raise ProtocolError(f"AudioSocket: no message kind for {rate} Hz")
    if len(pcm) % 2 or len(pcm) > LONGEST_PAYLOAD:
        raise ProtocolError(f"AudioSocket: can't send {len(pcm)} bytes of 16-bit audio in one message")
    return _frame(kind, pcm)


def encode_hangup() -> bytes:
    """The orderly end of a session."""
    return _frame(HANGUP, b"")


def encode_uuid(uuid: UUID) -> bytes:
    """The opening message; only Asterisk (or a test in its place) sends it."""
    return _frame(IDENTITY, uuid.bytes)


def encode_dtmf(digit: str) -> bytes:
    """A pressed key; only Asterisk (or a test in its place) sends it.

    Raises:
        ProtocolError: not one DTMF digit.
    """
    if digit not in _DIGITS:
        raise ProtocolError(f"AudioSocket: {digit!r} is not a DTMF digit")
    return _frame(DTMF, digit.encode("ascii"))


def encode_error(code: int | None = None) -> bytes:
    """An error report; we never send one to Asterisk 22, which would hang the caller up."""
    return _frame(ERROR, b"" if code is None else bytes([code]))


def _frame(kind: int, payload: bytes) -> bytes:
    return bytes((kind, len(payload) >> 8, len(payload) & 0xFF)) + payload


SILENCE_20MS: Final = encode_audio(bytes(320))
"""20 ms of silence at 8 kHz: keeps Asterisk's reader (and its 2 s inactivity limit) content."""

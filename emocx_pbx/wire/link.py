"""The wire between two processes: length-prefixed MessagePack over a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from emocx_pbx.errors import PeerUnavailable, ProtocolError
from emocx_pbx.wire.message import BadMessage, Message

#: Longest message in bytes; no real one comes near this, so a longer one means a broken stream.
MAX_BYTES: Final = 4 * 1024 * 1024
#: More unsent bytes than this mean that the other end hangs. A live board of 5,000 calls has 12 MB.
MAX_UNSENT: Final = 32 * 1024 * 1024
#: Seconds for the other end to read our last messages.
CLOSE_S: Final = 1.0
#: It may be us who were frozen: what waits in the socket is read before the other end is given up.
SECOND_LOOK_S: Final = 1.0

In = TypeVar("In")

_encode = msgspec.msgpack.Encoder().encode


Got = TypeVar("Got", covariant=True)


class Ends(Protocol[Got]):
    """The connection of a process to the one that it works for: a Link, or an equivalent."""

    def send(self, message: Message) -> None:
        """Queue a message; raises PeerUnavailable or BadMessage if it is not sent."""

    async def receive(self) -> Got | None:
        """The next message; None: there will be no more. Raises BadMessage and ProtocolError as Link.receive
        does.
        """

    async def close(self) -> None:
        """Close once what was sent is on its way, or the time is up."""


def decoded(decoder: msgspec.msgpack.Decoder[In], body: bytes) -> In:
    """The message in a frame.

    Raises:
        BadMessage: the frame holds no valid message.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # text that is no UTF-8, deep nesting
        raise BadMessage(f"not a message: {error}") from error


class Link(Generic[In]):
    """One end: sends any message, receives those of `decoder`'s type."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[In],
    ) -> None:
        self._reader, self._writer, self._decoder = reader, writer, decoder

    def send(self, message: Message) -> None:
        """Queue a message.

        Raises:
            PeerUnavailable: the other end is gone, or has not read for a long time.
            BadMessage: it can't be encoded, or is longer than the other end accepts; nothing was sent.
        """
        if self._writer.transport.is_closing():
            raise PeerUnavailable("the other end is gone")
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            raise PeerUnavailable("the other end does not read")
        try:
            body = _encode(message)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadMessage(f"{type(message).__name__}: {error}") from error
        if len(body) > MAX_BYTES:
            raise BadMessage(f"{type(message).__name__} of {len(body)} bytes; at most {MAX_BYTES} are taken")
        self._writer.write(len(body).to_bytes(4, "big") + body)

    async def receive(self) -> In | None:
        """The next message; None when the other end closed.

        Raises:
            BadMessage: what arrived is not a valid message; the next one can be received.
            ProtocolError: the stream is broken.
        """
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            if size > MAX_BYTES:
                raise ProtocolError(f"a message of {size} bytes; expected at most {MAX_BYTES}")
            body = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return decoded(self._decoder, body)

    async def receive_within(
        self, patience_s: float, gets_on: Callable[[], bool] = lambda: False
    ) -> In | None:
        """The next message; None when the other end closed. After a TimeoutError the link is of no more use.

        `gets_on` is asked when the time is up; if it returns True, the same time is allowed once more.

        Raises:
            TimeoutError: none arrived in time, though we looked twice: after a pause of the whole machine the
                clock says that the time is up while the messages of that time wait to be read.
            ProtocolError: what arrived is not a valid message.
        """
        receiving = asyncio.ensure_future(self.receive())
        try:
            while True:
                for seconds in (patience_s, SECOND_LOOK_S):
                    done, _ = await asyncio.wait({receiving}, timeout=seconds)
                    if done:
                        return receiving.result()
                if not gets_on():
                    raise TimeoutError
        finally:
            receiving.cancel()

    async def close(self) -> None:
        """Close this end once what was sent is on its way; gives up after CLOSE_S seconds."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._writer.wait_closed()
        except (TimeoutError, ConnectionError):
            self._writer.transport.abort()

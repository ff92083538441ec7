"""An audio server on a free port, its peers, and handlers that keep what they are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID, uuid4

from emocx_pbx.pbx.audiosocket.protocol import SILENCE_20MS, encode_audio, encode_uuid
from emocx_pbx.pbx.audiosocket.server import AudioPort, AudioServer, AudioSession

T = TypeVar("T")
HANGUP = b"\x00\x00\x00"
CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


class Tape:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.session: AudioSession | None = None
        self.pcm = b""
        self.digits = ""
        self.reasons: list[str] = []
        self.times: list[float] = []
        self._changed = asyncio.Event()

    def started(self, session: AudioSession, at: float) -> None:
        assert self.session is None
        self.session = session
        self._note(at)

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        self.pcm += pcm
        self._note(at)

    def dtmf(self, digit: str, at: float) -> None:
        self.digits += digit
        self._note(at)

    def ended(self, reason: str, at: float) -> None:
        self.reasons.append(reason)
        self._note(at)

    def _note(self, at: float) -> None:
        self.times.append(at)
        self._changed.set()

    async def until(self, condition: Callable[[Tape], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()


class Bench:
    """A server with announced UUIDs, and its counts and clock in reach."""

    def __init__(self) -> None:
        self.announced: dict[UUID, Tape] = {}
        self.counts: Counter[str] = Counter()
        self.skew = 0.0
        self.server: AudioServer
        self.writers: list[asyncio.StreamWriter] = []

    def announce(self) -> tuple[UUID, Tape]:
        uuid, tape = uuid4(), Tape()
        self.announced[uuid] = tape
        return uuid, tape

    def accept(self, uuid: UUID) -> Tape | None:
        return self.announced.pop(uuid, None)

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.skew

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.writers.append(writer)
        return reader, writer

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Tape]:
        """A connection after its handshake."""
        uuid, tape = self.announce()
        reader, writer = await self.connect()
        writer.write(encode_uuid(uuid))
        assert await within(reader.readexactly(len(SILENCE_20MS))) == SILENCE_20MS
        return reader, writer, tape


async def within(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(5):
        return await awaitable


@asynccontextmanager
async def bench(
    handshake_s: float = 5.0, idle_s: float = 60.0, max_sessions: int = 64
) -> AsyncIterator[Bench]:
    it = Bench()
    count = it.counts.update
    it.server = AudioServer(
        AudioPort("127.0.0.1", 0, handshake_s, idle_s, max_sessions, linger_s=0.05),
        it.accept,
        it.clock,
        lambda n: count([n]),
    )
    await it.server.start()
    try:
        yield it
    finally:
        await within(it.server.stop())
        assert it.server.sessions == 0
        for writer in it.writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in it.writers), return_exceptions=True)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that still comes, up to the end."""
    try:
        return await within(reader.read())
    except ConnectionResetError:
        return b"reset"


async def assert_still_works(it: Bench) -> None:
    _reader, writer, tape = await it.call()
    writer.write(encode_audio(b"ok"))
    await tape.until(lambda t: t.pcm == b"ok")
    writer.close()
    await tape.until(lambda t: bool(t.reasons))

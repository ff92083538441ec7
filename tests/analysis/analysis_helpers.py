"""A raw AudioSocket client, and an inbox for what a pool tells."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt
from boxes import DEADLINE_S, Box

from emocx_pbx.analysis.messages import AnnounceListen, AnnounceTap
from emocx_pbx.analysis.pool import ToService, WorkerHandle, WorkerPool

Samples = npt.NDArray[np.int16]

M = TypeVar("M")


def announce_tap(pool: WorkerPool, uuid: UUID, call_id: str, offset_s: float = 0.0) -> WorkerHandle:
    """As TapKeeper does: the freest worker expects a stereo tap."""
    worker = pool.pick_own()
    worker.send(AnnounceTap(str(uuid), call_id, "stereo", offset_s))
    return worker


def announce_listen(pool: WorkerPool, uuid: UUID, call_id: str) -> WorkerHandle:
    """As queries do: the freest worker expects an IVR caller."""
    worker = pool.pick_own()
    worker.send(AnnounceListen(str(uuid), call_id))
    return worker


class Inbox(Box):
    """What the pool told, and waiting for what it will tell."""

    @property
    def messages(self) -> list[ToService]:
        return self.found

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]


class Asterisk:
    """One AudioSocket connection, as Asterisk would open it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int, uuid: UUID) -> Asterisk:
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        client.send(0x01, uuid.bytes)
        return client

    def send(self, kind: int, payload: bytes) -> None:
        self._writer.write(bytes([kind]) + len(payload).to_bytes(2, "big") + payload)

    async def play(self, *sides: Samples) -> None:
        """Send 20 ms messages of one side, or of two interleaved."""
        samples = np.stack(sides, axis=1)
        for at in range(0, len(samples), 160):
            self.send(0x10, samples[at : at + 160].astype("<i2").tobytes())
            await self._writer.drain()

    async def hang_up(self) -> None:
        """Close, as Asterisk does, with nothing left unread (a reset would cost audio on its way)."""
        self._writer.write_eof()
        await self.until_end()

    def drop(self) -> None:
        """Close it, whatever is under way."""
        self._writer.close()

    async def until_end(self) -> list[int]:
        """Kinds of the messages the server sends until it ends the session; [] after a reset."""
        kinds: list[int] = []
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    head = await self._reader.readexactly(3)
                    await self._reader.readexactly(int.from_bytes(head[1:], "big"))
                except (asyncio.IncompleteReadError, ConnectionError):
                    self._writer.close()
                    return kinds
                kinds.append(head[0])
                if head[0] == 0x00:
                    self._writer.close()

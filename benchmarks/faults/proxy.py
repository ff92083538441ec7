"""A TCP proxy in front of Asterisk's manager interface: cuts links, or swallows what they carry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Final

CHUNK: Final = 65536


class Proxy:
    """Listens on 127.0.0.1:`port` and passes on to `target` there."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = self._swallowing = False

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self) -> None:
        """End every connection at once, without a goodbye."""
        for writer in list(self._writers):
            writer.transport.abort()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Every connection is cut, and new ones are cut as they come."""
        self._refusing = True
        self.cut()
        try:
            yield
        finally:
            self._refusing = False

    @contextlib.contextmanager
    def swallowing(self) -> Iterator[None]:
        """Connections stay, and nothing comes through: what is sent meanwhile is lost.

        At the end they are cut, since nobody could make sense of the rest.
        """
        self._swallowing = True
        try:
            yield
        finally:
            self._swallowing = False
            self.cut()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self._writers.add(writer)
        try:
            if self._refusing:
                return
            if self._swallowing:
                await self._pass(reader, writer)
                return
            try:
                inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
            except OSError:
                return
            self._writers.add(outer)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, outer))
                    group.create_task(self._pass(inner, writer))
            finally:
                self._writers.discard(outer)
                outer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._links.discard(task)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in one direction; at its end both directions end."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if not self._swallowing:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()

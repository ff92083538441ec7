"""The AudioSocket server: one port, announced UUIDs only, every connection on its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from emocx_pbx.pbx.audiosocket.batches import Batches
from emocx_pbx.pbx.audiosocket.port import AudioPort
from emocx_pbx.pbx.audiosocket.session import AudioSession, SessionHandler

__all__ = ["AudioPort", "AudioServer", "AudioSession", "SessionHandler"]


class AudioServer:
    """Listens for Asterisk's AudioSocket connections."""

    def __init__(
        self,
        where: AudioPort,
        accept: Callable[[UUID], SessionHandler | None],
        clock: Callable[[], float] = time.monotonic,
        count: Callable[[str], None] = lambda name: None,
        batch_read: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; `start` listens.

        Args:
            where: the port; the one that was free is found in `port` after `start`.
            accept: gives the handler of a UUID; None refuses it (unknown, late or used before).
            clock: seconds that never jump; stamps what handlers get, and measures idleness.
            count: adds one to a counter: audio_malformed, audio_handshake_overdue, audio_unknown_uuid,
                audio_idle, audio_crowded, audio_handler_failed, audio_write_dropped.
            batch_read: called when a batch of sockets has been read.
        """
        self.where, self.port = where, where.port
        self.accept, self.clock, self.count = accept, clock, count
        self._batches = Batches(batch_read, count)
        self._sessions: set[AudioSession] = set()
        self._server: asyncio.Server | None = None
        self._all_gone = asyncio.Event()

    @property
    def sessions(self) -> int:
        """Open connections."""
        return len(self._sessions)

    async def start(self, port: int | None = None) -> None:
        """Listen, on this port if it is given.

        Raises:
            OSError: the port is in use or the address is not ours.
        """
        loop = asyncio.get_running_loop()
        wanted = self.port if port is None else port
        self._server = await loop.create_server(
            lambda: AudioSession(self), self.where.bind, wanted, backlog=256
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every session in order, within `linger_s`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._all_gone.clear()
        for session in list(self._sessions):
            session.end("server stopped")
        if self._sessions:
            # Each session aborts itself after `linger_s`, so this wait has an end.
            await self._all_gone.wait()

    def admit(self, session: AudioSession) -> bool:
        """Note a new connection, if there is room."""
        if self._server is None or len(self._sessions) >= self.where.max_sessions:
            return False
        self._sessions.add(session)
        return True

    @property
    def cycle_s(self) -> float:
        """Between the last two looks at connections that are read in batches."""
        return self._batches.cycle_s

    def read_in_batches(self, session: AudioSession) -> None:
        """Read a connection together with others, by one timer."""
        self._batches.add(session)

    def drop_from_batches(self, session: AudioSession) -> None:
        """A connection is read by itself again, or ends."""
        self._batches.discard(session)

    def forget(self, session: AudioSession) -> None:
        """Drop a connection that is gone."""
        self._batches.discard(session)
        self._sessions.discard(session)
        if not self._sessions:
            self._all_gone.set()

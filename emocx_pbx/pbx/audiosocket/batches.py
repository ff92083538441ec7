"""Many connections read by one timer: a quarter of them every 25 ms, so each of them ten times a second.

A tap sends 50 messages a second. Waking up for each of them costs several times as much as handling it; and
what arrived together can be processed together. With so many connections that a turn takes most of its 25 ms,
each is read less often: larger batches cost less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

log = structlog.get_logger()

#: Between two looks at one connection (s): with time for it, and at the most.
PERIOD_S: Final = 0.1
LONGEST_S: Final = 0.3
#: A turn that takes more than this share of its time makes the period longer, others shorter again.
BUSY: Final = 0.6
LONGER: Final = 1.05
SHORTER: Final = 0.98
#: Parts that connections are read in, one after another: reading all at once would hold up all else.
PARTS: Final = 4
#: Between two words of ours on each connection (s), or a look more: Asterisk waits for 2 s.
WORD_S: Final = 0.4


class BatchSession(Protocol):
    """What a connection is to the timer (`AudioSession`)."""

    def read_waiting(self) -> None:
        """Take what the socket holds."""

    def look(self) -> None:
        """Check that the peer is still there, and send it something in time."""


class Batches:
    """The timer and its connections; it runs while there are any."""

    def __init__(self, read: Callable[[], None], count: Callable[[str], None]) -> None:
        """`read` is called after each part that was read; `count` adds one to a counter."""
        self._read, self._count = read, count
        self._parts: list[dict[BatchSession, None]] = [{} for _ in range(PARTS)]
        self._turn = 0
        self._spoken_at = [0.0] * PARTS
        self.period_s = PERIOD_S
        """Between two looks at one connection, at present."""
        self.cycle_s = 0.0
        """Between the last two looks at the connections read last: much more than the period if there is no
        time for so many."""
        self._looked_at: list[float | None] = [None] * PARTS
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __len__(self) -> int:
        """Connections read."""
        return sum(map(len, self._parts))

    def add(self, session: BatchSession) -> None:
        """Read a connection from now on."""
        min(self._parts, key=len)[session] = None
        if self._timer is None:
            self._due = asyncio.get_running_loop().time()
            self._looked_at = [None] * PARTS
            self._arm()

    def discard(self, session: BatchSession) -> None:
        """Stop reading a connection; harmless if it isn't being read."""
        for part in self._parts:
            part.pop(session, None)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        # A loop that is behind does not catch up on turns: the next one takes all that came.
        self._due = max(self._due + self.period_s / PARTS, loop.time())
        self._timer = loop.call_at(self._due, self.next_turn)

    def next_turn(self) -> None:
        """Read the next part; called by the timer."""
        self._timer = None
        clock = asyncio.get_running_loop().time
        part, begun = self._turn % PARTS, clock()
        sessions = list(self._parts[part])
        before, self._looked_at[part] = self._looked_at[part], begun
        self.cycle_s = 0.0 if before is None else begun - before
        speak = begun - self._spoken_at[part] >= WORD_S - self.period_s / 2
        if speak:
            self._spoken_at[part] = begun
        self._turn += 1
        try:
            for session in sessions:
                session.read_waiting()
            if sessions:
                self._read()
            if speak:
                for session in sessions:
                    session.look()
        except Exception:
            # The outermost loop of taps' audio: a fault must not end the reading of all.
            log.exception("a batch of audio failed", key="audio.batch_failed")
            self._count("audio_batches_failed")
        busy = (clock() - begun) * PARTS > BUSY * self.period_s
        self.period_s = min(max(self.period_s * (LONGER if busy else SHORTER), PERIOD_S), LONGEST_S)
        if len(self):
            self._arm()

"""The live feed: the board's changes, to any number of watchers, each at their own pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Protocol

import msgspec

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.live.calls import CHANGED, BoardChange, Snapshot
from emocx_pbx.live.own import OwnCalls
from emocx_pbx.observe.listeners import Listeners

#: Most changes that wait for one watcher; one that falls further behind is disconnected and reconnects.
MAX_WAITING: Final = 4096
#: Least seconds between writes to a watcher; what happened meanwhile is sent together.
BEAT_S: Final = 0.05
#: Most watchers at once; each costs a connection and its queue.
MAX_WATCHERS: Final = 200
#: Seconds of silence after which an event shows both ends that the connection is still alive.
HEARTBEAT_S: Final = 5.0

#: An event, since a page's script is not told of comments; without an id, so that the last one stays.
HEARTBEAT: Final = b"event: alive\ndata: {}\n\n"


class Board(Protocol):
    """The part of a live board, or of its mirror, that is needed."""

    @property
    def changes(self) -> Listeners[[BoardChange]]:
        """Told every change."""

    @property
    def number(self) -> int:
        """Of the newest change."""

    def snapshot(self, now: float, agent: str | None = None, team: frozenset[str] | None = None) -> Snapshot:
        """All calls now."""

    def since(self, number: int) -> Sequence[BoardChange] | None:
        """Changes after a number, or None when they are not known."""


class LiveFeed:
    """Server-sent events made from a board's changes."""

    def __init__(
        self,
        board: Board,
        life: str,
        now: Callable[[], float],
        beat_s: float = BEAT_S,
        away: Callable[[], str] = lambda: "",
    ) -> None:
        """Subscribe to the board's changes.

        Args:
            board: where they come from.
            life: distinguishes one run of the service from another.
            now: Unix seconds.
            beat_s: least seconds between writes to a watcher.
            away: why nothing is known about live calls, in one line; empty: they are known.
        """
        self.board, self._away = board, away
        self._life, self._now, self._beat_s = life, now, beat_s
        self._queues: set[asyncio.Queue[BoardChange | None]] = set()
        board.changes.subscribe(self._on_change)

    def _on_change(self, change: BoardChange) -> None:
        for queue in list(self._queues):
            try:
                queue.put_nowait(change)
            except asyncio.QueueFull:
                # Too slow: this connection ends, and the next one resumes or starts afresh.
                self._queues.discard(queue)

    def look(self) -> None:
        """Raises PeerUnavailable: nothing is known of calls now."""
        if away := self._away():
            raise PeerUnavailable(away)

    @property
    def crowded(self) -> bool:
        """Whether MAX_WATCHERS watch already."""
        return len(self._queues) >= MAX_WATCHERS

    @property
    def watchers(self) -> int:
        """Number of watchers now."""
        return len(self._queues)

    def snapshot(self, agent: str | None, team: frozenset[str] | None = None) -> Snapshot:
        """All calls now; with `agent` only those that they take part in, with `team` those of its queues.

        Raises:
            PeerUnavailable: as `look`.
        """
        self.look()
        return self.board.snapshot(self._now(), agent, team)

    def begin_anew(self) -> None:
        """The board lost changes: watchers reconnect, and get a snapshot."""
        self.stop()

    def stop(self) -> None:
        """End every watcher's events."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(None)
        self._queues.clear()

    async def events(
        self,
        last_id: str,
        agent: str | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        team: frozenset[str] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Events as bytes for the wire: first a snapshot or what was missed, then changes as they come.

        Ends when the watcher fell too far behind or the service stops.

        Args:
            last_id: the last event that the watcher saw (Last-Event-ID), or empty.
            agent: only calls that this agent takes part in.
            heartbeat_s: silence after which HEARTBEAT is sent.
            team: only calls that were in one of these queues.
        """
        queue: asyncio.Queue[BoardChange | None] = asyncio.Queue(MAX_WAITING)
        number = self._number(last_id)
        # After a break it is unknown which calls an agent was sent: start afresh.
        missed = self.board.since(number) if number is not None and agent is None else None
        snapshot = self.snapshot(agent, team) if missed is None else None
        begin = self.board.number
        self._queues.add(queue)
        try:
            if snapshot is not None:
                yield self._event("snapshot", begin, msgspec.json.encode(snapshot))
            known = snapshot.calls if snapshot is not None else ()
            own = OwnCalls(agent, known) if agent is not None else None
            if missed_events := b"".join(self._seen(change, own, team) for change in missed or ()):
                yield missed_events
            while queue in self._queues:
                try:
                    async with asyncio.timeout(heartbeat_s):
                        change_or_end = await queue.get()
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                changes = [change_or_end]
                while not queue.empty():
                    changes.append(queue.get_nowait())
                events = b"".join(self._seen(change, own, team) for change in changes if change is not None)
                if events:
                    yield events
                if None in changes:
                    return
                await asyncio.sleep(self._beat_s)
        finally:
            self._queues.discard(queue)

    def _seen(self, change: BoardChange, own: OwnCalls | None, team: frozenset[str] | None) -> bytes:
        """The event of a change as a watcher sees it; empty: not at all."""
        if own is not None:
            seen = own.of(change)
            return self._event(seen.kind, seen.number, seen.data) if seen is not None else b""
        if not change.present.seen_by(None, team):
            return b""
        if change.before is not None and change.before.seen_by(None, team):
            return self._event(CHANGED, change.number, change.less)
        return self._event(change.kind, change.number, change.data)

    def _number(self, last_id: str) -> int | None:
        life, _, number = last_id.partition("-")
        known = life == self._life and number.isascii() and number.isdigit() and len(number) < 19
        return int(number) if known else None

    def _event(self, kind: str, number: int, data: bytes) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (self._life.encode(), number, kind.encode(), data)

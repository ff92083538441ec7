"""A worker's messages that the stream has not accepted yet: in order, batched by tap, bounded. Pure.

Readings are sent at once, with their tap's waiting utterances; utterances wait a little for a reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from emocx_pbx.analysis.cluster.messages import DecidedAlone, FromTap, TapBatch
from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, UtteranceEnded, WordsSaid

#: Seconds that utterances wait for a reading to be sent with.
GROUP_S: Final = 1.0
#: Most messages kept: a worker with 600 calls makes about 270 a second, so this is over three minutes.
MOST: Final = 60_000
#: Share of the room that is freed at once when there is none.
ROOM: Final = 0.1


@dataclass(slots=True)
class _Tap:
    """A tap that is not over."""

    call_id: str
    number: int = 0
    started: TapStarted | None = None
    open: list[FromTap] = field(default_factory=list)
    since: float = 0.0
    """When the first of `open` came."""


class Backlog:
    """First in, first out."""

    def __init__(
        self,
        clock: Callable[[], float],
        count: Callable[[str], None] = lambda name: None,
        most: int = MOST,
    ) -> None:
        """Prepare.

        Args:
            clock: monotonic seconds.
            count: adds one to a counter: stream_spans_dropped, stream_readings_dropped,
                stream_decisions_dropped.
            most: messages kept.
        """
        self._clock, self._count, self._most = clock, count, most
        self._taps: dict[str, _Tap] = {}
        self._closed: deque[TapBatch] = deque()
        self._kept = 0
        self.dropped = 0
        """Messages dropped so far."""

    def __len__(self) -> int:
        return self._kept

    def put(self, message: FromTap) -> None:
        """Keep a message; when there is no room, the least important ones are dropped."""
        if self._kept >= self._most:
            self._make_room()
        tap = self._taps.setdefault(message.uuid, _Tap(message.call_id))
        if not tap.open:
            tap.since = self._clock()
        if isinstance(message, TapStarted):
            tap.started = message
        tap.open.append(message)
        self._kept += 1
        if not isinstance(message, UtteranceEnded | WordsSaid):
            self._close(message.uuid, tap)
        if isinstance(message, TapEnded | DecidedAlone):
            del self._taps[message.uuid]

    def due_in(self) -> float | None:
        """Seconds until waiting utterances must be sent; None: none wait."""
        since = [tap.since for tap in self._taps.values() if tap.open]
        return max(0.0, min(since) + GROUP_S - self._clock()) if since else None

    def close_due(self, all_of_them: bool = False) -> None:
        """Release utterances that have waited long enough."""
        latest = self._clock() - GROUP_S
        for uuid, tap in self._taps.items():
            if tap.open and (all_of_them or tap.since <= latest):
                self._close(uuid, tap)

    def _close(self, uuid: str, tap: _Tap) -> None:
        tap.number += 1
        self._closed.append(TapBatch(uuid, tap.call_id, tap.number, tuple(tap.open), tap.started))
        tap.open = []

    @property
    def first(self) -> TapBatch | None:
        """The next batch to send; it stays until `sent`."""
        return self._closed[0] if self._closed else None

    def sent(self) -> None:
        """The first batch was accepted."""
        self._kept -= len(self._closed.popleft().messages)

    def _make_room(self) -> None:
        """Drop the oldest utterances first; then readings, then decisions; never a tap's begin or end."""
        wanted = max(1, int(self._most * ROOM))
        for kinds, name in (
            ((UtteranceEnded,), "spans"),
            ((ReadingMade, WordsSaid), "readings"),
            ((DecidedAlone,), "decisions"),
        ):
            wanted -= self._drop(kinds, wanted, f"stream_{name}_dropped")
            if wanted <= 0:
                return

    def _drop(self, kinds: tuple[type, ...], wanted: int, counter: str) -> int:
        """Drop at most that many of these kinds; returns how many. The first batch may be on its way."""
        dropped = 0
        kept: deque[TapBatch] = deque()
        for at, batch in enumerate(self._closed):
            if at == 0 or dropped >= wanted:
                kept.append(batch)
                continue
            left = tuple(m for m in batch.messages if not isinstance(m, kinds))
            dropped += len(batch.messages) - len(left)
            if left:
                kept.append(TapBatch(batch.uuid, batch.call_id, batch.number, left, batch.started))
        self._closed = kept
        self._kept -= dropped
        self.dropped += dropped
        for _ in range(dropped):
            self._count(counter)
        return dropped

"""Synchronises two one-sided taps of a call: gives equal stretches of customer and agent.

The taps start at different times, stall and end on their own. A side that is absent or late counts
as silent; what it sends for a time already passed is dropped.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.domain import Side

#: A side waits so long for the other: longer than our host stalls, since after a stall one side's audio
#: comes in a burst before the other's.
PATIENCE: Final = 2 * SAMPLE_RATE

SIDES: Final[tuple[Side, Side]] = ("customer", "agent")


class TwoSides:
    """Pure; positions in samples since the first sample of whichever side came first."""

    def __init__(self) -> None:
        self._zero_at: float | None = None
        self._passed = 0
        """Samples given out."""
        self._waiting: dict[Side, Int16Array] = {side: np.zeros(0, np.int16) for side in SIDES}
        self._owed: dict[Side, int] = {side: 0 for side in SIDES}
        """Samples to come that silence already stands for."""
        self.open: set[Side] = set()
        """Sides whose tap is running."""
        self._awaited: set[Side] = set(SIDES)
        """Sides waited for: also those that may be about to start, until patience ends once."""

    def join(self, side: Side, started_at: float) -> None:
        """A tap's first sample was spoken at `started_at` (s)."""
        if self._zero_at is None:
            self._zero_at = started_at
        self.open.add(side)
        self._awaited.add(side)
        position = round((started_at - self._zero_at) * SAMPLE_RATE)
        have = self._passed + len(self._waiting[side])
        self._owed[side] = max(0, have - position)
        if position > have:
            self._append(side, np.zeros(position - have, np.int16))

    def leave(self, side: Side) -> tuple[Int16Array, Int16Array]:
        """A tap ended: the other side waits for it no longer."""
        self.open.discard(side)
        self._awaited.discard(side)
        self._owed[side] = 0
        return self._take()

    def push(self, side: Side, samples: Int16Array) -> tuple[Int16Array, Int16Array]:
        """Take the side's next samples; (customer, agent) to go on with, equally long, maybe empty."""
        late = min(self._owed[side], len(samples))
        self._owed[side] -= late
        self._append(side, samples[late:])
        return self._take()

    def _append(self, side: Side, samples: Int16Array) -> None:
        self._waiting[side] = np.concatenate([self._waiting[side], samples])

    def _take(self) -> tuple[Int16Array, Int16Array]:
        longest = max(len(waiting) for waiting in self._waiting.values())
        if longest > PATIENCE:
            self._awaited &= self.open
        shortest = min((len(self._waiting[side]) for side in self._awaited), default=longest)
        count = max(shortest, longest - PATIENCE)
        self._passed += count
        left, right = (self._cut(side, count) for side in SIDES)
        return left, right

    def _cut(self, side: Side, count: int) -> Int16Array:
        waiting = self._waiting[side]
        part, self._waiting[side] = waiting[:count], waiting[count:]
        lacking = count - len(part)
        if lacking and side in self.open:
            self._owed[side] += lacking
        return np.concatenate([part, np.zeros(lacking, np.int16)])

"""How long a new caller will wait, from the queue as it is and how long callers waited lately. Pure."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from emocx_pbx.routing.decision import QueueState

#: Seconds after which waits say nothing about the present.
RECENT_S: Final = 3600.0
#: Most waits remembered per queue.
MAX_WAITS: Final = 50
#: Fewest waits for an estimate.
LEAST: Final = 3
#: Queues and waiting callers remembered at most; the oldest are forgotten.
MAX_QUEUES: Final = 500
MAX_WAITING: Final = 5_000
#: Longest estimate; beyond it the customer reads "more than".
MAX_MINUTES: Final = 30


@dataclass(frozen=True, slots=True)
class Expected:
    """What a customer is told."""

    kind: Literal["now", "minutes", "long", "unknown"]
    minutes: int = 0
    """With `minutes`: at most about this many; with `long`: more than this many."""


@dataclass(frozen=True, slots=True)
class _Wait:
    at: float
    seconds: float
    place: int
    """1: nobody was ahead when the caller arrived."""


class WaitBoard:
    """Learns from callers who were connected."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, int]] = {}
        self._waits: dict[str, deque[_Wait]] = {}

    def joined(self, call_id: str, queue: str, place: int) -> None:
        """A caller began to wait."""
        self._places.pop(call_id, None)
        self._places[call_id] = queue, max(1, place)
        while len(self._places) > MAX_WAITING:
            del self._places[next(iter(self._places))]

    def connected(self, call_id: str, queue: str, seconds: float, at: float) -> None:
        """An agent took the caller."""
        known, place = self._places.pop(call_id, (queue, 1))
        waits = self._waits.setdefault(queue, deque(maxlen=MAX_WAITS))
        waits.append(_Wait(at, seconds, place if known == queue else 1))
        while len(self._waits) > MAX_QUEUES:
            del self._waits[next(iter(self._waits))]

    def ended(self, call_id: str) -> None:
        """The caller no longer waits."""
        self._places.pop(call_id, None)

    def expected(self, queue: str, state: QueueState | None, now: float) -> Expected:
        """What a new caller of the queue should be told; `state` None: it is not known."""
        if state is not None and state.available > state.waiting:
            return Expected("now")
        waits = [w for w in self._waits.get(queue, ()) if w.at > now - RECENT_S]
        if state is None or len(waits) < LEAST:
            return Expected("unknown")
        # Each place in the queue takes its time; the upper half of what was seen is promised.
        per_place = sorted(w.seconds / w.place for w in waits)
        usual = statistics.quantiles(per_place, n=4, method="inclusive")[2] * (state.waiting + 1)
        # A caller who has waited this long already shows that it has become slower.
        seconds = max(usual, state.longest_wait_s if state.waiting else 0.0)
        minutes = max(1, math.ceil(seconds / 60))
        return Expected("long", MAX_MINUTES) if minutes > MAX_MINUTES else Expected("minutes", minutes)

"""How many requests one client may make: a token bucket for each token, user or address. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

#: The limit is so many requests in this time, all at once or spread.
WINDOW_S: Final = 60.0
#: Clients remembered; the one that was away longest is forgotten.
MAX_CLIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what to tell the client."""

    allowed: bool
    remaining: int
    reset_s: int
    """Seconds until the whole limit is there again."""
    retry_s: int
    """Seconds until one request may pass; 0 when allowed."""


class RateLimits:
    """Buckets that fill up evenly."""

    def __init__(self, per_minute: int, window_s: float = WINDOW_S, max_clients: int = MAX_CLIENTS) -> None:
        """`per_minute` requests may come at once; 0: no limit."""
        self.per_minute = per_minute
        self._rate, self._max_clients = per_minute / window_s, max_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By client: requests left, and when that was reckoned."""

    def ask(self, client: str, at: float) -> Verdict:
        """Take one request from a client's bucket."""
        if self.per_minute <= 0:
            return Verdict(True, 0, 0, 0)
        full = float(self.per_minute)
        left, then = self._buckets.pop(client, (full, at))
        left = min(full, left + max(0.0, at - then) * self._rate)
        allowed = left >= 1.0
        if allowed:
            left -= 1.0
        self._buckets[client] = (left, at)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        retry_s = 0 if allowed else math.ceil((1.0 - left) / self._rate)
        return Verdict(allowed, int(left), math.ceil((full - left) / self._rate), retry_s)

"""How many requests to the API one client may make, and what the client is told. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from emocx_pbx.limits import MAX_KEYS, Limit

#: Window in seconds: the limit is this many requests within it, all at once or spread.
WINDOW_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what to tell the client."""

    allowed: bool
    remaining: int
    reset_s: int
    """Seconds until the whole limit is available again."""
    retry_s: int
    """Seconds until one request may pass; 0 when allowed."""


class RateLimits:
    """One limit for each token, user or address."""

    def __init__(self, per_minute: int, max_clients: int = MAX_KEYS) -> None:
        """`per_minute` requests may come at once; 0: no limit."""
        self.per_minute = per_minute
        self.limit = Limit(per_minute, WINDOW_S, max_clients)

    def ask(self, client: str, at: float) -> Verdict:
        """Take one request of a client's."""
        if self.per_minute <= 0:
            return Verdict(True, 0, 0, 0)
        wait = self.limit.wait_s(client, at)
        if not wait:
            self.limit.use(client, at)
        reset = math.ceil(self.limit.all_left_in_s(client, at))
        return Verdict(not wait, self.limit.left(client, at), reset, math.ceil(wait))

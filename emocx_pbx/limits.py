"""How often something may be done, by key: the only limiter. In bounded memory, pure.

Chat, API, logins, tokens and log lines are limited by it; a client's address counts by `place_of`.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

#: Keys remembered; the one that was used longest ago is forgotten first.
MAX_KEYS: Final = 10_000
#: Times kept for a key; with more uses than that, those of a moment count as one, dated late.
SLOTS: Final = 64

N = TypeVar("N", bound=str)


class Limit:
    """At most `most` uses within any `window_s`, for each key."""

    def __init__(self, most: int, window_s: float, max_keys: int = MAX_KEYS) -> None:
        self.most, self.window_s = most, window_s
        self._max_keys = max_keys
        self._grain_s = window_s / SLOTS if most > SLOTS else 0.0
        self.on_use: Callable[[str, int], None] = _nobody
        """Told a key and how often it was used just now; -1: a use does not count after all."""
        self._used: OrderedDict[str, deque[tuple[float, int]]] = OrderedDict()
        """By key: times and how many uses were made then, in order."""

    def change(self, most: int, window_s: float) -> None:
        """Other bounds from now on; what was used counts on, for as long as it was remembered."""
        self.most, self.window_s = most, window_s
        self._grain_s = window_s / SLOTS if most > SLOTS else 0.0

    def wait_s(self, key: str, at: float) -> float:
        """Seconds until it may be done again; 0: now."""
        used = self._recent(key, at)
        if sum(number for _, number in used) < self.most:
            return 0.0
        return used[0][0] + self._grain_s + self.window_s - at

    def left(self, key: str, at: float) -> int:
        """How often it may be done now."""
        return max(0, self.most - sum(number for _, number in self._recent(key, at)))

    def all_left_in_s(self, key: str, at: float) -> float:
        """Seconds until all uses are there again."""
        used = self._recent(key, at)
        return used[-1][0] + self._grain_s + self.window_s - at if used else 0.0

    def use(self, key: str, at: float) -> None:
        """It is done."""
        self._use(key, at)
        self.on_use(key, 1)

    def use_elsewhere(self, key: str, at: float, number: int) -> None:
        """It was done so often by another process; less than 0: it does not count after all."""
        for _ in range(min(number, self.most)):
            self._use(key, at)
        for _ in range(min(-number, self.most)):
            self._undo(key)

    def _use(self, key: str, at: float) -> None:
        used = self._used.setdefault(key, deque())
        if self._grain_s and used and at - used[-1][0] < self._grain_s:
            used[-1] = (used[-1][0], used[-1][1] + 1)
        else:
            used.append((at, 1))
            if not self._grain_s and len(used) > self.most:
                used.popleft()
        self._used.move_to_end(key)
        while len(self._used) > self._max_keys:
            self._used.popitem(last=False)

    def undo(self, key: str) -> None:
        """The last use does not count."""
        if self._undo(key):
            self.on_use(key, -1)

    def _undo(self, key: str) -> bool:
        if used := self._used.get(key):
            used_at, number = used.pop()
            if number > 1:
                used.append((used_at, number - 1))
            return True
        return False

    def forget(self, key: str) -> None:
        """Nothing was done by this key."""
        self._used.pop(key, None)

    def _recent(self, key: str, at: float) -> deque[tuple[float, int]]:
        used = self._used.get(key)
        if used is None:
            return deque()
        while used and used[0][0] + self._grain_s + self.window_s <= at:
            used.popleft()
        if not used:
            del self._used[key]
        return used

    def __len__(self) -> int:
        return len(self._used)


def _nobody(key: str, number: int) -> None:
    """Where uses are of no interest to others."""


def take(limits: Sequence[tuple[N, Limit, str]], at: float) -> tuple[N, float] | None:
    """Use all limits, or none: the first one that does not allow it, with the seconds to wait.

    Args:
        limits: name, limit and key of each.
        at: seconds of whichever clock the limits are counted by.
    """
    for name, limit, key in limits:
        if (wait := limit.wait_s(key, at)) > 0:
            return name, wait
    for _, limit, key in limits:
        limit.use(key, at)
    return None


def place_of(address: str) -> str:
    """The key of a client's address: whoever has one IPv6 address has its whole /64."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False).network_address)
    return str(ip)

"""Limits on how often something may be done, by key: in bounded memory, by a clock passed in. Pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

#: Keys remembered; the one that was used longest ago is forgotten first.
MAX_KEYS: Final = 10_000


class Limit:
    """At most `most` within `window_s`, for each key."""

    def __init__(self, most: int, window_s: float, max_keys: int = MAX_KEYS) -> None:
        self._most, self._window_s, self._max_keys = most, window_s, max_keys
        self._used: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until it may be done again; 0: now."""
        used = self._used.get(key)
        if used is None:
            return 0.0
        while used and used[0] <= now - self._window_s:
            used.popleft()
        if not used:
            del self._used[key]
            return 0.0
        return 0.0 if len(used) < self._most else used[0] + self._window_s - now

    def use(self, key: str, now: float) -> None:
        """It is done."""
        used = self._used.setdefault(key, deque(maxlen=self._most))
        used.append(now)
        self._used.move_to_end(key)
        while len(self._used) > self._max_keys:
            self._used.popitem(last=False)

    def __len__(self) -> int:
        return len(self._used)


def take(limits: Sequence[tuple[str, Limit, str]], now: float) -> tuple[str, float] | None:
    """Use all limits, or none: the first one that does not allow it, with the seconds to wait.

    Args:
        limits: name, limit and key of each.
        now: seconds of any clock that does not go back.
    """
    for name, limit, key in limits:
        if (wait := limit.wait_s(key, now)) > 0:
            return name, wait
    for _, limit, key in limits:
        limit.use(key, now)
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

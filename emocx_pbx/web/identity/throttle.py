"""Slows the guessing of passwords down: failures are counted per account and per address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

#: Failures within the window that are let pass, by kind of key.
LIMITS: Final = {"account": 10, "address": 30}
WINDOW_S: Final = 900.0
#: Keys remembered; the oldest are forgotten first.
MOST_KEYS: Final = 10_000


class Throttle:
    """Recent failures by key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def wait_s(self, account: str, address: str) -> float:
        """Seconds until another attempt is heard; 0: now."""
        now = self._clock()
        waits = [0.0]
        for key in self._keys(account, address):
            recent = [at for at in self._failures.get(key, ()) if at > now - WINDOW_S]
            limit = LIMITS[key[0]]
            if len(recent) >= limit:
                waits.append(recent[-limit] + WINDOW_S - now)
        return max(waits)

    def failed(self, account: str, address: str) -> None:
        """An attempt was wrong."""
        now = self._clock()
        for key in self._keys(account, address):
            kept = [at for at in self._failures.pop(key, []) if at > now - WINDOW_S]
            self._failures[key] = [*kept, now][-max(LIMITS.values()) :]
        while len(self._failures) > MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """The owner is there: the account's failures are forgotten, and the address's last one."""
        owner, place = self._keys(account, address)
        self._failures.pop(owner, None)
        if kept := self._failures.get(place):
            kept.pop()

    @staticmethod
    def _keys(account: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("account", account.casefold()), ("address", address)

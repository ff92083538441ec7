"""Slows the guessing of passwords and tokens down, without locking out whoever knows them.

Failures are counted for an account from one place, for a place, and for an account from everywhere. A
browser that has logged in to the account before is counted by itself: nobody else can lock it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emocx_pbx.limits import Limit, place_of

WINDOW_S: Final = 900.0
#: Failures within the window that are let pass.
HERE: Final = 10
PLACE: Final = 30
ACCOUNT: Final = 100
BROWSER: Final = 10
#: Wrong API tokens of one place within the window.
TOKENS: Final = 60
#: Tokens that were right lately are still heard where too many wrong ones came from.
KNOWN_TOKENS: Final = 1_000


class Throttle:
    """Recent failures by key."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._here = Limit(HERE, WINDOW_S)
        self._place = Limit(PLACE, WINDOW_S)
        self._account = Limit(ACCOUNT, WINDOW_S)
        self._browser = Limit(BROWSER, WINDOW_S)
        self.tokens = Limit(TOKENS, WINDOW_S)
        self._known_tokens = Limit(1, WINDOW_S, KNOWN_TOKENS)

    def wait_s(self, account: str, address: str, browser: str = "") -> float:
        """Seconds until another attempt is heard; 0: now.

        Args:
            account: name that is tried.
            address: of the client.
            browser: what tells a browser that has logged in to this account before; empty: it has not.
        """
        now = self._now()
        return max(limit.wait_s(key, now) for limit, key in self._keys(account, address, browser))

    def failed(self, account: str, address: str, browser: str = "") -> None:
        """An attempt was wrong (or begins: many at the same moment must not all be heard)."""
        for limit, key in self._keys(account, address, browser):
            limit.use(key, self._now())

    def succeeded(self, account: str, address: str, browser: str = "") -> None:
        """The owner is there: what failed here before is forgotten, and elsewhere the attempt itself."""
        for limit, key in self._keys(account, address, browser):
            if limit in (self._here, self._browser):
                limit.forget(key)
            else:
                limit.undo(key)

    def token_wait_s(self, token_hash: str, address: str) -> float:
        """Seconds until a token from this address is looked up; 0: now."""
        now = self._now()
        if not self._known_tokens.left(token_hash, now):
            return 0.0
        return self.tokens.wait_s(place_of(address), now)

    def token_was(self, right: bool, token_hash: str, address: str) -> None:
        """A token was looked up."""
        now = self._now()
        if right:
            self._known_tokens.use(token_hash, now)
        else:
            self._known_tokens.forget(token_hash)
            self.tokens.use(place_of(address), now)

    def _keys(self, account: str, address: str, browser: str) -> list[tuple[Limit, str]]:
        if browser:
            return [(self._browser, browser)]
        name, place = account.casefold()[:200], place_of(address)
        return [(self._here, f"{name}\0{place}"), (self._place, place), (self._account, name)]

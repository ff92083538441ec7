"""Slows down the guessing of passwords and tokens, without locking out those who know them.

Failures are counted for an account from one place, for a place, and for an account from everywhere. A browser
that has logged in to the account before is counted on its own: nobody else can lock it out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emocx_pbx.deeds.deed import LoginFits, TryLogin
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.limits import Limit, place_of
from emocx_pbx.store.audit import SERVICE

WINDOW_S: Final = 900.0
#: Failures within the window that are allowed.
HERE: Final = 10
PLACE: Final = 30
ACCOUNT: Final = 100
BROWSER: Final = 10
#: Wrong API tokens from one place within the window that are allowed.
TOKENS: Final = 60
#: Most recently valid tokens remembered: these are accepted even from places that sent too many wrong ones.
KNOWN_TOKENS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to log in."""

    wait_s: float
    """Seconds until an attempt is allowed; 0: this one is."""
    attempt_id: str
    forgotten: tuple[str, ...]
    """Keys whose failures are forgotten if the password is right."""


class Throttle:
    """Logins are counted in the database, exactly over all processes that share it; tokens here."""

    def __init__(self, deeds: Doer, now: Callable[[], float]) -> None:
        """`deeds` count attempts; `now` is Unix seconds."""
        self._deeds, self._now = deeds, now
        self.tokens = Limit(TOKENS, WINDOW_S)
        """Wrong tokens, by place."""
        self._known_tokens = Limit(1, WINDOW_S, KNOWN_TOKENS)

    async def begin(self, account: str, address: str, browser: str = "") -> Attempt:
        """Begin an attempt, which counts until it is known to be right.

        Args:
            account: the name that is tried.
            address: the client's.
            browser: identifies a browser that has logged in to this account before; empty: it has not.

        Raises:
            PeerUnavailable, StoreError: it can't be counted now.
        """
        counted = _counted(account, address, browser)
        attempt = secrets.token_hex(8)
        wait_s = await self._deeds.do(TryLogin(attempt, counted, WINDOW_S), SERVICE)
        return Attempt(wait_s, attempt, (counted[0][0],))

    async def fits(self, attempt: Attempt) -> None:
        """The password was right: earlier failures here are forgotten, and elsewhere this attempt."""
        await self._deeds.do(LoginFits(attempt.attempt_id, attempt.forgotten), SERVICE)

    def token_wait_s(self, token_hash: str, address: str) -> float:
        """Seconds until a token from this address may be looked up; 0: now."""
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


def _counted(account: str, address: str, browser: str) -> tuple[tuple[str, int], ...]:
    """The keys that an attempt counts for, with how many are allowed; the first is forgotten on success."""
    if browser:
        return ((_hashed("browser", browser), BROWSER),)
    name, place = account.casefold()[:200], place_of(address)
    return (
        (_hashed("here", name, place), HERE),
        (_hashed("place", place), PLACE),
        (_hashed("account", name), ACCOUNT),
    )


def _hashed(*what: str) -> str:
    """The hashed form that is stored: what was typed as a name may be a password."""
    return hashlib.sha256("\0".join(what).encode("utf-8", "replace")).hexdigest()[:32]

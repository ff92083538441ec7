"""Passwords: hashed by argon2 off the event loop, few at a time; and random tokens with their hashes."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from emocx_pbx.errors import InputError

#: Long enough that guessing over the network is hopeless; no rule on kinds of characters.
SHORTEST: Final = 10
LONGEST: Final = 200
#: One hash takes 64 MiB; more at once would let a flood of logins starve the machine.
AT_ONCE: Final = 2


class Passwords:
    """Hashes and compares passwords."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(AT_ONCE)
        # Compared when the user is unknown, so that the answer takes as long as for a known one.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to keep.

        Raises:
            InputError: too short or too long.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(f"the password needs {SHORTEST} to {LONGEST} characters")
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the password; takes as long when there is no hash to compare with."""
        async with self._room:
            same = await asyncio.to_thread(self._compare, kept or self._nobody, password[:LONGEST])
        return same and kept is not None

    def _compare(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def new_token(prefix: str = "") -> str:
    """256 random bits for a session, a link or an API token."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token; it is random, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()

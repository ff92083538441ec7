"""Passwords: hashed with argon2 off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from emocx_pbx.deeds.tokens import new_token as new_token
from emocx_pbx.deeds.tokens import token_hash as token_hash
from emocx_pbx.errors import EmocxError, InputError

T = TypeVar("T")

#: Shortest and longest password: long enough to make guessing over the network hopeless; any characters.
SHORTEST: Final = 10
LONGEST: Final = 200
#: One hash takes 64 MiB and a core; more at once would let a flood of logins starve the machine.
AT_ONCE: Final = 1
#: Niceness of hashing: callers are waiting for decisions, a login can wait.
NICE: Final = 10


#: Most passwords waiting for their turn (0.1 s each); the next one is told to try again.
MAX_WAITING: Final = 10
#: Further places for known browsers and users.
FOR_KNOWN: Final = 10


class Busy(EmocxError):
    """Too many passwords are being looked at; try again in some seconds."""


class Passwords:
    """Hashes and compares passwords."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(parallelism=1)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._inside = 0
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords", _give_way)
        # Compared when the user is unknown, so that the answer takes as long as for a known one.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            InputError: the password is too short or too long.
            Busy: too many are waiting already.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(f"the password needs {SHORTEST} to {LONGEST} characters")
        async with self._turn(known=True):
            return await self._aside(self._hasher.hash, password)

    async def matches(self, kept: str | None, password: str, *, known: bool = False) -> bool:
        """Whether it is the right password; takes as long when there is no hash to compare with.

        Raises:
            Busy: too many are waiting already; known clients have more places.
        """
        async with self._turn(known):
            same = await self._aside(self._compare, kept or self._nobody, password[:LONGEST])
        return same and kept is not None

    async def _aside(self, work: Callable[..., T], *given: str) -> T:
        """In a thread of its own, of low priority (Linux has one for each thread)."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    @contextlib.asynccontextmanager
    async def _turn(self, known: bool) -> AsyncIterator[None]:
        if self._inside >= AT_ONCE + MAX_WAITING + (FOR_KNOWN if known else 0):
            raise Busy
        self._inside += 1
        try:
            async with self._room:
                yield
        finally:
            self._inside -= 1

    def _compare(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def _give_way() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)

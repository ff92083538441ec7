"""Answers by idempotency key: a repeated request gets the same answer, even after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from emocx_pbx.store.connection import Connection

#: Seconds that an answer is kept.
KEPT_S: Final = 86_400.0
#: Seconds after which an unanswered request never will be answered: we crashed.
ABANDONED_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known about a key."""

    state: Literal["new", "busy", "other", "known"]
    """new: ours to answer; busy: being answered; other: used for another request; known: answered before."""
    status: int = 0
    body: bytes = b""


class Idempotency:
    """The part of the store about idempotency keys."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self._connection, self._now = connection, now

    async def claim(self, who: str, key: str, request: str) -> Claim:
        """Claim a key for a request (given as a hash of all its parts), or find the earlier answer."""
        now, sql = self._now(), self._connection.sql
        async with self._connection.transaction() as c:
            await sql.forget_answers(c, before=now - KEPT_S, abandoned=now - ABANDONED_S)
            if await sql.claim_key(c, who=who, key=key, request=request, at=now):
                return Claim("new")
            row = await sql.known_key(c, who=who, key=key)
        if row["request"] != request:
            return Claim("other")
        if row["status"] is None:
            return Claim("busy")
        return Claim("known", row["status"], row["body"])

    async def keep(self, who: str, key: str, status: int, body: bytes) -> None:
        """Store the answer to the request."""
        async with self._connection.transaction() as c:
            await self._connection.sql.keep_answer(c, who=who, key=key, status=status, body=body)

    async def release(self, who: str, key: str) -> None:
        """Release the key: the request failed, and may be tried again with it."""
        async with self._connection.transaction() as c:
            await self._connection.sql.release_key(c, who=who, key=key)

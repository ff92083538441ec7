"""The audit log: every change with who, from where, and how it stood before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import aiosqlite
import msgspec

from emocx_pbx.store.account_rows import Actor, AuditRow
from emocx_pbx.store.connection import Connection


class AuditLog:
    """Appended to, never changed."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection, self._clock = connection, clock

    async def note(
        self,
        c: aiosqlite.Connection,
        by: Actor,
        action: str,
        subject: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change in the transaction that makes it; no secrets."""
        await self._connection.sql.add_audit(
            c,
            at=self._clock(),
            actor=by.name,
            address=by.address,
            action=action,
            subject=subject,
            before=msgspec.json.encode(before).decode() if before is not None else None,
            after=msgspec.json.encode(after).decode() if after is not None else None,
        )

    async def add(
        self,
        by: Actor,
        action: str,
        subject: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change that was made elsewhere (a file, a grade); no secrets."""
        async with self._connection.transaction() as c:
            await self.note(c, by, action, subject, before, after)

    async def rows(
        self,
        before_id: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """Changes, newest first; `action` may be the beginning of one, e.g. "user."."""
        rows = await self._connection.rows(
            "audit", before_id=before_id or 2**62, actor=actor, action=action, limit=limit
        )
        return [AuditRow(**dict(row)) for row in rows]

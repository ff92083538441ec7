"""What is in force in the running service, for other processes that grade: the rubric."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import SERVICE, AuditLog
from emocx_pbx.store.connection import Connection


class InForce:
    """The part of the store about what is in force."""

    def __init__(self, connection: Connection, now: Callable[[], float], audit: AuditLog) -> None:
        self._connection, self._now, self._audit = connection, now, audit

    async def rubric(self) -> Rubric | None:
        """The rubric that the service grades by; None: no service ever ran on this database."""
        row = await self._connection.row("in_force", name="rubric")
        return msgspec.json.decode(row["body"], type=Rubric) if row else None

    async def put_rubric(self, rubric: Rubric, by: Actor = SERVICE) -> None:
        """The service grades by this rubric from now on; noted if it differs from the one before."""
        body = msgspec.json.encode(rubric).decode()
        async with self._connection.transaction() as c:
            row = await self._connection.sql.in_force(c, name="rubric")
            if row is not None and row["body"] == body:
                return
            await self._connection.sql.put_in_force(c, name="rubric", body=body, at=self._now())
            before = msgspec.json.decode(row["body"]) if row else None
            await self._audit.note(
                c, by, "rubric.in_force", rubric.version, before, msgspec.json.decode(body)
            )

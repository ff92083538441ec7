"""Decisions about queries in the store, and people's labels for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

import msgspec

from emocx_pbx.domain import Decision
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.audit import AuditLog, Entry
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import DecisionRow, QueryCorrectionRow


class Decisions:
    """What was decided for each query; every method is one transaction or one read."""

    def __init__(self, connection: Connection, outbox: Outbox, audit: AuditLog) -> None:
        self._connection, self._outbox, self._audit = connection, outbox, audit
        self._sql = connection.sql

    async def record(
        self,
        decision: Decision,
        call_id: str | None,
        customer_key: str | None,
        text: str | None,
        events: Sequence[NewEvent] = (),
    ) -> None:
        """Store a decision with its events (once; repeating an id changes nothing)."""
        about = [*([call_id] if call_id else ()), *(event.stream for event in events)]
        async with self._connection.transaction(about=about) as c:
            if call_id is not None and await self._sql.is_forgotten(c, call_id=call_id):
                customer_key, text = None, None
            await self._sql.record_decision(
                c,
                decision_id=decision.decision_id,
                call_id=call_id,
                at=decision.at,
                customer_key=customer_key or None,
                text=text,
                body=msgspec.json.encode(decision).decode(),
                status=decision.status,
                queue=decision.queue,
                emotion=decision.emotion,
                topic=decision.topic,
                rule=decision.rule,
            )
            await self._outbox.put(c, events)
        self._outbox.tell(events)

    async def get(self, decision_id: str) -> DecisionRow | None:
        """A decision by its id."""
        row = await self._connection.row("decision", decision_id=decision_id)
        return _decision(row) if row else None

    async def between(
        self, since: float = -math.inf, until: float = math.inf, limit: int = 1000
    ) -> list[DecisionRow]:
        """Decisions of a period, newest first."""
        rows = await self._connection.rows("decisions", since=since, until=until, limit=limit)
        return [_decision(row) for row in rows]

    async def correct(self, correction: QueryCorrectionRow, noted: Entry) -> None:
        """Store a person's label for a query, with its audit entry."""
        values = {f.name: getattr(correction, f.name) for f in fields(correction)}
        async with self._connection.transaction() as c:
            await self._sql.add_query_correction(c, **values)
            await self._audit.write(c, noted)

    async def corrections(self, since: float = -math.inf) -> list[QueryCorrectionRow]:
        """People's labels for queries, the last one of each query, oldest first."""
        rows = await self._connection.rows("query_corrections", since=since)
        return [QueryCorrectionRow(**dict(row)) for row in rows]


def _decision(row: Row) -> DecisionRow:
    decision = msgspec.json.decode(row["body"], type=Decision)
    return DecisionRow(decision, row["call_id"], row["customer_key"], row["text"])

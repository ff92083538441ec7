"""Forgetting: one customer on request, and everybody after a time."""

from __future__ import annotations

from typing import Any, Final

import aiosqlite
import msgspec

from emocx_pbx.events.json_text import json_text
from emocx_pbx.store.grades import Grades

#: Fields of event payloads that point to a customer.
PERSONAL: Final = ("customer_key", "caller", "text")

_OF_A_CALL: Final = ("segments", "visits", "readings", "spans", "holds", "corrections", "alerts", "grades")


class Erasure(Grades):
    """The part of the Store that forgets."""

    async def erase(self, customer_key: str | None = None, caller: str | None = None) -> dict[str, int]:
        """Remove a customer everywhere, by the CRM's key, the calling number, or either.

        A call that is still going on stays, but nothing of it points to the customer any more. An
        event that a receiver is still owed is kept without personal fields until it is delivered.

        Returns:
            How many rows went, by kind; `blanked_calls` and `blanked_events` were kept as above.
        """
        counts: dict[str, int] = {}
        async with self._connection.transaction() as c:
            found = self._sql.calls_of_customer(c, customer_key=customer_key or None, caller=caller or None)
            calls = [(row["call_id"], row["ended_at"] is not None) async for row in found]
            decisions: list[str] = []
            if customer_key:
                rows = self._sql.decisions_of_customer(c, customer_key=customer_key)
                decisions = [row["decision_id"] async for row in rows]
            for call_id, ended in calls:
                await self._blank_events(c, call_id, counts)
                await self._forget_call(c, call_id, ended, counts)
            for decision_id in decisions:
                await self._blank_events(c, f"decision/{decision_id}", counts)
                _count(counts, "decisions", await self._sql.delete_decision(c, decision_id=decision_id))
        await self._connection.checkpoint()
        return counts

    async def kept(self) -> dict[str, Any]:
        """How many calls are kept, and when the oldest began (None: there is none)."""
        row = await self._connection.row("kept")
        return dict(row) if row else {"calls": 0, "oldest_at": None}

    async def purge(self, before: float) -> dict[str, int]:
        """Remove calls that ended before a time, with all that belongs to them, and old queries.

        Deliveries still pending of so old events go with them.
        """
        counts: dict[str, int] = {}
        async with self._connection.transaction() as c:
            rows = self._sql.calls_ended_before(c, before=before)
            calls = [row["call_id"] async for row in rows]
            rows = self._sql.loose_decisions_before(c, before=before)
            decisions = [row["decision_id"] async for row in rows]
            for call_id in calls:
                _count(counts, "events", await self._sql.delete_events(c, stream=call_id))
                await self._forget_call(c, call_id, True, counts)
            for decision_id in decisions:
                stream = f"decision/{decision_id}"
                _count(counts, "events", await self._sql.delete_events(c, stream=stream))
                _count(counts, "decisions", await self._sql.delete_decision(c, decision_id=decision_id))
            _count(counts, "events", await self._sql.delete_events_before(c, before=before))
        return counts

    async def _forget_call(
        self, c: aiosqlite.Connection, call_id: str, ended: bool, counts: dict[str, int]
    ) -> None:
        _count(counts, "decisions", await self._sql.delete_decisions_of_call(c, call_id=call_id))
        if not ended:
            _count(counts, "blanked_calls", await self._sql.blank_call(c, call_id=call_id))
            return
        for kind in _OF_A_CALL:
            _count(counts, kind, await getattr(self._sql, f"delete_{kind}")(c, call_id=call_id))
        _count(counts, "calls", await self._sql.delete_call(c, call_id=call_id))

    async def _blank_events(self, c: aiosqlite.Connection, stream: str, counts: dict[str, int]) -> None:
        _count(counts, "events", await self._sql.delete_finished_events(c, stream=stream))
        pending = [row async for row in self._sql.pending_events(c, stream=stream)]
        for row in pending:
            blank = blanked(row["body"])
            _count(
                counts,
                "blanked_events",
                await self._sql.blank_event(c, event_id=row["event_id"], body=blank),
            )


def blanked(body: str) -> str:
    """An event's body with its personal fields null."""
    envelope: dict[str, Any] = msgspec.json.decode(body)
    data = envelope.get("data", {})
    envelope["data"] = {name: None if name in PERSONAL else value for name, value in data.items()}
    return json_text(envelope)


def _count(counts: dict[str, int], kind: str, number: int) -> None:
    if number > 0:
        counts[kind] = counts.get(kind, 0) + number

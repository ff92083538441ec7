"""Calls in the store: their begin and end, segments, stays in queues and holds, written as they happen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Literal

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.domain import Segment, Visit
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.connection import Connection, Row, Session
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import CallRow, HoldRow, OpenCall

_CALL_FIELDS = tuple(f.name for f in fields(CallRow))


class Calls:
    """Calls, their segments, stays in queues and holds; every method is one transaction or one read."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._connection, self._outbox = connection, outbox
        self._sql = connection.sql

    async def start(
        self,
        call_id: str,
        at: float,
        customer_key: str | None,
        caller: str | None,
        queue: str | None,
        decision_id: str | None,
        events: Sequence[NewEvent] = (),
        queued_at: float | None = None,
        callback: str | None = None,
    ) -> None:
        """A call began; repeated, it only fills in what was not known.

        `queued_at` is when it first joined a queue; `callback` is the state of dialling the customer.
        """
        about = [call_id, *(event.stream for event in events)]
        async with self._connection.transaction(about=about) as c:
            if await self._sql.is_forgotten(c, call_id=call_id):
                customer_key, caller = None, None
            await self._sql.start_call(
                c,
                call_id=call_id,
                pbx=pbx_of(call_id),
                at=at,
                customer_key=customer_key or None,
                caller=caller or None,
                queue=queue or None,
                decision_id=decision_id or None,
                queued_at=queued_at,
                callback=callback,
            )
            if decision_id:
                await self._sql.attach_decision(c, decision_id=decision_id, call_id=call_id)
                await self._sql.attach_call(c, decision_id=decision_id, call_id=call_id)
                await self._sql.refresh_call(c, call_id=call_id)
            await self._outbox.put(c, events)
        self._outbox.tell(events)

    async def touch(self, call_id: str, at: float) -> None:
        """The call was alive at `at`, which is when it is assumed to have ended if we crash now."""
        async with self._connection.transaction(durable=False, about=[call_id]) as c:
            await self._sql.touch_call(c, call_id=call_id, at=at)

    async def opt_out(self, call_id: str) -> None:
        """The call must be neither tapped nor graded, now or after a restart."""
        async with self._connection.transaction(about=[call_id]) as c:
            await self._sql.opt_out(c, call_id=call_id)

    async def set_tapped(self, call_id: str, at: float) -> None:
        """When the call's first tapped sample arrived; only the first time given counts."""
        async with self._connection.transaction(about=[call_id]) as c:
            await self._sql.set_tapped(c, call_id=call_id, at=at)

    async def save_segment(self, segment: Segment) -> None:
        """An agent's segment as it is known now: open, or closed with its reason."""
        values = {f.name: getattr(segment, f.name) for f in fields(segment) if f.name != "index"}
        seen = segment.started_at if segment.ended_at is None else segment.ended_at
        async with self._connection.transaction(about=[segment.call_id]) as c:
            await self._sql.save_segment(c, number=segment.index, **values)
            await self.refresh(c, segment.call_id)
            await self._sql.touch_call(c, call_id=segment.call_id, at=seen)

    async def save_visit(self, call_id: str, index: int, visit: Visit) -> None:
        """A stay in a queue as it is known now."""
        async with self._connection.transaction(about=[call_id]) as c:
            await self._sql.save_visit(
                c,
                call_id=call_id,
                number=index,
                queue=visit.queue,
                entered_at=visit.entered_at,
                left_at=visit.left_at,
                left_why=visit.left,
            )
            await self._sql.touch_call(c, call_id=call_id, at=visit.left_at or visit.entered_at)

    async def set_hold(self, call_id: str, at: float, on_hold: bool) -> None:
        """The customer was put on hold, or taken back."""
        query = self._sql.start_hold if on_hold else self._sql.end_hold
        async with self._connection.transaction(about=[call_id]) as c:
            await query(c, call_id=call_id, at=at)
            await self._sql.touch_call(c, call_id=call_id, at=at)

    async def end(
        self,
        call_id: str,
        at: float,
        reason: str,
        events: Sequence[NewEvent] = (),
        *,
        disposition: str = "answered",
        hung_up_by: str | None = None,
        callback: str | None = None,
    ) -> bool:
        """The call is over: open segments, stays and holds close, `events` (call.ended last) are queued.

        Returns:
            False if it had ended before; then only events that were never queued are added.
        """
        async with self._connection.transaction(about=[call_id]) as c:
            ended: int = await self._sql.end_call(
                c,
                call_id=call_id,
                at=at,
                reason=reason,
                disposition=disposition,
                hung_up_by=hung_up_by,
                callback=callback,
            )
            await self._sql.close_all_segments(c, call_id=call_id, at=at, reason=reason)
            await self._sql.close_visits(c, call_id=call_id, at=at)
            await self._sql.end_hold(c, call_id=call_id, at=at)
            await self.refresh(c, call_id)
            await self._sql.clear_all_alerts(c, call_id=call_id, at=at)
            await self._outbox.put(c, events)
        self._outbox.tell(events)
        return ended > 0

    async def callbacks(self, since: float) -> list[tuple[str, float]]:
        """Numbers called back since a time, and when (Unix seconds), the oldest first."""
        rows = await self._connection.rows("callbacks_since", since=since)
        return [(row["caller"], row["started_at"]) for row in rows]

    async def ended_since(self, since: float) -> list[str]:
        """Ids of the calls that ended since a time."""
        return [row["call_id"] for row in await self._connection.rows("ended_since", since=since)]

    async def visits(self, call_id: str) -> tuple[Visit, ...]:
        """The call's stays in queues, in order."""
        rows = await self._connection.rows("visits", call_id=call_id)
        return tuple(Visit(r["queue"], r["entered_at"], r["left_at"], r["left_why"]) for r in rows)

    async def refresh(self, c: Session, call_id: str) -> None:
        """The sums that lists show of the call are stored with it, so that lists need not compute them."""
        await self._sql.refresh_call(c, call_id=call_id)
        await self._sql.refresh_segments(c, call_id=call_id)
        await self._sql.note_queues_of_agents(c, call_id=call_id)

    async def open(self) -> list[OpenCall]:
        """Calls without an end, with their open segments: those that a restart has to settle."""
        found = []
        for call in [call_row(row) for row in await self._connection.rows("open_calls")]:
            segments = await self.segments(call.call_id)
            open_ones = tuple(s for s in segments if s.ended_at is None)
            found.append(OpenCall(call, open_ones, max((s.index + 1 for s in segments), default=0)))
        return found

    async def between(
        self,
        since: float = -math.inf,
        until: float = math.inf,
        queue: str | None = None,
        agent: str | None = None,
        limit: int = 100,
    ) -> list[CallRow]:
        """Calls that began in a period, newest first."""
        rows = await self._connection.rows(
            "calls", since=since, until=until, queue=queue, agent=agent, limit=limit
        )
        return [call_row(row) for row in rows]

    async def segments(self, call_id: str) -> tuple[Segment, ...]:
        """The call's segments, in order."""
        return tuple(segment_of(row) for row in await self._connection.rows("segments", call_id=call_id))

    async def holds(self, call_id: str) -> tuple[HoldRow, ...]:
        """When the customer was on hold."""
        rows = await self._connection.rows("holds", call_id=call_id)
        return tuple(HoldRow(row["started_at"], row["ended_at"]) for row in rows)


def call_row(row: Row) -> CallRow:
    """A row of table call."""
    values = {name: row[name] for name in _CALL_FIELDS}
    return CallRow(**values | {"opted_out": bool(row["opted_out"])})


def segment_of(row: Row) -> Segment:
    """A row of table segment."""
    via: Literal["queue", "transfer", "dial"] = row["via"]
    return Segment(
        row["call_id"],
        row["number"],
        row["agent"],
        row["interface"],
        row["queue"],
        via,
        row["started_at"],
        row["ended_at"],
        row["end_reason"],
        row["ended_to"],
        row["missed_s"],
    )

"""The outbox: events and their deliveries, written in the same transaction as what they report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import msgspec

from emocx_pbx.events.event import NewEvent, wants
from emocx_pbx.events.json_text import json_text
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.store.audit import AuditLog, Entry
from emocx_pbx.store.claims import Claims
from emocx_pbx.store.connection import Connection, Session
from emocx_pbx.store.receivers import Receivers
from emocx_pbx.store.rows import DeliveryRow, DeliveryState, EventRow

#: Fields of event payloads that point to a customer.
PERSONAL: Final = ("customer_key", "caller", "text")

#: Types of live events that nobody needs once the call is over; after that they are not sent.
_LIVE: Final = frozenset({"call.reading", "reading.revised", "call.alert", "query.routed"})


class Outbox(Claims):
    """Events and their deliveries; used by every part that writes something reported to receivers."""

    def __init__(
        self,
        connection: Connection,
        receivers: Receivers,
        audit: AuditLog,
        now: Callable[[], float] | None = None,
    ) -> None:
        """`now`: see Claims."""
        super().__init__(connection, now)
        self._receivers, self._audit = receivers, audit
        self.news: Listeners[[]] = Listeners()
        """Listeners are called after events were committed."""

    def tell(self, events: Sequence[NewEvent]) -> None:
        """Have the events sent; call after the transaction in which they were `put`."""
        if events:
            self._connection.after_commit(self.news.tell)

    async def add_event(
        self, type: str, call_id: str | None, data: Mapping[str, Any], at: float, discriminator: str = ""
    ) -> None:
        """Queue one event on its own; repeating it changes nothing."""
        await self.add_events([NewEvent(type, call_id, data, at, discriminator)])

    async def add_events(self, events: Sequence[NewEvent]) -> None:
        """Queue events, all or none."""
        async with self._connection.transaction(about=[event.stream for event in events]) as c:
            await self.put(c, events)
        self.tell(events)

    async def put(self, c: Session, events: Sequence[NewEvent]) -> None:
        """Inside a transaction: give each new event its sequence number and one delivery per receiver."""
        for event in events:
            if await self._sql.event_exists(c, event_id=event.event_id):
                continue
            await c.hold(event.stream)
            if (event.type in _LIVE or event.type == "call.ended") and await self._sql.stream_ended(
                c, stream=event.stream
            ):
                continue
            sequence: int = await self._sql.next_sequence(c, stream=event.stream)
            body = event.body(sequence)
            if event.call_id is not None and await self._sql.is_forgotten(c, call_id=event.call_id):
                body = blanked(body)
            await self._sql.add_event(
                c,
                event_id=event.event_id,
                stream=event.stream,
                call_id=event.call_id,
                type=event.type,
                sequence=sequence,
                at=event.at,
                body=body,
            )
            raised = event.type == "call.alert" and event.data.get("state") != "cleared"
            if raised and event.call_id is not None:
                await self._sql.count_alert(c, call_id=event.call_id)
            for receiver in self._receivers.current():
                if wants(receiver.events, event.type):
                    await self._sql.add_delivery(
                        c,
                        event_id=event.event_id,
                        receiver=receiver.name,
                        type=event.type,
                        stream=event.stream,
                        sequence=sequence,
                        clock=self._clock(),
                    )

    async def disabled(self) -> dict[str, str]:
        """Receivers that get nothing at present, with the reason."""
        return {row["name"]: row["reason"] for row in await self._connection.rows("disabled_receivers")}

    async def deliveries(
        self,
        receiver: str | None = None,
        state: DeliveryState | None = None,
        call_id: str | None = None,
        event_id: str | None = None,
        since: float = -math.inf,
        until: float = math.inf,
        limit: int = 100,
    ) -> list[DeliveryRow]:
        """Deliveries of a period's events, newest first."""
        asked: dict[str, Any] = {"receiver": receiver, "state": state, "limit": limit}
        always = (since, until) == (-math.inf, math.inf)
        if call_id is not None and event_id is None and always:
            rows = await self._connection.rows("deliveries_of_call", call_id=call_id, **asked)
        elif call_id is None and event_id is None and always:
            rows = await self._connection.rows(
                "view_deliveries", type=None, team=None, before=2**62, least=0, **asked
            )
        else:
            rows = await self._connection.rows(
                "deliveries", call_id=call_id, event_id=event_id, since=since, until=until, **asked
            )
        names = [f.name for f in fields(DeliveryRow) if f.init]
        return [DeliveryRow(**{name: row[name] for name in names}) for row in rows]

    async def pending(self) -> dict[str, int]:
        """Number of pending deliveries by receiver."""
        rows = await self._connection.rows("pending_deliveries")
        return {row["receiver"]: row["number"] for row in rows}

    async def owed(self) -> dict[tuple[str, str], int]:
        """Number of pending and of failed deliveries by receiver and state."""
        rows = await self._connection.rows("owed_deliveries")
        return {(row["receiver"], row["state"]): row["number"] for row in rows}

    async def events_of_call(self, call_id: str) -> tuple[EventRow, ...]:
        """The call's events, in order, with the bodies that receivers get."""
        rows = await self._connection.rows("events_of_call", call_id=call_id)
        return tuple(EventRow(**dict(row)) for row in rows)

    async def replay(
        self,
        receiver: str | None = None,
        event_id: str | None = None,
        call_id: str | None = None,
        type: str | None = None,
        since: float = -math.inf,
        until: float = math.inf,
        state: DeliveryState | None = None,
        noted: Callable[[int], Entry] | None = None,
    ) -> int:
        """Send events again: one, a call's, or a range, to one receiver or all that want them.

        With `state` only deliveries in that state (e.g. "failed") are sent again; without it also those
        delivered, and events that a new receiver never got. A receiver disabled by its own 410 is enabled
        when it is named. Event ids stay, so receivers can recognise repetitions. `noted` makes the audit
        entry from the number of deliveries then pending.

        Returns:
            How many deliveries are pending because of this.
        """
        wanted = [e for e in self._receivers.current() if receiver is None or e.name == receiver]
        names = dict.fromkeys([e.name for e in wanted] + ([receiver] if receiver else []))
        filters = {e.name: e.events for e in wanted}
        number = 0
        events = await self._connection.rows(
            "events_between", event_id=event_id, call_id=call_id, type=type, since=since, until=until
        )
        async with self._connection.transaction() as c:
            if receiver:
                await self._sql.enable_receiver(c, name=receiver)
                await self._sql.drop_pause(c, name=receiver)
            for event in events:
                for name in names:
                    found: int = await self._sql.replay(
                        c, event_id=event["event_id"], receiver=name, state=state, clock=self._clock()
                    )
                    if not found and state is None and wants(filters.get(name, ("",)), event["type"]):
                        found = await self._sql.add_delivery(
                            c,
                            event_id=event["event_id"],
                            receiver=name,
                            type=event["type"],
                            stream=event["stream"],
                            sequence=event["sequence"],
                            clock=self._clock(),
                        )
                    number += found
            if noted is not None:
                await self._audit.write(c, noted(number))
        if number:
            self.news.tell()
        return number


def blanked(body: str) -> str:
    """An event's body with its personal fields null."""
    envelope: dict[str, Any] = msgspec.json.decode(body)
    data = envelope.get("data", {})
    envelope["data"] = {name: None if name in PERSONAL else value for name, value in data.items()}
    return json_text(envelope)

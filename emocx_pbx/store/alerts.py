"""Alerts in the store: written when raised, completed when cleared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.list_rows import Team, team_text
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import AlertRow

#: Most alerts that one read returns.
LIMIT: Final = 1000


class Alerts:
    """Alerts about calls."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        self._connection, self._outbox = connection, outbox
        self._sql = connection.sql

    async def save(self, alerts: Sequence[AlertRow], events: Sequence[NewEvent] = ()) -> None:
        """Store alerts (each once, by call, rule and t1) and their ends, with their events."""
        about = {alert.call_id for alert in alerts} | {event.stream for event in events}
        async with self._connection.transaction(about=about) as c:
            for alert in alerts:
                key = {"call_id": alert.call_id, "rule": alert.rule, "t1": alert.t1}
                await self._sql.raise_alert(
                    c,
                    **key,
                    t0=alert.t0,
                    raised_at=alert.raised_at,
                    number=alert.segment,
                    agent=alert.agent,
                    message=alert.message,
                )
                if alert.cleared_at is not None:
                    await self._sql.clear_alert(c, **key, at=alert.cleared_at, reason=alert.clear_reason)
            await self._outbox.put(c, events)
        self._outbox.tell(events)

    async def of_call(self, call_id: str) -> tuple[AlertRow, ...]:
        """The call's alerts, in the order in which they were raised."""
        return tuple(_alert(row) for row in await self._connection.rows("alerts_of_call", call_id=call_id))

    async def between(
        self, since: float = -math.inf, until: float = math.inf, limit: int = LIMIT, team: Team = None
    ) -> list[AlertRow]:
        """Alerts raised in a period, newest first."""
        rows = await self._connection.rows(
            "alerts", since=since, until=until, team=team_text(team), limit=limit
        )
        return [_alert(row) for row in rows]


def _alert(row: Row) -> AlertRow:
    return AlertRow(
        row["call_id"],
        row["rule"],
        row["t0"],
        row["t1"],
        row["raised_at"],
        row["number"],
        row["agent"],
        row["message"],
        row["cleared_at"],
        row["clear_reason"],
    )

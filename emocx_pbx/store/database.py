"""The store: one SQLite file that outlives crashes, and the only place that knows SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.accounts import Accounts
from emocx_pbx.store.calls import call_row
from emocx_pbx.store.connection import Connection
from emocx_pbx.store.idempotency import Idempotency
from emocx_pbx.store.in_force import InForce
from emocx_pbx.store.lists import Views
from emocx_pbx.store.ranking import RankingRows
from emocx_pbx.store.rows import CallDetail


class Store(RankingRows):
    """Calls, alerts, grades, the outbox, erasure and ranking (one base class each) on one database file.

    Every writing method is one transaction and may be repeated after a crash without doubling
    anything. What it wrote survives any crash of ours when it returns, and a power cut too, but for
    the last readings and utterances. Methods raise StoreError when SQLite refuses.
    """

    def __init__(
        self, connection: Connection, endpoints: Sequence[WebhookSettings], clock: Callable[[], float]
    ) -> None:
        super().__init__(connection, endpoints, clock)
        self.views = Views(connection)
        """Lists and sums for people."""
        self.accounts = Accounts(connection, clock, self.audit)
        """Users, sessions and tokens."""
        self.in_force = InForce(connection, clock, self.audit)
        """What the running service goes by."""
        self.idempotency = Idempotency(connection, clock)
        """Answers to requests that may be repeated."""

    @classmethod
    async def open(
        cls,
        path: Path | str,
        endpoints: Sequence[WebhookSettings] = (),
        clock: Callable[[], float] = time.time,
        *,
        migrating: bool = True,
        reading: bool = False,
    ) -> Store:
        """Open or create the database; `endpoints` are the receivers that new events go to.

        With `reading` it is only read, and every method that writes raises StoreError.

        Raises:
            StoreError: the file can't be used, a newer program made it, or (unless `migrating`) an older one.
        """
        store = cls(await Connection.open(Path(path), migrating=migrating, reading=reading), endpoints, clock)
        await store.receivers.load()
        if not reading:
            await store.audit.seal()
        return store

    async def close(self) -> None:
        """Close after the running transaction."""
        await self._connection.close()

    async def schema(self) -> int:
        """The schema's number."""
        row = await self._connection.row("schema_number")
        return int(row["user_version"]) if row else 0

    async def call(self, call_id: str) -> CallDetail | None:
        """All that is known of one call."""
        row = await self._connection.row("call", call_id=call_id)
        if row is None:
            return None
        decision = await self._connection.row("decision_of_call", call_id=call_id)
        return CallDetail(
            call=call_row(row),
            decision=await self.decision(decision["decision_id"]) if decision else None,
            segments=await self.segments(call_id),
            readings=await self.readings(call_id),
            spans=await self.spans(call_id),
            holds=await self.holds(call_id),
            grades=await self.grades_of_call(call_id),
            events=await self.events_of_call(call_id),
            alerts=await self.alerts_of_call(call_id),
            visits=await self.visits(call_id),
        )

"""The store: an SQLite file or a PostgreSQL database, and the only place that knows SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.accounts import Accounts
from emocx_pbx.store.alerts import Alerts
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.calls import Calls, call_row
from emocx_pbx.store.connection import Connection
from emocx_pbx.store.decisions import Decisions
from emocx_pbx.store.erasure import Erasure
from emocx_pbx.store.grades import Grades
from emocx_pbx.store.idempotency import Idempotency
from emocx_pbx.store.in_force import InForce
from emocx_pbx.store.leases import Leases, OneHost, ServerLeases
from emocx_pbx.store.line_estimates import LineEstimates
from emocx_pbx.store.lists import Lists
from emocx_pbx.store.login_tries import LoginTries
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.postgres import PostgresConnection
from emocx_pbx.store.postgres_place import is_postgresql
from emocx_pbx.store.ranking import RankingRows
from emocx_pbx.store.readings import Readings
from emocx_pbx.store.receivers import Receivers
from emocx_pbx.store.reviews import Reviews
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.store.sqlite import SqliteConnection


class Store:
    """The parts of one database, each with its tables.

    Every writing method is one transaction and may be repeated after a crash without duplicating anything.
    Once it returns, what it wrote survives any crash of ours, and a power cut too, except for the last
    readings and utterances. Methods raise StoreError when the database refuses.
    """

    def __init__(
        self, connection: Connection, receivers: Sequence[WebhookSettings], given: Callable[[], float] | None
    ) -> None:
        self._connection, now = connection, given or time.time
        self.audit = AuditLog(connection, now)
        """The audit log: who did what."""
        self.receivers = Receivers(connection, receivers, now, self.audit)
        """The receivers of events."""
        self.outbox = Outbox(connection, self.receivers, self.audit, given)
        """Events and their deliveries; passed to the parts that write what events report."""
        self.decisions = Decisions(connection, self.outbox, self.audit)
        """What was decided for queries."""
        self.calls = Calls(connection, self.outbox)
        """Calls, segments, stays in queues, holds."""
        self.readings = Readings(connection, self.outbox, self.audit)
        """Readings and utterances of calls."""
        self.alerts = Alerts(connection, self.outbox)
        """Alerts about calls."""
        self.grades = Grades(connection, self.calls, self.outbox, self.audit, now)
        """Grades of calls' segments."""
        self.erasure = Erasure(connection, self.outbox, self.audit, now)
        """Erases customers and old calls."""
        self.ranking = RankingRows(connection)
        """What the ranking of agents is based on."""
        self.lists = Lists(connection)
        """Lists and sums for people."""
        self.accounts = Accounts(connection, now, self.audit)
        """Users, sessions and tokens."""
        self.in_force = InForce(connection, now, self.audit)
        """The rubric in force in the running service."""
        self.lines = LineEstimates(connection, now, self.audit)
        """How speech models' answers lean on the site's lines."""
        self.reviews = Reviews(connection, now, self.audit)
        """Windows that people label, and trainings from them."""
        self.leases: Leases = ServerLeases(connection) if connection.shared else OneHost()
        """Which controller acts for a PBX."""
        self.login_tries = LoginTries(connection, now)
        """Attempts to log in."""
        self.idempotency = Idempotency(connection, now)
        """Answers to requests that clients may repeat."""

    @classmethod
    async def open(
        cls,
        place: Path | str,
        receivers: Sequence[WebhookSettings] = (),
        now: Callable[[], float] | None = None,
        *,
        migrating: bool = True,
        reading: bool = False,
    ) -> Store:
        """Open or create the database: a file, or the one at `postgresql://…`.

        `receivers` are the receivers that new events go to. `now` is Unix seconds; None: this host's clock,
        and the database's where several hosts must agree on a time. With `reading` it is read-only, and every
        method that writes raises StoreError.

        Raises:
            StoreError: it can't be used, a newer program made it, or (unless `migrating`) an older one.
        """
        connection: Connection
        if is_postgresql(place):
            connection = await PostgresConnection.open(str(place), migrating=migrating, reading=reading)
        else:
            connection = await SqliteConnection.open(Path(place), migrating=migrating, reading=reading)
        store = cls(connection, receivers, now)
        await store.receivers.load()
        if not reading:
            await store.audit.seal()
        return store

    @property
    def shared(self) -> bool:
        """Whether processes of several hosts may write to it."""
        return self._connection.shared

    async def close(self) -> None:
        """Close after the running transaction."""
        await self._connection.close()

    async def schema(self) -> int:
        """The schema's number."""
        return await self._connection.schema()

    async def size(self) -> int:
        """Bytes that the database takes up on its disk."""
        return await self._connection.size()

    def together(self, *, durable: bool) -> AbstractAsyncContextManager[None]:
        """A context that makes one transaction of what a task writes inside it, if the database can: see
        Connection.
        """
        return self._connection.together(durable=durable)

    async def call(self, call_id: str) -> CallDetail | None:
        """All that is known of one call."""
        row = await self._connection.row("call", call_id=call_id)
        if row is None:
            return None
        decision = await self._connection.row("decision_of_call", call_id=call_id)
        return CallDetail(
            call=call_row(row),
            decision=await self.decisions.get(decision["decision_id"]) if decision else None,
            segments=await self.calls.segments(call_id),
            readings=await self.readings.of_call(call_id),
            spans=await self.readings.spans(call_id),
            holds=await self.calls.holds(call_id),
            grades=await self.grades.of_call(call_id),
            events=await self.outbox.events_of_call(call_id),
            alerts=await self.alerts.of_call(call_id),
            visits=await self.calls.visits(call_id),
            said=await self.readings.words(call_id),
        )

"""A look at a PostgreSQL database from outside: read only, nothing is migrated, bounded in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emocx_pbx.store.audit import Chain, verified
from emocx_pbx.store.migrate_postgres import number_of
from emocx_pbx.store.postgres import as_store_error, connected
from emocx_pbx.store.postgres_place import shown_place
from emocx_pbx.store.sql import queries

#: A large audit log takes a while to hold against its hashes.
LOOK_S = 20.0


@dataclass(frozen=True, slots=True)
class PostgresLooked:
    """What was found."""

    place: str
    """Address without its password."""
    major: int
    """Version of the server, e.g. 15."""
    encoding: str
    may_create: bool
    """We may make tables, as migrations do."""
    standby: bool
    """It only follows another server."""
    ahead_s: float
    """Its clock against ours."""
    schema: int
    """Number of its last migration; 0: none yet."""
    audit: Chain | None
    """The audit log held against its hashes; None: there is none yet."""


async def look_postgres(place: str, now: Callable[[], float], look_s: float = LOOK_S) -> PostgresLooked:
    """Look once.

    Raises:
        StoreUnavailable: nobody answers.
        StoreError: we are refused.
    """
    shown = shown_place(place)
    with as_store_error(f"{shown} can't be used"):
        async with connected(place, "look", look_s) as c:
            row = await c.fetchrow(
                "SELECT current_setting('server_version_num')::int / 10000 AS major,"
                " pg_encoding_to_char(encoding) AS encoding, pg_is_in_recovery() AS standby,"
                " has_schema_privilege(current_schema(), 'CREATE') AS may_create,"
                " extract(epoch FROM clock_timestamp())::float8 AS now"
                " FROM pg_database WHERE datname = current_database()"
            )
            ahead_s = row["now"] - now()
            schema = await number_of(c)
            audit = await _audit(c) if schema else None
    return PostgresLooked(
        shown, row["major"], row["encoding"], bool(row["may_create"]), row["standby"], ahead_s, schema, audit
    )


async def _audit(c: Any) -> Chain:
    sql = queries("postgresql")
    async with c.transaction(isolation="repeatable_read", readonly=True):  # all of one moment
        cut = await c.fetchrow(sql["audit_cut"].text)
        newest = await c.fetchrow(sql["audit_newest"].text)
        entries = await c.fetch(sql["audit_with_hashes"].text)
    return verified(entries, cut, newest["seq"] if newest else 0)

"""Inspects a PostgreSQL database from outside: read-only, without migrating, and limited in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emocx_pbx.store.audit import Chain, verified
from emocx_pbx.store.migrate_postgres import number_of
from emocx_pbx.store.postgres import as_store_error, connected
from emocx_pbx.store.postgres_place import shown_place
from emocx_pbx.store.sql import queries

#: Seconds for the inspection: a large audit log takes a while to check against its hashes.
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
    """Whether we may create tables, as migrations do."""
    standby: bool
    """Whether it only replicates another server."""
    ahead_s: float
    """Seconds by which its clock is ahead of ours."""
    schema: int
    """Number of its last migration; 0: none yet."""
    audit: Chain | None
    """Result of checking the audit log against its hashes; None: there is none yet."""


async def look_postgres(place: str, now: Callable[[], float], look_s: float = LOOK_S) -> PostgresLooked:
    """Inspect it once.

    Raises:
        StoreUnavailable: the server does not answer.
        StoreError: the server refused us.
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
    async with c.transaction(isolation="repeatable_read", readonly=True):  # one consistent snapshot
        cut = await c.fetchrow(sql["audit_cut"].text)
        newest = await c.fetchrow(sql["audit_newest"].text)
        entries = await c.fetch(sql["audit_with_hashes"].text)
    return verified(entries, cut, newest["seq"] if newest else 0)

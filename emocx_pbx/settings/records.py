"""The settings' section [store]: where the records are kept."""

from __future__ import annotations

from typing import Annotated

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The database."""

    path: str = "emocx.db"
    """SQLite file; relative to the settings file's directory. The status socket lies beside it."""
    url: str = ""
    """PostgreSQL 15 or newer instead: `postgresql://user@host/database`; with a password, better given as a
    credential or as EMOCX_STORE_URL. Empty: the file."""
    spool_mb: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 256
    """While PostgreSQL is away, changes of calls wait in a file beside `store.path` (its name and `.spool`),
    up to this many MB; beyond that, and with 0, only in memory."""


def store_problems(store: StoreSettings) -> list[tuple[str, str]]:
    """Place and problem of settings that are wrong in themselves."""
    if store.url and not store.url.startswith(("postgresql://", "postgres://")):
        return [("store.url", "expected an address that begins with postgresql://")]
    return []

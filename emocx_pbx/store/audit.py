"""The audit log: every change with its author, its origin, and the state before and after.

Entries form a chain: the hash of each covers the one before, so that `verify` notices if one was changed,
removed or inserted. Whoever can write to the file can also rebuild the whole chain: the newest hash, which
`emocx-pbx check` prints, is worth keeping elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from emocx_pbx.errors import StoreError
from emocx_pbx.store.account_rows import Actor, AuditRow
from emocx_pbx.store.connection import Connection, Row, Session
from emocx_pbx.store.sql import clean, queries

#: What the first entry's hash covers in place of a previous hash.
BEGIN: Final = "0" * 64
#: The number of the first schema that has hashes.
CHAINED: Final = 13
#: Action of the entry that records the log's own retention.
CUT: Final = "audit.cut"
#: Action of the entry that records that those before it only got their hashes then.
SEALED: Final = "audit.sealed"
#: The service itself.
SERVICE: Final = Actor("emocx-pbx", "")


@dataclass(frozen=True, slots=True)
class Entry:
    """A change as the audit log records it; no secrets, and nothing that points to a customer."""

    by: Actor
    action: str
    """`<kind>.<what was done>`, e.g. "grade.override"."""
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The result of checking the log against its hashes."""

    entries: int
    head: str
    """Hash of the newest entry."""
    problem: str = ""
    """The first place where the chain is broken; empty: it is intact."""
    sealed: int = 0
    """Number of the entry before which hashes were made later than the entries; 0: there is none."""


class AuditLog:
    """Only ever appended to, and shortened only by its own retention."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self._connection, self._now = connection, now

    @property
    def _sql(self) -> Any:
        return self._connection.sql

    async def write(self, c: Session, entry: Entry) -> None:
        """Note a change in the transaction that makes it."""
        values = {
            "at": self._now(),
            # As every database returns it: the hash covers what is read later.
            "actor": clean(entry.by.name),
            "address": clean(entry.by.address),
            "action": clean(entry.action),
            "subject": clean(entry.subject),
            "before": _json(entry.before),
            "after": _json(entry.after),
        }
        audit_id: int = await self._sql.add_audit(c, **values)
        last = await self._sql.audit_head(c)
        digest = hash_of(last["hash"] if last else BEGIN, {"audit_id": audit_id, **values})
        await self._sql.add_audit_hash(c, audit_id=audit_id, hash=digest)

    async def note(
        self,
        c: Session,
        by: Actor,
        action: str,
        subject: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """The same, from its parts."""
        await self.write(c, Entry(by, action, subject, before, after))

    async def add(
        self,
        by: Actor,
        action: str,
        subject: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note something that has no rows of its own (a refused login, a test event)."""
        async with self._connection.transaction() as c:
            await self.note(c, by, action, subject, before, after)

    async def around(self, entry: Entry, change: Callable[[], None]) -> None:
        """Note a change of files, and make it; if it fails, nothing is noted.

        Args:
            entry: the entry to append.
            change: makes the change, in a thread; must be quick, since no call's row is written meanwhile.
        """
        async with self._connection.transaction() as c:
            await self.write(c, entry)
            await asyncio.to_thread(change)

    async def rows(
        self,
        before_id: int | None = None,
        actor: str | None = None,
        action: str | None = None,
        limit: int = 50,
    ) -> list[AuditRow]:
        """Changes, newest first; `action` may be the beginning of one, e.g. "user."."""
        rows = await self._connection.rows(
            "audit", before_id=before_id or 2**62, actor=actor, action=action, limit=limit
        )
        return [AuditRow(**dict(row)) for row in rows]

    async def seal(self) -> None:
        """Give hashes to the entries of a database older than the chain; once, when it is first opened.

        The log records this: hashes that somebody removed would be restored this way, over whatever is there
        now.
        """
        if await self._connection.row("audit_head") or not await self._connection.row("audit_newest"):
            return
        async with self._connection.transaction() as c:
            if await self._sql.audit_head(c) is not None:
                return
            last, entries = BEGIN, 0
            for row in [row async for row in self._sql.audit_in_order(c)]:
                last, entries = hash_of(last, row), entries + 1
                await self._sql.add_audit_hash(c, audit_id=row["audit_id"], hash=last)
            await self.note(c, SERVICE, SEALED, "audit log", None, {"entries": entries})

    async def cut(self, before: float, by: Actor = SERVICE) -> int:
        """Remove entries older than `before` (the log's retention); the chain goes on from there.

        Returns:
            How many entries were removed.
        """
        async with self._connection.transaction() as c:
            last = await self._sql.audit_last_before(c, before=before)
            if last is None:
                return 0
            up_to = {"audit_id": last["audit_id"], "hash": last["hash"]}
            await self._sql.add_audit_cut(c, **up_to)
            gone: int = await self._sql.cut_audit(c, audit_id=last["audit_id"])
            await self._sql.cut_audit_chain(c, audit_id=last["audit_id"])
            await self._sql.drop_old_cuts(c, audit_id=last["audit_id"])
            await self.write(c, Entry(by, CUT, "audit log", None, {"entries": gone, **up_to}))
        return gone


def verify_file(path: Path) -> Chain | None:
    """Check every entry of a database's log against its hash; only reads, and may run beside the service.

    Returns:
        The result; None: the database is older than the chain, which begins when the service opens it.

    Raises:
        StoreError: the database can't be read.
    """
    sql = queries("sqlite")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # one consistent snapshot
            if connection.execute("PRAGMA user_version").fetchone()[0] < CHAINED:
                return None
            cut, newest, entries = (
                connection.execute(sql[name].text).fetchall()
                for name in ("audit_cut", "audit_newest", "audit_with_hashes")
            )
            return verified(entries, cut[0] if cut else None, newest[0]["seq"] if newest else 0)
    except sqlite3.Error as error:
        raise StoreError(f"the audit log in {path} can't be read: {error}") from error


def verified(rows: Sequence[Row], cut: Row | None, newest: int) -> Chain:
    """Whether a chain is intact.

    Args:
        rows: entries with their hashes by number; a hash without its entry has no `at`.
        cut: number and hash of the last entry that the log's retention let go.
        newest: the highest number ever given.
    """
    last = cut["hash"] if cut else BEGIN
    number = cut["audit_id"] if cut else 0
    explained, gone, sealed = cut is None, number, 0
    for row in rows:
        number += 1
        if row["at"] is None or row["audit_id"] != number:
            return Chain(len(rows), last, f"entry {number} is missing")
        if row["hash"] != hash_of(last, row):
            return Chain(len(rows), last, f"entry {number} is not as it was written")
        last = row["hash"]
        if row["action"] == SEALED:
            if sealed:
                return Chain(len(rows), last, f"hashes were taken away and made anew at entry {number}")
            sealed = number
        if cut and row["action"] == CUT and cut["hash"] in (row["after"] or ""):
            explained = True
    if number < newest:
        return Chain(len(rows), last, f"entries {number + 1} to {newest} are missing")
    if not explained:
        return Chain(len(rows), last, f"entries up to {gone} went, and no entry tells of it")
    return Chain(len(rows), last, sealed=sealed)


def hash_of(last: str, row: Mapping[str, Any] | Row) -> str:
    """SHA-256 over the hash before and the entry, as a JSON array in UTF-8, in hexadecimal."""
    names = ("audit_id", "at", "actor", "address", "action", "subject", "before", "after")
    return hashlib.sha256(msgspec.json.encode([last, *(row[name] for name in names)])).hexdigest()


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()

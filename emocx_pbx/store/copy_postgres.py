"""Copies the records of an SQLite file to an empty PostgreSQL database: all of them, compared, or none."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emocx_pbx.errors import StoreError
from emocx_pbx.store.migrate import migrations
from emocx_pbx.store.migrate_postgres import migrate
from emocx_pbx.store.postgres import LONG_S, as_store_error, connected, everything_locked
from emocx_pbx.store.postgres_place import shown_place
from emocx_pbx.store.snapshot import schema, unused
from emocx_pbx.store.sql import clean

#: Rows sent, and read back, at a time.
_ROWS: Final = 5_000
_MODULUS: Final = 1 << 128


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that was found the same on both sides."""

    table: str
    rows: int
    checksum: str
    """Checksum of all its rows in any order, hexadecimal."""


class _Sum:
    """Number and checksum of rows, whatever their order."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def add(self, row: Sequence[Any]) -> None:
        digest = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self.rows, self._sum = self.rows + 1, (self._sum + int.from_bytes(digest, "big")) % _MODULUS

    @property
    def checksum(self) -> str:
        return f"{self._sum:032x}"


async def copy_to_postgres(
    source: Path, place: str, done: Callable[[CopiedTable], None] = lambda table: None
) -> list[CopiedTable]:
    """Copy every row of the file at `source` to the database at `place`, in one transaction, and compare.

    Nobody else can write to the file meanwhile. It stays as it is.

    Args:
        source: an SQLite database of this version's schema that nobody uses.
        place: the address of an empty database, or of one that has our tables and no rows.
        done: called for each table once it was copied and read back.

    Raises:
        StoreError: the file is in use, missing or of another schema; the target is not empty; or something
            was read back differently from what was sent. Then nothing stays in the target.
    """
    with unused(source):
        pass
    if (found := schema(source)) != len(migrations()):
        raise StoreError(f"{source}: its schema is {found}, not {len(migrations())}: start the service once")
    with _quiet(source) as from_file, as_store_error(f"the database {shown_place(place)} can't be filled"):
        async with connected(place, "copy", LONG_S) as c:
            await migrate(c)
            async with c.transaction():
                await c.execute(everything_locked())
                tables = _tables(from_file)
                await _must_be_empty(c, tables, place)
                copied = []
                for table in tables:
                    copied.append(await _copy(from_file, c, table))
                    done(copied[-1])
                await _go_on_counting(from_file, c)
            await c.execute("ANALYZE")
    return copied


@contextmanager
def _quiet(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, locked against writers while it is read."""
    with closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise StoreError(f"{path}: can't be read: {error}") from error
        yield connection
        connection.execute("ROLLBACK")


def _tables(from_file: sqlite3.Connection) -> list[str]:
    """Names of all tables, each after those that it refers to."""
    names = [
        row[0]
        for row in from_file.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]
    needs = {
        name: {row[2] for row in from_file.execute(f'PRAGMA foreign_key_list("{name}")')} - {name}
        for name in names
    }
    ordered: list[str] = []
    while left := [name for name in names if name not in ordered]:
        ordered.append(next(name for name in left if needs[name] <= set(ordered)))
    return ordered


async def _must_be_empty(c: Any, tables: Sequence[str], place: str) -> None:
    for table in tables:
        if number := await c.fetchval(f'SELECT COUNT(*) FROM "{table}"'):
            raise StoreError(
                f"the database {shown_place(place)} is not empty: table {table} has {number} rows"
            )


async def _copy(from_file: sqlite3.Connection, c: Any, table: str) -> CopiedTable:
    columns = [row[1] for row in from_file.execute(f'PRAGMA table_info("{table}")')]
    names = ", ".join(f'"{column}"' for column in columns)
    sent, got = _Sum(), _Sum()
    cursor = from_file.execute(f'SELECT {names} FROM "{table}"')
    while rows := [tuple(map(clean, row)) for row in cursor.fetchmany(_ROWS)]:
        for row in rows:
            sent.add(row)
        await c.copy_records_to_table(table, records=rows, columns=columns)
    async for row in c.cursor(f'SELECT {names} FROM "{table}"', prefetch=_ROWS):
        got.add(row)
    if (sent.rows, sent.checksum) != (got.rows, got.checksum):
        raise StoreError(
            f"table {table} came back otherwise than it was sent: {sent.rows} rows {sent.checksum},"
            f" there {got.rows} rows {got.checksum}; nothing was kept"
        )
    return CopiedTable(table, sent.rows, sent.checksum)


async def _go_on_counting(from_file: sqlite3.Connection, c: Any) -> None:
    """Make numbers assigned from now on higher than any before, including those of deleted rows."""
    given = dict(from_file.execute("SELECT name, seq FROM sqlite_sequence"))
    await c.execute("UPDATE audit_newest SET seq = $1", given.get("audit", 0))
    counted = await c.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND is_identity = 'YES'"
    )
    for table, column in counted:
        there = await c.fetchval(f'SELECT COALESCE(MAX("{column}"), 0) FROM "{table}"')
        if highest := max(there, given.get(table, 0)):
            await c.execute(f"""SELECT setval(pg_get_serial_sequence('"{table}"', '{column}'), {highest})""")

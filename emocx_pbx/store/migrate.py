"""Brings a database to this version's schema by the numbered .sql files beside this module."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiosqlite

from emocx_pbx.errors import StoreError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_NAME = re.compile(r"^(?P<number>\d{4})_[a-z0-9_]+\.sql\Z")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; it runs once, in a transaction of its own."""

    number: int
    path: Path


def migrations(directory: Path = MIGRATIONS, begins: int | None = 1) -> list[Migration]:
    """The directory's migrations, from `begins` on without a gap; None: with any numbers.

    Raises:
        StoreError: a file is misnamed, or a number is missing or occurs twice.
    """
    found: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise StoreError(f"{path.name}: a migration is named like 0001_what_it_does.sql")
        found.append(Migration(int(match["number"]), path))
    if begins is not None and [m.number for m in found] != list(range(begins, begins + len(found))):
        raise StoreError(f"migrations are not numbered 1 to {len(found)}: {[m.path.name for m in found]}")
    return found


def too_new(version: int, known: int) -> str:
    """The error about a database that a newer program made."""
    return f"the database has schema {version}, this program knows up to {known}: use a newer one"


async def missing(connection: aiosqlite.Connection, directory: Path = MIGRATIONS) -> tuple[int, int]:
    """The schema's number (SQLite's user_version; 0: empty), and how many migrations it lacks.

    Raises:
        StoreError: the database is newer than this program.
    """
    known = len(migrations(directory))
    async with connection.execute("PRAGMA user_version") as cursor:
        row = await cursor.fetchone()
    version = int(row[0]) if row else 0
    if version > known:
        raise StoreError(too_new(version, known))
    return version, known - version


async def migrate(connection: aiosqlite.Connection, directory: Path = MIGRATIONS) -> int:
    """Apply what is missing; returns the schema's number.

    Raises:
        StoreError: the database is newer than this program, or a migration failed (and was rolled back).
    """
    known = migrations(directory)
    version, _ = await missing(connection, directory)
    for migration in known[version:]:
        # Two processes may start at once: the second to get BEGIN IMMEDIATE finds the work done.
        script = migration.path.read_text(encoding="utf-8")
        try:
            await connection.execute("BEGIN IMMEDIATE")
            async with connection.execute("PRAGMA user_version") as cursor:
                row = await cursor.fetchone()
            if row and int(row[0]) >= migration.number:
                await connection.rollback()
                continue
            for statement in statements(script):
                await connection.execute(statement)
            await connection.execute(f"PRAGMA user_version = {migration.number}")
            await connection.commit()
        except sqlite3.Error as error:
            await connection.rollback()
            raise StoreError(f"migration {migration.path.name} failed: {error}") from error
    return len(known)


def statements(script: str) -> list[str]:
    """The script's statements one by one; SQLite itself says where one is complete."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in pending.splitlines()):
        raise StoreError(f"unfinished statement at the end of a migration: {pending.strip()[:60]!r}")
    return found

"""The store in an SQLite file: one connection writes, under a lock; three read, by how long readers may
wait.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, ClassVar, Final

import aiosqlite

from emocx_pbx.errors import StoreError, StoreUnavailable
from emocx_pbx.store.connection import Connection, Reader, Row, Session
from emocx_pbx.store.migrate import migrate, missing
from emocx_pbx.store.snapshot import before_migration, by_turns, snapshot
from emocx_pbx.store.sql import Dialect, Query

#: Seconds to wait for a lock: another process (`webhooks replay`, `erase`) may be writing briefly.
BUSY_TIMEOUT_S: Final = 10.0

#: Pages of the file that the connection for people's views keeps.
VIEW_CACHE_KIB: Final = 32 * 1024
#: Bytes that it reads through memory-mapped pages instead of by copying.
VIEW_MMAP_BYTES: Final = 1 << 30


class SqliteSession:
    """A transaction on the writer, which has the whole database to itself."""

    def __init__(self, writer: aiosqlite.Connection) -> None:
        self._writer = writer

    async def fetch(self, query: Query, values: Mapping[str, Any]) -> Sequence[Row]:
        """All rows."""
        return list(await self._writer.execute_fetchall(query.text, values))

    async def change(self, query: Query, values: Mapping[str, Any]) -> int:
        """Run a statement that changes rows; returns how many."""
        async with self._writer.execute(query.text, values) as cursor:
            return cursor.rowcount

    async def change_many(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same with many sets of parameters."""
        async with self._writer.executemany(query.text, rows):
            pass

    async def hold(self, *streams: str) -> None:
        """Nothing to do: nobody else writes anyway."""

    async def execute(self, text: str) -> None:
        """Run SQL that is not a named query."""
        await self._writer.execute(text)


class SqliteConnection(Connection):
    """Transactions on the writer, plain reads on the readers (which see only what is committed).

    Lists and sums for people have a reader of their own, and so has the ranking, which reads thousands of
    grades: a call must never wait for a report, nor a page for the ranking.
    """

    dialect: ClassVar[Dialect] = "sqlite"
    shared: ClassVar[bool] = False
    path: Path

    def __init__(
        self,
        path: Path,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        viewer: aiosqlite.Connection,
        ranker: aiosqlite.Connection,
        *,
        reading: bool = False,
    ) -> None:
        super().__init__()
        self.path = path
        self._writer, self._reader = writer, reader
        self._readers = {"rows": reader, "view": viewer, "ranking": ranker}
        self._reading = reading
        self._lock = asyncio.Lock()
        self._durable = True
        self._together: asyncio.Task[Any] | None = None
        """The task that is writing several things in one transaction just now."""
        self._after_commit: list[Callable[[], None]] = []
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, migrating: bool = True, reading: bool = False) -> SqliteConnection:
        """Open (or create) the database file and bring it to this version's schema.

        A database that has calls in it is copied first, to `<name>.schema-<number>` beside it.

        Args:
            path: The file.
            migrating: False: refuse a database of an older schema instead, as it is: a command must not
                change it under a running service of the version before.
            reading: the connection is read-only; the file exists, and another process writes it.

        Raises:
            StoreError: the file can't be opened, is not a database, is of a newer version (or of an older one
                that must not be migrated), or there is no room for the copy.
        """
        opened: list[aiosqlite.Connection] = []
        try:
            if not reading:
                await asyncio.to_thread(_probe, path)
            # FULL: what is committed survives a power cut, as promised.
            pragmas = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
            where = _read_only(path) if reading else str(path)
            for _ in range(4):
                # isolation_level None: transactions begin where we say so, not by themselves.
                connection = await aiosqlite.connect(
                    where,
                    timeout=BUSY_TIMEOUT_S,
                    isolation_level=None,
                    uri=reading,
                )
                opened.append(connection)
                connection.row_factory = sqlite3.Row
                for pragma in ("query_only=ON",) if reading else pragmas:
                    await connection.execute(f"PRAGMA {pragma}")
            version, lacking = await missing(opened[0])
            if version and lacking and (reading or not migrating):
                raise StoreError(f"its schema {version} is an older program's; start the service once")
            if lacking and not reading:
                await _migrated(opened[0], path)
            for connection in opened[1:]:
                await connection.execute("PRAGMA query_only=ON")
            # Lists go through large indexes again and again.
            for pragma in (
                f"cache_size=-{VIEW_CACHE_KIB}",
                f"mmap_size={VIEW_MMAP_BYTES}",
                "temp_store=MEMORY",
            ):
                await opened[2].execute(f"PRAGMA {pragma}")
        except (sqlite3.Error, OSError, StoreError) as error:
            for connection in opened:
                await connection.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"the database {path} can't be used: {reason}") from error
        return cls(path, *opened, reading=reading)

    async def close(self) -> None:
        """Wait for a running transaction, then close both connections."""
        async with self._lock:
            self._closed = True
            for connection in self._readers.values():
                await connection.close()
            await self._writer.close()

    @asynccontextmanager
    async def transaction(
        self, *, durable: bool = True, about: Iterable[str] | None = None
    ) -> AsyncIterator[Session]:
        """One at a time; SQLite has one writer."""
        if self._writes_together:
            yield SqliteSession(self._writer)
            return
        async with self._lock:
            self._check_open()
            if self._reading:
                raise StoreError("this process only reads the database")
            try:
                if durable is not self._durable:
                    await self._writer.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                    self._durable = durable
                await self._writer.execute("BEGIN IMMEDIATE")
                yield SqliteSession(self._writer)
                await self._writer.commit()
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    await self._writer.rollback()
                # A row that violates a constraint will do so again; a full disk or a lock is temporary.
                wrong = isinstance(
                    error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError
                )
                kind = StoreError if wrong else StoreUnavailable
                raise kind(f"the database refused a change: {error}") from error
            except BaseException:
                # After a cancelled commit this does nothing: SQLite's thread keeps the order.
                await self._writer.rollback()
                raise

    @asynccontextmanager
    async def together(self, *, durable: bool = True) -> AsyncIterator[None]:
        """One commit, and so one wait for the disk, for all of them."""
        after: list[Callable[[], None]] = []
        async with self.transaction(durable=durable):
            self._together, self._after_commit = asyncio.current_task(), after
            try:
                yield
            finally:
                self._together = None
        for tell in dict.fromkeys(after):
            tell()

    @property
    def _writes_together(self) -> bool:
        return self._together is not None and self._together is asyncio.current_task()

    def after_commit(self, tell: Callable[[], None]) -> None:
        """Now, or at the end of what is written together."""
        if self._writes_together:
            self._after_commit.append(tell)
        else:
            tell()

    async def schema(self) -> int:
        """SQLite's user_version."""
        return int((await self.rows("schema_number"))[0][0])

    async def size(self) -> int:
        """Bytes of the file, its write-ahead log and index, and copies of older schemas beside it."""
        return await asyncio.to_thread(_size, self.path)

    async def _fetched(self, reader: Reader, query: Query, values: Mapping[str, Any]) -> list[Row]:
        self._check_open()
        try:
            return list(await self._readers[reader].execute_fetchall(query.text, values))
        except sqlite3.Error as error:
            raise StoreError(f"the database can't be read: {error}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the database is closed")

    async def checkpoint(self) -> bool:
        """Fold the write-ahead log into the file and empty it, so that erased rows don't live on in it.

        Returns:
            False if somebody is reading the log right now: nothing was lost, and nothing is removed yet.
        """
        async with self._lock:
            self._check_open()
            try:
                # No write waits for a reader: whoever wants it done tries again.
                await self._writer.execute_fetchall("PRAGMA busy_timeout=0")
                try:
                    rows = await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    await self._writer.execute_fetchall(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")
            except sqlite3.OperationalError:
                return False  # locked
            return [row[0] for row in rows] == [0]

    async def compact(self) -> None:
        """Rewrite the whole file, without what deleted and moved rows left in its pages.

        Raises:
            StoreError: the disk has no room for a second copy, or SQLite refused otherwise.
        """
        async with self._lock:
            self._check_open()
            await asyncio.to_thread(_vacuum, self.path)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file())


def _read_only(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _vacuum(path: Path) -> None:
    # On a connection of its own: VACUUM can't run alongside other statements.
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("VACUUM")
    except sqlite3.Error as error:
        raise StoreError(f"the database can't be compacted: {error}") from error


async def _migrated(connection: aiosqlite.Connection, path: Path) -> None:
    """Copy a database unless it is empty, and bring it to this version's schema.

    Two processes may start at once: their copies would have the same name, and the later one would be of what
    the earlier process has already migrated.
    """
    turn = by_turns(path)
    await asyncio.to_thread(turn.__enter__)
    try:
        version, lacking = await missing(connection)
        if version and lacking:
            await asyncio.to_thread(snapshot, path, before_migration(path, version))
        await migrate(connection)
    finally:
        turn.__exit__(None, None, None)


def _probe(path: Path) -> None:
    """Fail here if the file can't be opened: a failed aiosqlite connection leaves its thread behind."""
    if not path.exists():
        # It will hold customers' keys and numbers: readable only by the service's own user.
        path.touch(mode=0o600)
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA schema_version")

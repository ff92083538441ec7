"""A connection to either kind of database: transactions that write, and reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from emocx_pbx.errors import StoreError
from emocx_pbx.store.sql import Dialect, NamedQueries, Query, Row, Session

__all__ = ["Connection", "Reader", "Row", "Session"]

Reader = Literal["rows", "view", "ranking"]
"""Who reads: a call or request that waits; lists and sums for people; the ranking, which takes longest and is
in no hurry. Each has connections of its own, so that none waits for another."""


class Connection(ABC):
    """What the store's parts use; implemented by `sqlite.py` and `postgres.py`.

    Methods raise StoreError, and StoreUnavailable for temporary faults (disk full, locked too long, server
    unreachable).
    """

    dialect: ClassVar[Dialect]
    shared: ClassVar[bool]
    """Whether processes of several hosts may write to it."""
    path: Path | None = None
    """The database's file; None: a server keeps it."""

    def __init__(self) -> None:
        self.sql: Any = NamedQueries(self.dialect)

    @abstractmethod
    async def close(self) -> None:
        """Wait for a running transaction, then close."""

    @abstractmethod
    def transaction(
        self, *, durable: bool = True, about: Iterable[str] | None = None
    ) -> AbstractAsyncContextManager[Session]:
        """All or nothing: committed at the end, rolled back on any error or cancellation.

        Args:
            durable: On disk at the end, even after a power cut. Otherwise it survives a crash of ours, but a
                power cut only if a durable one followed: for what is written every second.
            about: Ids of the calls (or other streams of events) that it reads in order to write; others may
                write about other calls meanwhile. None: nobody else writes anything meanwhile.

        Raises:
            StoreError: the database refused something.
        """

    @asynccontextmanager
    async def together(self, *, durable: bool = True) -> AsyncIterator[None]:
        """Make one of all transactions that this task begins inside: all or nothing, `durable` or not.

        Here they stay separate: a server commits quickly, and others may be waiting for its locks.
        """
        yield

    def after_commit(self, tell: Callable[[], None]) -> None:
        """Call `tell` once everything written is committed: now, or at the end of what is written
        together.
        """
        tell()

    @abstractmethod
    async def schema(self) -> int:
        """Number of the last migration."""

    @abstractmethod
    async def size(self) -> int:
        """Bytes that the database takes up on its disk."""

    @abstractmethod
    async def checkpoint(self) -> bool:
        """Remove copies of erased rows from a log beside the database.

        Returns:
            False if somebody is reading the log right now: nothing was lost, and nothing is removed yet.
        """

    @abstractmethod
    async def compact(self) -> None:
        """Remove what is left of deleted and moved rows in the database.

        Raises:
            StoreError: there is no room, or the database refused otherwise.
        """

    async def about_leases(self, query: Query, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement about leases, which does not wait for other writes.

        Raises:
            StoreUnavailable: the server does not answer in time.
            StoreError: there are no leases here: the database is a file.
        """
        raise StoreError("a file has no leases")

    @abstractmethod
    async def _fetched(self, reader: Reader, query: Query, values: Mapping[str, Any]) -> list[Row]: ...

    async def rows(self, query: str, **values: Any) -> list[Row]:
        """All rows of a named query, read from what is committed."""
        return await self._fetched("rows", self.sql.named(query), values)

    async def view_rows(self, query: str, **values: Any) -> list[Row]:
        """The same for lists and sums that may take a while."""
        return await self._fetched("view", self.sql.named(query), values)

    async def ranking_rows(self, query: str, **values: Any) -> list[Row]:
        """The same for what takes longest and is in no hurry."""
        return await self._fetched("ranking", self.sql.named(query), values)

    async def row(self, query: str, **values: Any) -> Row | None:
        """The only row of a named query, or None."""
        rows = await self.rows(query, **values)
        return rows[0] if rows else None

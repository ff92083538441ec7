"""A connection to the database, whichever it is: transactions that write, and reads."""

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
in no hurry. Each has its own way to the database, so that none waits for another."""


class Connection(ABC):
    """What the store's parts use; `sqlite.py` and `postgres.py` are the two there are.

    Methods raise StoreError, and StoreUnavailable for what passes (disk full, locked too long, server away).
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
            durable: On disk at the end, also after a power cut. Otherwise it survives a crash of
                ours, and a power cut only if a durable one followed: for what comes every second.
            about: Ids of the calls (or other streams of events) that it reads to write; what others write
                about other calls may go on meanwhile. None: nobody else writes anything meanwhile.

        Raises:
            StoreError: the database refused something.
        """

    @asynccontextmanager
    async def together(self, *, durable: bool = True) -> AsyncIterator[None]:
        """Let the transactions that this task begins inside be one: all or nothing, `durable` or not.

        Here they stay as they are: a server commits quickly, and what it locked others may wait for.
        """
        yield

    def after_commit(self, tell: Callable[[], None]) -> None:
        """Tell of what was written, once it is committed: now, or at the end of what is written together."""
        tell()

    @abstractmethod
    async def schema(self) -> int:
        """Number of the last migration."""

    @abstractmethod
    async def size(self) -> int:
        """Bytes that the database takes on its disk."""

    @abstractmethod
    async def checkpoint(self) -> bool:
        """Leave no copy of erased rows in a log beside the database.

        Returns:
            False if somebody reads the log right now: nothing was lost, and nothing is gone yet.
        """

    @abstractmethod
    async def compact(self) -> None:
        """Leave nothing of deleted and moved rows in the database.

        Raises:
            StoreError: there is no room, or the database refused otherwise.
        """

    async def about_leases(self, query: Query, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement about leases, which waits for nothing else that is written.

        Raises:
            StoreUnavailable: the server does not answer in time.
            StoreError: there are none here: the database is a file.
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

"""The store in a PostgreSQL database, which several processes and hosts may write to at once.

Nothing waits for ever: not for a connection, an answer, or another transaction. A transaction about a call
first takes that call's lock, in a statement of its own, so that what it reads afterwards is up to date; one
that names no calls keeps everybody else from writing, as SQLite does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, ClassVar, Final

from emocx_pbx.errors import LeaseLost, StoreError, StoreUnavailable
from emocx_pbx.store.connection import Connection, Reader, Row, Session
from emocx_pbx.store.fence import Term, terms
from emocx_pbx.store.migrate_postgres import migrate, missing
from emocx_pbx.store.postgres_place import shown_place
from emocx_pbx.store.sql import Dialect, Query, clean

#: Seconds to wait for a free connection, and for a new one to be made.
ACQUIRE_S: Final = 3.0
#: Seconds to wait for another transaction about the same call.
LOCK_S: Final = 5.0
#: Seconds that a transaction may be idle between statements: a frozen process of ours holds nobody up.
IDLE_S: Final = 10.0
#: The same if a lease is checked, which nobody else can take meanwhile: for a controller that freezes in the
#: middle of a change, and one that waits for a call's lock.
FENCED_IDLE_S: Final = 2.0
FENCED_LOCK_S: Final = 1.0
#: Seconds for the answer to a statement; the client gives up ANSWER_MORE_S after the server should have.
ANSWER_S: Final[Mapping[str, float]] = {"writer": 10.0, "rows": 5.0, "view": 10.0, "ranking": 60.0,
                                          "lease": 1.0}  # fmt: skip
ANSWER_MORE_S: Final = 1.0
#: Connections of each kind.
POOL: Final[Mapping[str, int]] = {"writer": 4, "rows": 4, "view": 3, "ranking": 1, "lease": 2}
#: Seconds for erasure (VACUUM) and migrations, which may take long.
LONG_S: Final = 3600.0
#: Prepared statements kept: more than there are queries.
_STATEMENTS: Final = 500

#: The lock that writers share, except one that needs the whole database for itself.
_ALL: Final = 0x656D6F63_78000002

#: Classes of errors (SQLSTATE) that a retry would meet again: violated constraints, wrong data, wrong SQL.
_WRONG: Final = ("22", "23", "42", "P0")
#: Errors raised by the fence (migrations/postgresql/0023_lease.sql).
_TERM_OVER: Final = "EX001"
_WRITING: Final = ("writer", "store", "copy", "lease")
_REMEDY: Final = "start the service once"
_SIZE: Final = Query("database_size", "$", "SELECT pg_database_size(current_database())", ())
_REFUSED: Final = "the database refused a change"


class PostgresSession:
    """A transaction of ours."""

    def __init__(self, connection: Any, held: set[int], *, alone: bool) -> None:
        self._connection, self._held, self._alone = connection, held, alone

    async def fetch(self, query: Query, values: Mapping[str, Any]) -> Sequence[Row]:
        """All rows."""
        with as_store_error(_REFUSED):
            rows: Sequence[Row] = await self._connection.fetch(query.text, *arguments(query, values))
        return rows

    async def change(self, query: Query, values: Mapping[str, Any]) -> int:
        """Run a statement that changes rows; returns how many."""
        with as_store_error(_REFUSED):
            status: str = await self._connection.execute(query.text, *arguments(query, values))
        number = status.rpartition(" ")[2]
        return int(number) if number.isdigit() else 0

    async def change_many(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same with many sets of parameters."""
        with as_store_error(_REFUSED):
            await self._connection.executemany(query.text, [arguments(query, row) for row in rows])

    async def hold(self, *streams: str) -> None:
        """Wait until nobody else writes about these, and keep others from doing so."""
        keys = sorted({_key(stream) for stream in streams} - self._held)
        if keys and not self._alone:
            self._held.update(keys)
            with as_store_error(_REFUSED):
                await self._connection.execute("".join(_lock(key) for key in keys))

    async def execute(self, text: str) -> None:
        """Run SQL that is not a named query."""
        with as_store_error(_REFUSED):
            await self._connection.execute(text)


class PostgresConnection(Connection):
    """Pools of connections: one for writers, one for each kind of reader."""

    dialect: ClassVar[Dialect] = "postgresql"
    shared: ClassVar[bool] = True

    def __init__(self, place: str, pools: Mapping[str, Any], *, reading: bool) -> None:
        super().__init__()
        self._place, self._pools, self._reading = place, pools, reading
        self._closed = False

    @classmethod
    async def open(cls, place: str, *, migrating: bool = True, reading: bool = False) -> PostgresConnection:
        """Connect to the database and bring it to this version's schema.

        Args:
            place: its address, `postgresql://user:password@host:port/database`.
            migrating: False: refuse a database of an older schema instead.
            reading: the connection is read-only.

        Raises:
            StoreUnavailable: the server does not answer.
            StoreError: the server refused us, is too old, or the schema is newer (or older, see above).
        """
        asyncpg = _driver()
        shown = shown_place(place)
        with as_store_error(f"the database {shown} can't be used"):
            one = await asyncpg.connect(
                place, timeout=ACQUIRE_S, command_timeout=LONG_S, **_settings("store")
            )
            try:
                version, lacking = await missing(one)
                if lacking and (reading or not migrating):
                    raise StoreError(f"its schema {version} is an older program's; {_REMEDY}")
                if lacking:
                    await migrate(one)
            except StoreError as error:
                raise StoreError(f"the database {shown} can't be used: {error}") from None
            finally:
                await _ended(one)
        pools: dict[str, Any] = {}
        for name, number in POOL.items():
            if reading and name in _WRITING:
                continue
            pools[name] = asyncpg.create_pool(
                place, min_size=0, max_size=number, timeout=ACQUIRE_S, setup=None, init=_typed, reset=_left,
                command_timeout=ANSWER_S[name] + ANSWER_MORE_S, statement_cache_size=_STATEMENTS,
                **_settings(name),
            )  # fmt: skip
            await pools[name]
        return cls(place, pools, reading=reading)

    async def close(self) -> None:
        """Wait for running transactions (not for ever), then close."""
        self._closed = True
        for pool in self._pools.values():
            try:
                async with asyncio.timeout(ANSWER_S["writer"]):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def transaction(
        self, *, durable: bool = True, about: Iterable[str] | None = None
    ) -> AsyncIterator[Session]:
        """READ COMMITTED: what is read after taking the locks is up to date."""
        self._check_open()
        if self._reading:
            raise StoreError("this process only reads the database")
        keys = None if about is None else sorted({_key(stream) for stream in about})
        async with self._connected("writer", _REFUSED) as connection:
            try:
                with as_store_error(_REFUSED):
                    await connection.execute(_begin(keys, terms(), durable=durable))
                yield PostgresSession(connection, set(keys or ()), alone=keys is None)
                with as_store_error(_REFUSED):
                    await connection.execute("COMMIT")
            except BaseException:
                await _rolled_back(connection)
                raise

    async def schema(self) -> int:
        """Number of the last migration."""
        return int((await self.rows("schema_number"))[0][0])

    async def size(self) -> int:
        """Bytes of the whole database, on the server's disk."""
        return int((await self._fetched("rows", _SIZE, {}))[0][0])

    async def checkpoint(self) -> bool:
        """The server's own log is its administrator's: see docs/privacy.md."""
        return True

    async def compact(self) -> None:
        """Have the server overwrite what deleted rows left in its tables (VACUUM)."""
        self._check_open()
        cant = "the database can't be compacted"
        async with self._connected("writer", cant) as connection:
            with as_store_error(cant):
                tables = await connection.fetch(
                    "SELECT quote_ident(relname) FROM pg_class"
                    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY relname"
                )
                await connection.execute("SET statement_timeout = 0")
                for (table,) in tables:
                    await connection.execute(f"VACUUM {table}", timeout=LONG_S)
                await connection.execute(f"SET statement_timeout = {int(ANSWER_S['writer'] * 1000)}")

    async def about_leases(self, query: Query, values: Mapping[str, Any]) -> list[Row]:
        """On connections of their own, and without the locks of other writes."""
        self._check_open()
        cant = "the lease can't be looked after"
        async with self._connected("lease", cant, ANSWER_S["lease"]) as connection:
            with as_store_error(cant):
                return list(await connection.fetch(query.text, *arguments(query, values)))

    async def _fetched(self, reader: Reader, query: Query, values: Mapping[str, Any]) -> list[Row]:
        self._check_open()
        cant = "the database can't be read"
        async with self._connected(reader, cant) as connection:
            with as_store_error(cant):
                return list(await connection.fetch(query.text, *arguments(query, values)))

    @asynccontextmanager
    async def _connected(self, name: str, cant: str, wait_s: float | None = None) -> AsyncIterator[Any]:
        pool = self._pools[name]
        with as_store_error(cant):
            connection = await pool.acquire(timeout=ACQUIRE_S if wait_s is None else wait_s)
        try:
            yield connection
        finally:
            with as_store_error(cant):
                await pool.release(connection, timeout=ANSWER_MORE_S)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the database is closed")


@asynccontextmanager
async def connected(place: str, what: str, answer_s: float) -> AsyncIterator[Any]:
    """One connection for one-off work; a statement may take `answer_s` seconds. Convert errors with
    `told`.
    """
    connection = await _driver().connect(
        place, timeout=ACQUIRE_S, command_timeout=answer_s, **_settings(what)
    )
    try:
        yield connection
    finally:
        await _ended(connection)


def arguments(query: Query, values: Mapping[str, Any]) -> list[Any]:
    """The values of a query's $1, $2, ..."""
    return [
        values[name[:-1]] is None if name.endswith("?") else clean(values[name]) for name in query.parameters
    ]


def _driver() -> Any:
    try:
        import asyncpg
    except ImportError:
        raise StoreError("PostgreSQL needs the extra `postgres`: pip install 'emocx-pbx[postgres]'") from None
    return asyncpg


def _settings(name: str) -> dict[str, Any]:
    answer_ms = int(ANSWER_S.get(name, LONG_S) * 1000)
    return {
        "server_settings": {
            "application_name": f"emocx-pbx {name}",
            "TimeZone": "UTC",
            "client_encoding": "UTF8",
            "statement_timeout": f"{answer_ms}",
            "lock_timeout": f"{int(LOCK_S * 1000)}",
            "idle_in_transaction_session_timeout": f"{int(IDLE_S * 1000)}",
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "off" if name in _WRITING else "on",
            # A generic plan is bad for every filter: lists are planned with their actual parameters.
            "plan_cache_mode": "force_custom_plan" if name == "view" else "auto",
            "jit": "off",
        }
    }


async def _typed(connection: Any) -> None:
    """PostgreSQL gives sums and means of integers as exact decimals; convert them to what SQLite gives."""
    await connection.set_type_codec(
        "numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text"
    )


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


async def _left(connection: Any) -> None:
    """Called before the connection is reused. We set nothing that outlives a transaction."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


async def _rolled_back(connection: Any) -> None:
    try:
        async with asyncio.timeout(ANSWER_MORE_S):
            await connection.execute("ROLLBACK")
    except Exception:  # whatever it is: when this connection is gone the server rolls everything back
        # The driver takes a connection back that the server has ended, and then refuses to end it.
        with suppress(_driver().InterfaceError):
            connection.terminate()


async def _ended(connection: Any) -> None:
    try:
        async with asyncio.timeout(ANSWER_MORE_S):
            await connection.close()
    except Exception:
        connection.terminate()


def _begin(keys: Sequence[int] | None, fence: Sequence[Term], *, durable: bool) -> str:
    begin = "BEGIN;" if durable else "BEGIN;SET LOCAL synchronous_commit = off;"
    if fence:
        begin += f"SET LOCAL idle_in_transaction_session_timeout = {int(FENCED_IDLE_S * 1000)};"
        begin += f"SET LOCAL lock_timeout = {int(FENCED_LOCK_S * 1000)};"
    # Leases before calls, in a fixed order: taking a lease waits only for what is written under it.
    begin += "".join(f"SELECT emocx_fence('{_quoted(term.pbx)}', {term.epoch});" for term in fence)
    if keys is None:
        return f"{begin}{_lock(_ALL)}"
    return f"{begin}SELECT pg_advisory_xact_lock_shared({_ALL});{''.join(map(_lock, keys))}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def everything_locked() -> str:
    """Statement by which a transaction keeps everybody else from writing."""
    return _lock(_ALL)


def _lock(key: int) -> str:
    return f"SELECT pg_advisory_xact_lock({key});"


def _key(stream: str) -> int:
    """A lock's number, from a hash, so that streams rarely share one (which would only cost time)."""
    digest = hashlib.blake2b(stream.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def as_store_error(what: str) -> Iterator[None]:
    """Converts errors of the driver or the network to ours."""
    asyncpg = _driver()
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        state = getattr(error, "sqlstate", None) or ""
        if state == _TERM_OVER:
            raise LeaseLost(f"{what}: {_line(error)}") from error
        wrong = state[:2] in _WRONG or isinstance(error, ValueError)  # asyncpg.DataError: not of that type
        raise (StoreError if wrong else StoreUnavailable)(f"{what}: {_line(error)}") from error
    except TimeoutError as error:
        raise StoreUnavailable(f"{what}: the server does not answer in time") from error
    except OSError as error:
        raise StoreUnavailable(f"{what}: {error.strerror or error}") from error


def _line(error: BaseException) -> str:
    if "released back to the pool" in str(error):  # the driver's words for one it found closed
        return "the server ended the connection"
    return " ".join(str(error).split()) or type(error).__name__

"""Databases for tests: a private PostgreSQL for the whole run, and in it a new database for each test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.store.postgres import PostgresConnection

#: Migrated once; every test's database is a copy of it.
TEMPLATE = "emocx_template"


class Databases:
    """New databases with this version's schema, and their end."""

    def __init__(self, server: PrivatePostgres) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._number = 0
        self._admin: Any = self._wait(asyncpg.connect(server.url()))
        self._run(f"CREATE DATABASE {TEMPLATE}")
        self._wait(_migrated(server.url(TEMPLATE)))

    @contextmanager
    def one(self) -> Iterator[str]:
        """The address of a new database."""
        with self.empty(TEMPLATE) as url:
            yield url

    @contextmanager
    def empty(self, template: str = "template0") -> Iterator[str]:
        """The same, without any schema."""
        self._number += 1
        name = f"t{self._number}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield self.server.url(name)
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """End what was begun here; the server stays."""
        self._wait(self._admin.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, statement: str) -> None:
        self._wait(self._admin.execute(statement))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


async def _migrated(url: str) -> None:
    await (await PostgresConnection.open(url)).close()


#: For what is said of a database's file.
ON_SQLITE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("place", ["postgresql"], indirect=True)

"""Migrations: each runs once, whole or not at all, and the files themselves are in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest
from store.earlier_store import EARLIER, lost, write_earlier

from emocx_pbx.errors import StoreError
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter, DeliveryFilter, GradeFilter
from emocx_pbx.store.migrate import migrate, migrations, statements


async def tables(connection: aiosqlite.Connection) -> set[str]:
    rows = await connection.execute_fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row[0] for row in rows}


@pytest.fixture
async def connection() -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(":memory:", isolation_level=None) as opened:
        yield opened


async def test_the_shipped_migrations_run_once(connection: aiosqlite.Connection) -> None:
    assert await migrate(connection) == len(migrations())
    assert {"call", "decision", "segment", "reading", "grade", "event", "delivery"} <= await tables(
        connection
    )
    assert await migrate(connection) == len(migrations())


async def test_a_failing_migration_leaves_nothing_behind(
    connection: aiosqlite.Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_fine.sql").write_text("CREATE TABLE a (x);")
    (tmp_path / "0002_broken.sql").write_text("CREATE TABLE b (x);\nCREATE TABLE a (x);")
    with pytest.raises(StoreError, match=r"0002_broken\.sql"):
        await migrate(connection, tmp_path)
    assert await tables(connection) == {"a"}
    (tmp_path / "0002_broken.sql").write_text("CREATE TABLE b (x);")
    assert await migrate(connection, tmp_path) == 2
    assert await tables(connection) == {"a", "b"}


@pytest.mark.parametrize("names", [["first.sql"], ["0002_x.sql"], ["0001_x.sql", "0003_y.sql"]])
def test_misnumbered_files_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(StoreError):
        migrations(tmp_path)


def test_statements_are_cut_where_sqlite_says() -> None:
    script = (
        "-- a; b\nCREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n SELECT 1;\nEND;\n-- end\n"
    )
    assert len(statements(script)) == 2
    with pytest.raises(StoreError, match="unfinished"):
        statements("CREATE TABLE a (x)")


@pytest.mark.parametrize("version", EARLIER)
async def test_a_database_of_every_earlier_version_keeps_all_it_has(tmp_path: Path, version: int) -> None:
    path = tmp_path / "emocx.db"
    write_earlier(path, version)
    store = await Store.open(path)
    try:
        calls = await store.lists.calls(CallFilter())
        assert [c.letters for c in calls] == [("C",)] * (1 if version == 1 else 2)
        assert [c.agents for c in calls] == [("Ada",)] * len(calls)
        assert len(await store.lists.grades(GradeFilter())) == len(calls)
        assert len(await store.lists.deliveries(DeliveryFilter(state="pending"))) == len(calls)
        assert len(await store.lists.calls(CallFilter(), team=frozenset({"support"}))) == len(calls)
    finally:
        await store.close()
    assert lost(path, version) == []
    assert (tmp_path / f"emocx.db.schema-{version}").exists()

"""Copies of a database in use: consistent, checked, private; and what happens before a migration."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.errors import StoreError
from emocx_pbx.store import snapshot as snapshots
from emocx_pbx.store.database import Store
from emocx_pbx.store.migrate import MIGRATIONS, migrations, statements
from emocx_pbx.store.snapshot import KEPT_DAYS, check, old_copies, schema, snapshot, unused
from emocx_pbx.store.sqlite import SqliteConnection

LAST = len(migrations())
#: A call with its grade, of which a receiver has not heard yet.
ROWS = (
    "INSERT INTO call (call_id, started_at, ended_at, end_reason, caller, queue, last_seen_at)"
    " VALUES ('c', 1, 61, 'hangup', '+49', 'support', 61)",
    "INSERT INTO segment (call_id, number, agent, interface, queue, via, started_at, ended_at, end_reason)"
    " VALUES ('c', 0, 'Ada', 'PJSIP/ada', 'support', 'queue', 1, 61, 'hangup')",
    "INSERT INTO grade (call_id, number, revision, kind, at, author, reason, score, letter, rubric, body)"
    " VALUES ('c', 0, 0, 'auto', 61, 'emocx-pbx', '', 71.0, 'C', 'v1', '{}')",
    "INSERT INTO event (event_id, stream, call_id, type, sequence, at, body)"
    " VALUES ('e', 'c', 'c', 'call.ended', 1, 61, '{}')",
    "INSERT INTO delivery (event_id, {receiver}, stream, sequence, attempts, next_at)"
    " VALUES ('e', 'crm', 'c', 1, 3, 70)",
)


def receiver_column(connection: sqlite3.Connection) -> str:
    """What the column of a delivery's receiver is called: earlier schemas say endpoint."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(delivery)")}
    return "receiver" if "receiver" in columns else "endpoint"


def old_database(path: Path, number: int) -> None:
    """A database as the program with `number` migrations left it, with a row that must survive."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for migration in migrations()[:number]:
            for statement in statements(migration.path.read_text(encoding="utf-8")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("CREATE TABLE mark (x)")
        connection.execute("INSERT INTO mark VALUES (42)")
        for row in ROWS:
            connection.execute(row.replace("{receiver}", receiver_column(connection)))


def kept(path: Path) -> list[list[Any]]:
    """Of ROWS, what a person or a receiver would miss."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            connection.execute("SELECT call_id, caller, queue FROM call").fetchall(),
            connection.execute("SELECT agent, queue, end_reason FROM segment").fetchall(),
            connection.execute("SELECT score, letter, author, body FROM grade").fetchall(),
            connection.execute("SELECT type, sequence, body FROM event").fetchall(),
            connection.execute(
                f"SELECT {receiver_column(connection)}, state, attempts FROM delivery"
            ).fetchall(),
        ]


KEPT = [
    [("c", "+49", "support")],
    [("Ada", "support", "hangup")],
    [(71.0, "C", "emocx-pbx", "{}")],
    [("call.ended", 1, "{}")],
    [("crm", "pending", 3)],
]


def mark(path: Path) -> Any:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT x FROM mark").fetchone()[0]


async def test_a_copy_has_what_is_only_in_the_log_and_disturbs_nobody(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "a.db")
    try:
        async with store._connection.transaction() as session:
            sqlite: Any = session
            await sqlite.execute("CREATE TABLE mark (x)")
            await sqlite.execute("INSERT INTO mark VALUES (42)")
        snapshot(tmp_path / "a.db", tmp_path / "b.db")
        assert (schema(tmp_path / "b.db"), mark(tmp_path / "b.db")) == (LAST, 42)
        assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.db", "a.db-shm", "a.db-wal", "b.db"]  # noqa: ASYNC240
    finally:
        await store.close()


@pytest.mark.parametrize("number", range(1, LAST))
async def test_a_database_of_any_earlier_schema_is_copied_then_migrated(tmp_path: Path, number: int) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, number)
    await (await SqliteConnection.open(path)).close()
    assert (schema(path), mark(path)) == (LAST, 42)
    copy = tmp_path / f"emocx.db.schema-{number}"
    assert (schema(copy), mark(copy)) == (number, 42)
    assert kept(path) == kept(copy) == KEPT
    # Back to the version before: the copy in its place is that version's database.
    copy.replace(path)
    assert (schema(path), kept(path)) == (number, KEPT)


async def test_a_new_or_present_database_is_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        await (await SqliteConnection.open(tmp_path / "emocx.db")).close()
    assert [p.name for p in tmp_path.iterdir()] == ["emocx.db"]  # noqa: ASYNC240


async def test_only_the_service_migrates(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, LAST - 1)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"schema {LAST - 1} is an older program's"):
        await Store.open(path, migrating=False)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["emocx.db"]  # noqa: ASYNC240


async def test_without_room_for_the_copy_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, LAST - 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(snapshots.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match="no room for a copy"):
        await SqliteConnection.open(path)
    assert (schema(path), mark(path)) == (LAST - 1, 42)


def test_a_damaged_source_leaves_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, LAST)
    content = bytearray(path.read_bytes())
    content[8192:40960] = b"\xaa" * (40960 - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError):
        snapshot(path, tmp_path / "copy.db")
    assert [p.name for p in tmp_path.iterdir()] == ["emocx.db"]
    with pytest.raises(StoreError, match="damaged"):
        check(path)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(9000)])
def test_what_is_no_database_is_said_so(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.db"):
        snapshot(tmp_path / "x.db", tmp_path / "copy.db")
    with pytest.raises(StoreError, match="no such database"):
        schema(tmp_path / "y.db")


def test_a_database_that_is_open_anywhere_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, LAST)
    # Another process: a lock never excludes the process that has it.
    ready, observed = os.pipe()
    held, release = os.pipe()
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(path)
        connection.execute("SELECT * FROM mark").fetchall()
        os.write(observed, b"x")
        os.close(release)
        os.read(held, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        with pytest.raises(StoreError, match="in use; stop the service"), unused(path):
            pass
    finally:
        os.close(release)
        os.close(held)
        os.waitpid(child, 0)
    with unused(path):
        pass


def test_copies_are_forgotten_after_two_weeks(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    for name in ("emocx.db", "emocx.db.schema-3", "emocx.db.schema-x", "emocx.db.before-restore-1"):
        (tmp_path / name).touch()
    made = (tmp_path / "emocx.db.schema-3").stat().st_mtime
    assert old_copies(path, made + (KEPT_DAYS - 1) * 86400) == []
    assert old_copies(path, made + (KEPT_DAYS + 1) * 86400) == [tmp_path / "emocx.db.schema-3"]


def test_the_shipped_migrations_are_what_is_tried() -> None:
    assert MIGRATIONS.is_dir()
    assert LAST >= 9


def _open_at_once(path: str) -> None:
    async def opened() -> None:
        store = await Store.open(path)
        await store.close()

    asyncio.run(opened())


def test_programs_that_migrate_at_once_do_so_by_turns_and_copy_what_was_there_before(tmp_path: Path) -> None:
    """Each copied to the same name: "disk I/O error", or a copy of what had been migrated already."""
    path = tmp_path / "emocx.db"
    old_database(path, LAST - 1)
    with closing(sqlite3.connect(path)) as connection:
        # So much that a copy takes longer than the others need to come.
        connection.execute("CREATE TABLE ballast AS SELECT randomblob(20000000) AS x")
        connection.commit()
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as programs:
        list(programs.map(_open_at_once, [str(path)] * 3, timeout=120))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["emocx.db", f"emocx.db.schema-{LAST - 1}"]
    assert schema(path) == LAST
    assert schema(snapshots.before_migration(path, LAST - 1)) == LAST - 1


def test_waiting_for_another_migration_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    with (
        snapshots.by_turns(path),
        pytest.raises(StoreError, match=r"another process has been migrating .* for 0 s"),
        snapshots.by_turns(path, longest_s=0.0),
    ):
        pass


def test_a_copy_that_fails_says_what_sqlite_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    old_database(path, LAST)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limit[1]))
    try:
        with pytest.raises(StoreError, match=r"copied.* \(SQLITE_\w+\)"):
            snapshot(path, tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.glob("copy*"))

"""An SQLite site's records in PostgreSQL: all there, the same, and going on from there; or nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path

import asyncpg
import msgspec
import pytest
from databases import Databases

from benchmarks.many_calls import fill
from emocx_pbx.cli import main
from emocx_pbx.errors import StoreError
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.copy_postgres import CopiedTable, copy_to_postgres
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter, GradeFilter
from emocx_pbx.store.look_postgres import look_postgres

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
KIM = Actor("kim", "127.0.0.1")
NOW = 1_700_000_000.0


#: What another process does with the file.
IN_USE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT COUNT(*) FROM call").fetchone()
print("open", flush=True)
sys.stdin.read()
connection.close()
"""


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    with databases.empty() as url:
        yield url


@pytest.fixture
async def site(tmp_path: Path) -> Path:
    """The file of a site that has served, and stopped."""
    path = tmp_path / "emocx.db"
    store = await Store.open(path, [CRM], now=lambda: NOW)
    user = await store.accounts.add_user("Zoë", "admin", None, "hash", KIM)
    await store.accounts.add_session("s", user, "::1", "a browser", KIM)
    assert (await store.idempotency.claim("kim", "k", "r")).state == "new"
    await store.idempotency.keep("kim", "k", 200, b'{"a":"\xc3\xbc"}')
    await store.calls.start("with NUL", 1.0, "Zo\x00", None, None, None)
    await store.calls.end("with NUL", 2.0, "hangup")
    await store.close()
    fill(path, 200, 2.0, NOW)
    return path


async def observed(store: Store) -> list[object]:
    calls = await store.lists.calls(CallFilter(since=1000.0), 1000)
    return [
        calls,
        [await store.call(call.call_id) for call in calls[:20]],
        await store.lists.grades(GradeFilter(), 1000),
        await store.lists.agents_by_cell(NOW - 2e5, NOW, 3600.0),
        await store.lists.arms(0.0, NOW),
        await store.outbox.deliveries(limit=1000),
        await store.ranking.outcomes(0.0),
        await store.audit.rows(),
        await store.idempotency.claim("kim", "k", "r"),
    ]


def rounded(value: object) -> object:
    """Sums of floats come in the order of rows, which is each database's own."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, msgspec.Struct):
        return rounded(msgspec.structs.asdict(value))
    if is_dataclass(value) and not isinstance(value, type):
        return [rounded(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


async def test_all_is_there_and_goes_on(site: Path, empty: str) -> None:
    seen: list[CopiedTable] = []
    copied = await copy_to_postgres(site, empty, seen.append)
    assert seen == copied and {c.table: c.rows for c in copied}["call"] == 201
    before = await Store.open(site, [CRM], now=lambda: NOW)
    after = await Store.open(empty, [CRM], now=lambda: NOW)
    for there, here in zip(await observed(after), await observed(before), strict=True):
        assert rounded(there) == rounded(here)
    (user,) = await after.accounts.users()
    nul = await after.call("with NUL")
    assert nul and nul.call.customer_key == "Zo\ufffd", "PostgreSQL can't hold the character NUL"
    await after.audit.add(KIM, "user.changed", "later")
    assert (await after.accounts.add_user("lee", "admin", None, None, KIM)).user_id > user.user_id
    await after.outbox.add_event("call.alert", "new", {}, NOW)
    newest, *others = await after.outbox.deliveries(limit=1000)
    assert newest.delivery_id > max(d.delivery_id for d in others)
    await before.close()
    await after.close()
    looked = await look_postgres(empty, lambda: NOW)
    assert looked.audit and not looked.audit.problem and looked.audit.entries >= 4


async def test_a_database_that_has_rows_is_refused_and_left_alone(site: Path, empty: str) -> None:
    store = await Store.open(empty)
    await store.calls.start("c", 1.0, None, None, None, None)
    await store.close()
    with pytest.raises(StoreError, match="not empty: table call has 1 rows"):
        await copy_to_postgres(site, empty)


async def test_what_comes_back_otherwise_leaves_nothing_there(site: Path, empty: str) -> None:
    await (await Store.open(empty)).close()
    direct = await asyncpg.connect(empty)
    await direct.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.score > 50 THEN NEW.score := 50; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER lose BEFORE INSERT ON grade FOR EACH ROW EXECUTE FUNCTION lose()"
    )
    with pytest.raises(StoreError, match="table grade came back otherwise"):
        await copy_to_postgres(site, empty)
    assert await direct.fetchval("SELECT COUNT(*) FROM call") == 0
    await direct.close()


async def test_a_file_that_is_in_use_or_older_is_refused(site: Path, empty: str) -> None:
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", IN_USE, site, stdin=-1, stdout=-1)
    assert other.stdout and await other.stdout.readline()
    with pytest.raises(StoreError, match="in use; stop the service first"):
        await copy_to_postgres(site, empty)
    assert other.stdin
    other.stdin.close()
    await other.wait()
    with closing(sqlite3.connect(site)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(StoreError, match="start the service once"):
        await copy_to_postgres(site, empty)


async def test_the_command_copies_says_how_to_go_on_and_shows_no_password(
    site: Path, empty: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = empty.replace("emocx@", "emocx:secret@")
    monkeypatch.setenv("EMOCX_STORE_PATH", str(site))
    assert await asyncio.to_thread(main, ["store", "copy", "--to", place, "--json"]) == 0
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert {one["table"]: one["rows"] for one in answer["tables"]}["call"] == 201
    assert "call: 201 rows" in said.err and "secret" not in said.out + said.err
    # A second time, in words: what is there already is left alone.
    assert await asyncio.to_thread(main, ["store", "copy", "--to", place]) == 2
    refused = capsys.readouterr().err
    assert "is not empty" in refused and "secret" not in refused
    assert await asyncio.to_thread(main, ["store", "copy"]) == 2
    assert "say where to: --to postgresql://" in capsys.readouterr().err

"""The audit log: every entry stays as it was written, and whoever changes one is found out."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from databases import ON_SQLITE

from emocx_pbx.check.audit import audit_finding
from emocx_pbx.deeds.logins import LISTED, WINDOW_S, RefusedLogins
from emocx_pbx.errors import StoreError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import verify_file
from emocx_pbx.store.database import Store

BOTH = "DELETE FROM audit WHERE audit_id = {0}; DELETE FROM audit_chain WHERE audit_id = {0}"
KIM = Actor("kim", "192.0.2.1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(place: Path | str, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(place, now=clock)
    for n in range(5):
        clock.now += 100.0
        await opened.audit.add(KIM, "user.changed", f"user {n}", {"role": "agent"}, {"role": "admin"})
    yield opened
    await opened.close()


def problem(tmp_path: Path) -> str:
    chain = verify_file(tmp_path / "emocx.db")
    assert chain is not None
    return chain.problem


@ON_SQLITE
async def test_an_untouched_log_holds(store: Store, tmp_path: Path) -> None:
    assert problem(tmp_path) == ""
    found = audit_finding(tmp_path / "emocx.db")
    assert found and found.level == "ok" and "5 entries" in found.what
    assert audit_finding(tmp_path / "none.db") is None


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit", "DELETE FROM audit_chain"]
)
async def test_the_log_can_be_neither_changed_nor_shortened(store: Store, change: str) -> None:
    with pytest.raises(StoreError, match="audit log is never"):
        async with store._connection.transaction() as c:
            await c.execute(change)


@pytest.mark.parametrize(
    ("change", "observed"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE audit_id = 3", "entry 3 is not as it was written"),
        ("DELETE FROM audit WHERE audit_id = 2", "entry 2 is missing"),
        (BOTH.format(5), "entries 5 to 5 are missing"),
        (BOTH.format(1), "entry 1 is missing"),
        ("INSERT INTO audit (at, actor, address, action, subject) VALUES (1, 'e', '', 'x', 'y')", "entry 6"),
    ],
)
@ON_SQLITE
async def test_removing_the_triggers_is_found_out(
    store: Store, tmp_path: Path, change: Any, observed: str
) -> None:
    direct = sqlite3.connect(tmp_path / "emocx.db")
    for (name,) in direct.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        direct.execute(f"DROP TRIGGER {name}")
    direct.executescript(change)
    direct.close()
    assert observed in problem(tmp_path)
    found = audit_finding(tmp_path / "emocx.db")
    assert found and found.level == "fail"


@ON_SQLITE
async def test_its_own_retention_lets_old_entries_go_and_the_chain_goes_on(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    assert await store.audit.cut(before=1301.0) == 3
    assert [row.subject for row in await store.audit.rows()] == ["audit log", "user 4", "user 3"]
    assert problem(tmp_path) == ""
    clock.now = 5000.0
    assert await store.audit.cut(before=4000.0) == 3
    assert await store.audit.cut(before=4000.0) == 0
    assert problem(tmp_path) == ""
    direct = sqlite3.connect(tmp_path / "emocx.db")
    direct.executescript("INSERT INTO audit_cut VALUES (7, 'f'); DELETE FROM audit WHERE audit_id = 7")
    direct.close()
    assert problem(tmp_path) != ""


async def test_entries_of_before_the_chain_get_theirs_once(tmp_path: Path, clock: Clock) -> None:
    store = await Store.open(tmp_path / "emocx.db", now=clock)
    await store.audit.add(KIM, "user.added", "user")
    await store.close()
    take_hashes_away(tmp_path)
    store = await Store.open(tmp_path / "emocx.db", now=clock)
    await store.audit.add(KIM, "user.added", "another")
    assert problem(tmp_path) == ""
    assert [row.action for row in await store.audit.rows()] == ["user.added", "audit.sealed", "user.added"]
    found = audit_finding(tmp_path / "emocx.db")
    assert found and "those before entry 2 got their hashes only then" in found.what
    await store.close()


async def test_hashes_that_were_taken_away_do_not_come_back_unseen(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        store = await Store.open(tmp_path / "emocx.db", now=clock)
        await store.audit.add(KIM, "user.added", "user")
        await store.close()
        take_hashes_away(tmp_path)
    await (await Store.open(tmp_path / "emocx.db", now=clock)).close()
    assert problem(tmp_path) == "hashes were taken away and made anew at entry 4"


def take_hashes_away(tmp_path: Path) -> None:
    direct = sqlite3.connect(tmp_path / "emocx.db")
    direct.executescript("DROP TRIGGER IF EXISTS audit_chain_goes_with_its_entries; DELETE FROM audit_chain")
    direct.close()


@ON_SQLITE
async def test_entries_of_many_at_once_form_one_chain(store: Store, tmp_path: Path) -> None:
    await asyncio.gather(*(store.audit.add(KIM, "user.changed", f"n {n}") for n in range(20)))
    assert problem(tmp_path) == ""


async def test_a_file_that_can_not_be_written_notes_nothing(store: Store) -> None:
    from emocx_pbx.store.audit import Entry

    def fails() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await store.audit.around(Entry(KIM, "policy.saved", "policy.toml"), fails)
    assert await store.audit.rows(action="policy.") == []


async def test_of_a_flood_of_refused_logins_only_the_number_is_noted(store: Store, clock: Clock) -> None:
    async def note(subject: str, observed: dict[str, str | int], by: Actor) -> None:
        await store.audit.add(by, "session.refused", subject, None, observed)

    refused = RefusedLogins(note, clock)
    for _ in range(LISTED + 500):
        await refused.note(None, "198.51.100.1", "password")
    assert len(await store.audit.rows(action="session.refused", limit=1000)) == LISTED
    clock.now += WINDOW_S
    await refused.note("kim", "198.51.100.1", "password")
    newest, many = await store.audit.rows(action="session.refused", limit=2)
    assert (newest.subject, newest.address, many.after) == ("kim", "198.51.100.1", '{"number":500}')

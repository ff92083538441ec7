"""The doctor's look at a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.check.finding import Finding
from emocx_pbx.check.stored_postgres import postgres_findings
from emocx_pbx.lab.installation import free_port
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

KIM = Actor("kim", "127.0.0.1")


@pytest.fixture
async def direct(place: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(place)
    yield connection
    await connection.close()


def said(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in findings]


@ON_POSTGRESQL
async def test_a_good_one_is_told_with_its_audit_log(place: str) -> None:
    store = await Store.open(place)
    await store.audit.add(KIM, "user.changed", "one")
    await store.audit.add(KIM, "user.changed", "two")
    await store.close()
    database, audit = await postgres_findings(place, time.time)
    assert database.level == "ok" and "PostgreSQL" in database.what and "emocx@" in database.what
    assert audit.level == "ok" and "2 entries, none missing or changed" in audit.what


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("change", "observed"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE audit_id = 1", "entry 1 is not as it was written"),
        ("DELETE FROM audit WHERE audit_id = 2", "entry 2 is missing"),
        (
            "DELETE FROM audit WHERE audit_id = 3; DELETE FROM audit_chain WHERE audit_id = 3",
            "entries 3 to 3",
        ),
    ],
)
async def test_removing_the_triggers_is_found_out_there_too(
    place: str, direct: Any, change: str, observed: str
) -> None:
    store = await Store.open(place)
    for n in range(3):
        await store.audit.add(KIM, "user.changed", str(n))
    await store.close()
    await direct.execute(
        "ALTER TABLE audit DISABLE TRIGGER USER; ALTER TABLE audit_chain DISABLE TRIGGER USER"
    )
    await direct.execute(change)
    finding = (await postgres_findings(place, time.time))[-1]
    assert finding.level == "fail" and observed in finding.what


@ON_POSTGRESQL
async def test_each_fault_has_its_remedy(place: str, direct: Any) -> None:
    [ahead, *_] = await postgres_findings(place, lambda: time.time() - 60.0)
    assert ahead.level == "warn" and "60 s apart" in ahead.what
    await direct.execute("INSERT INTO emocx_schema (number) VALUES (9999)")
    [newer, *_] = await postgres_findings(place, time.time)
    assert newer.level == "fail" and "schema 9999" in newer.what and newer.remedy
    await direct.execute("DELETE FROM emocx_schema WHERE number = 9999")
    await direct.execute("CREATE ROLE guest LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    try:
        [guest, *_] = await postgres_findings(place.replace("emocx@", "guest@"), time.time)
        assert guest.level == "fail" and "may not make tables" in guest.what
    finally:
        await direct.execute("DROP OWNED BY guest; DROP ROLE guest")


async def test_nobody_there_and_nobody_we_know() -> None:
    [gone] = await postgres_findings(f"postgresql://emocx:hush@127.0.0.1:{free_port()}/x", time.time)
    assert gone.level == "fail" and "hush" not in gone.what and "\n" not in gone.what


@ON_POSTGRESQL
async def test_a_database_that_is_not_there_is_refused_in_one_line(place: str) -> None:
    [finding] = await postgres_findings(place.rpartition("/")[0] + "/nowhere", time.time)
    assert finding.level == "fail" and 'database "nowhere" does not exist' in finding.what

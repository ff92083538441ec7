"""A customer who was erased is not named by what waited on disk meanwhile."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from calls.test_spool import CALL, JOURNEY, there
from databases import ON_POSTGRESQL

from emocx_pbx.calls.effects import Write, WriteDecision, WriteStart, WriteWords
from emocx_pbx.calls.spool import Spool, Spooled
from emocx_pbx.calls.spool_erasure import CLOCKS_S, unname, unname_aside, unnamed
from emocx_pbx.calls.spooling import write_what_an_earlier_life_kept
from emocx_pbx.calls.writing import Writing
from emocx_pbx.deeds.erasure import erase
from emocx_pbx.domain import Decision
from emocx_pbx.events import build
from emocx_pbx.service.forgetting import forget_kept_aside
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term

BY = Actor("ann", "192.0.2.1")
DECISION = Decision("d", 1.0, "ok", "care", "angry", 0.9, {"angry": 0.9})
NAMED: tuple[Write, ...] = (
    WriteStart(CALL, 1.0, "crm-1", "+4930", events=(build.query_routed(DECISION, CALL, "crm-1"),)),
    WriteDecision(DECISION, CALL, "crm-1", "I am Ann", (build.query_routed(DECISION, CALL, "crm-1"),)),
    WriteWords(CALL, 0.0, 3.0, "my name is Ann"),
)
NAMES = (b"crm-1", b"+4930", b"Ann")


def kept(path: Path, term: Term | None = None) -> Spool:
    spool = Spool(path, 100_000)
    assert spool.keep([Spooled(write, term) for write in (*JOURNEY, *NAMED)])
    spool.close()
    return spool


def of_an_hour_ago(path: Path) -> None:
    at = path.stat().st_mtime - 3600
    os.utime(path, (at, at))


async def one_is_erased(store: Store) -> None:
    """One of whom the database knows nothing yet."""
    await erase(store, "crm-1", None, BY)


def test_a_change_is_left_without_what_names_its_customer() -> None:
    for write in JOURNEY:
        found = unnamed(write)
        assert type(found) is type(write) and "crm-1" not in repr(found) and "+4930" not in repr(found)
    start, decision, words = map(unnamed, NAMED)
    assert isinstance(start, WriteStart) and isinstance(decision, WriteDecision) and words is None
    for one in (start, decision):
        assert one.events[0].data["customer_key"] is None
        assert one.events[0].event_id == NAMED[1].events[0].event_id  # type: ignore[union-attr]
    assert (start.customer_key, start.caller, decision.text) == (None, None, None)


def test_a_file_is_left_with_all_else(tmp_path: Path) -> None:
    spool = kept(tmp_path / "spool")
    unname(spool.path)
    assert not [name for name in NAMES if name in spool.path.read_bytes()]
    whole = [unnamed(write) for write in (*JOURNEY, *NAMED)]
    assert [one.write for one in spool.read()] == [write for write in whole if write is not None]
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    assert spool.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("erased", [False, True])
async def test_what_was_set_aside_names_nobody_once_somebody_is_erased(
    place: str, tmp_path: Path, erased: bool
) -> None:
    store = await Store.open(place)
    aside = kept(tmp_path / "spool.aside").path
    of_an_hour_ago(aside)
    if erased:
        await one_is_erased(store)
    looking = asyncio.create_task(
        forget_kept_aside(tmp_path / "spool", store, SettingsInForce(Settings()), 0.0)
    )
    before = aside.stat().st_ino
    if erased:
        async with asyncio.timeout(20):
            while True:
                if aside.stat().st_ino != before:
                    break
                await asyncio.sleep(0)
    else:
        await unname_aside(tmp_path / "spool", store.audit, 0.0)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert any(name in aside.read_bytes() for name in NAMES) != erased
    await store.close()


async def test_what_was_set_aside_goes_with_calls_as_old(place: str, tmp_path: Path) -> None:
    store = await Store.open(place)
    aside = kept(tmp_path / "spool.aside").path
    await unname_aside(tmp_path / "spool", store.audit, aside.stat().st_mtime - 1)
    assert aside.exists()
    await unname_aside(tmp_path / "spool", store.audit, aside.stat().st_mtime + 1)
    assert not aside.exists()
    await store.close()


@ON_POSTGRESQL
@pytest.mark.parametrize("late_s", [3600.0, CLOCKS_S / 2, -CLOCKS_S - 60])
async def test_a_later_life_names_nobody_if_somebody_was_erased_since(
    place: str, tmp_path: Path, late_s: float
) -> None:
    store, term = await there(place)
    spool = kept(tmp_path / "spool", term)
    await one_is_erased(store)
    at = spool.path.stat().st_mtime - late_s
    os.utime(spool.path, (at, at))
    await write_what_an_earlier_life_kept(spool, Writing(store), store.leases, 3.0, store.audit)
    call = await store.call(CALL)
    assert call and call.call.ended_at == 9.0
    named = late_s < 0  # the file is younger than the erasure
    assert (call.call.customer_key, call.call.caller) == (("crm-1", "+4930") if named else (None, None))
    events = await store.outbox.events_of_call(CALL)
    assert events and any("crm-1" in repr(event) for event in events) == named
    await store.close()

"""Leases in PostgreSQL: one holder at a time, and nothing of a term that is over is ever written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from databases import ON_POSTGRESQL, ON_SQLITE

from emocx_pbx.errors import LeaseLost, StoreUnavailable
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term, fenced

#: A controller in the middle of a change of its call: the transaction is open, and the process stands still.
IN_THE_MIDDLE = """
import asyncio, sys
from emocx_pbx.errors import StoreError
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import fenced

async def main(place):
    store = await Store.open(place)
    term = await store.leases.take("north", "a", 60.0)
    try:
        with fenced([term]):
            async with store._connection.transaction(about=["c"]) as c:
                await store._connection.sql.touch_call(c, call_id="c", at=111.0)
                await store.leases.give_back(term)  # as if it ran out meanwhile
                print("open", flush=True)
                await asyncio.to_thread(sys.stdin.readline)
        print("written")
    except StoreError as error:
        print("refused", type(error).__name__)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
async def stores(place: Path | str) -> AsyncIterator[tuple[Store, Store]]:
    """Two hosts' on one database."""
    two = (await Store.open(place), await Store.open(place))
    yield two
    for store in two:
        await store.close()


async def last_seen(store: Store, call_id: str) -> float:
    call = await store.call(call_id)
    assert call is not None
    return call.call.last_seen_at


@ON_POSTGRESQL
async def test_one_has_it_until_it_runs_out_or_is_given_back(stores: tuple[Store, Store]) -> None:
    one, other = (store.leases for store in stores)
    assert await one.look("north") is None
    first = await one.take("north", "one", 60.0)
    assert first == Term("north", 1)
    assert await other.take("north", "other", 60.0) is None
    assert await one.take("north", "one", 60.0) is None, "a holder renews"
    assert await other.take("south", "other", 60.0) == Term("south", 1), "each PBX has its own"
    lease = await other.look("north")
    assert lease and (lease.holder, lease.epoch) == ("one", 1) and 50 < lease.left_s <= 60
    await one.give_back(first)
    second = await other.take("north", "other", 60.0)
    assert second == Term("north", 2)
    assert not await one.renew(first, 60.0)
    await one.give_back(first)
    assert await other.renew(second, 60.0), "who has none gives nothing back"


@ON_POSTGRESQL
async def test_a_holder_whose_lease_ran_out_unnoticed_may_go_on(stores: tuple[Store, Store]) -> None:
    one, other = (store.leases for store in stores)
    term = await one.take("north", "one", -1.0)
    assert term
    assert await one.renew(term, 60.0), "nobody had it meanwhile"
    assert await other.take("north", "other", 60.0) is None


@ON_POSTGRESQL
async def test_one_that_is_cut_off_from_its_pbx_can_be_taken_over_from(stores: tuple[Store, Store]) -> None:
    one, other = (store.leases for store in stores)
    first = await one.take("north", "one", 60.0)
    assert first and await one.renew(first, 60.0, cut_off=True)
    lease = await other.look("north")
    assert lease and lease.cut_off and lease.left_s > 50
    assert await one.renew(first, 60.0), "it has its link again"
    assert await other.take("north", "other", 60.0) is None
    assert await one.renew(first, 60.0, cut_off=True)
    assert await other.take("north", "other", 60.0) == Term("north", 2)
    lease = await other.look("north")
    assert lease and not lease.cut_off, "of the holder before"
    assert not await one.renew(first, 60.0)


@ON_POSTGRESQL
async def test_of_many_that_ask_at_once_one_gets_it(stores: tuple[Store, Store]) -> None:
    asked = [store.leases.take("north", f"h{n}", 60.0) for n in range(10) for store in stores]
    terms = [term for term in await asyncio.gather(*asked) if term]
    assert terms == [Term("north", 1)]


@ON_POSTGRESQL
async def test_a_write_of_a_term_that_is_over_is_refused_and_one_that_ran_out_waits(
    stores: tuple[Store, Store],
) -> None:
    one, other = stores
    first = await one.leases.take("north", "one", 60.0)
    assert first
    await one.calls.start("c", 1.0, None, None, None, None)
    with fenced([first]):
        await one.calls.touch("c", 10.0)
        await one.leases.give_back(first)
        with pytest.raises(StoreUnavailable, match="ran out"):
            await one.calls.touch("c", 20.0)
        assert await one.leases.renew(first, 60.0)
        await one.calls.touch("c", 30.0)
        await one.leases.give_back(first)
        second = await other.leases.take("north", "other", 60.0)
        assert second
        with pytest.raises(LeaseLost):
            await one.calls.touch("c", 40.0)
    assert await last_seen(other, "c") == 30.0
    with fenced([second]):
        await other.calls.touch("c", 50.0)
    with fenced([second, Term("nowhere", 1)]), pytest.raises(LeaseLost):
        await other.calls.touch("c", 60.0)
    assert await last_seen(other, "c") == 50.0


@ON_POSTGRESQL
async def test_a_successor_waits_for_what_is_being_written(stores: tuple[Store, Store]) -> None:
    one, other = stores
    first = await one.leases.take("north", "one", 60.0)
    assert first
    await one.calls.start("c", 1.0, None, None, None, None)
    with fenced([first]):
        async with one._connection.transaction(about=["c"]) as c:
            await one._connection.sql.touch_call(c, call_id="c", at=10.0)
            await one.leases.give_back(first)
            asked = asyncio.create_task(other.leases.take("north", "other", 60.0))
            assert not (await asyncio.wait([asked], timeout=0.3))[0]
    assert await asked == Term("north", 2)
    assert await last_seen(other, "c") == 10.0


@ON_POSTGRESQL
async def test_a_holder_frozen_in_the_middle_of_a_change_keeps_nobody_and_writes_nothing(
    place: str, stores: tuple[Store, Store]
) -> None:
    store, _ = stores
    await store.calls.start("c", 1.0, None, None, None, None)
    frozen = await asyncio.create_subprocess_exec(
        sys.executable, "-c", IN_THE_MIDDLE, place, stdin=-1, stdout=-1
    )
    assert frozen.stdin and frozen.stdout
    assert await frozen.stdout.readline() == b"open\n"
    os.kill(frozen.pid, signal.SIGSTOP)
    term = None
    async with asyncio.timeout(20):
        while term is None:
            try:
                term = await store.leases.take("north", "b", 60.0)
            except StoreUnavailable:
                continue  # it waits for the frozen one
    with fenced([term]):
        await store.calls.touch("c", 222.0)
    os.kill(frozen.pid, signal.SIGCONT)
    frozen.stdin.write(b"go\n")
    said, _ = await frozen.communicate()
    assert said.startswith(b"refused")
    assert await last_seen(store, "c") == 222.0


@ON_SQLITE
async def test_a_files_host_always_has_it(stores: tuple[Store, Store]) -> None:
    store, _ = stores
    term = await store.leases.take("north", "one", 1.0)
    assert term and await store.leases.renew(term, 1.0)
    with fenced([term]):
        await store.calls.start("c", 1.0, None, None, None, None)
    await store.leases.give_back(term)
    assert await store.leases.renew(term, 1.0)

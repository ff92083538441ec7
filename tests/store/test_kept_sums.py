"""Kept sums: what the store says now, whatever was written, graded again, erased or let go meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.test_lists import revise, tell

from emocx_pbx.errors import StoreError
from emocx_pbx.store import kept_sums
from emocx_pbx.store.database import Store
from emocx_pbx.store.kept_sums import FRESH_S, KEPT_S, KeptSums, Sum
from emocx_pbx.store.lists import Lists

PERIOD = 10_000.0


@pytest.fixture(autouse=True)
def all_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_sums, "MANY", 0)
        yield


def asked(until: float, since: float | None = None, **rest: Any) -> Sum:
    return Sum("view_arms", "calls", until - PERIOD if since is None else since, until, rest)


class Database:
    """Counts how often it is asked; its rows tell of which period."""

    def __init__(self) -> None:
        self.read, self.fails = 0, False
        self.asked = asyncio.Event()

    async def __call__(self, query: str, **values: Any) -> list[Any]:
        self.read += 1
        self.asked.set()
        if self.fails:
            raise StoreError("away")
        return [{"calls": 7, "of": (values["since"], values["until"])}]


@pytest.mark.parametrize(("later", "again"), [(0.0, 1), (KEPT_S - 1, 1), (KEPT_S + 1, 2), (-1.0, 2)], ids=str)
async def test_a_period_as_long_a_little_later_is_the_same(later: float, again: int) -> None:
    now, read = 0.0, Database()
    sums = KeptSums(read, read, lambda: now)
    await sums.rows(asked(50_000.0))
    now = max(0.0, later)
    await sums.rows(asked(50_000.0 + later))
    assert read.read == again
    await sums.rows(asked(50_000.0 + later, team="care"))
    assert read.read == again + 1


async def test_at_once_all_wait_for_one() -> None:
    read = Database()
    sums = KeptSums(read, read, lambda: 0.0)
    await asyncio.gather(*(sums.rows(asked(50_000.0)) for _ in range(5)))
    assert read.read == 1


async def test_periods_move_on_with_the_time_or_begin_where_they_began() -> None:
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    await sums.rows(asked(50_000.0))
    await sums.rows(asked(50_000.0, since=0.0))
    now = 100.0
    await sums.refresh()
    assert (read.read, beside.read) == (2, 2)
    moved, stood = await sums.rows(asked(50_100.0)), await sums.rows(asked(50_101.0, since=0.0))
    assert moved[0]["of"] == (40_100.0, 50_100.0)
    assert stood[0]["of"] == (0.0, 50_100.0)
    assert read.read == 2


async def test_a_period_that_is_over_is_kept_as_it_is_and_made_anew_only_when_asked_for() -> None:
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    keeping = asyncio.create_task(sums.keep_fresh(lambda: [asked(0.0)]))
    await beside.asked.wait()
    day = Sum("view_queue_stays", "calls", 0.0, 86_400.0, {}, 24, fixed=True)
    await sums.rows(day)
    for later, reads in ((FRESH_S - 1, 1), (FRESH_S + 1, 2)):
        now = later
        await sums.refresh()
        assert (await sums.rows(day))[0]["of"] == (0.0, 86_400.0)
        assert read.read == reads
    await sums.rows(replace(day, since=1.0))
    assert read.read == 3
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_what_nobody_asks_for_any_more_is_let_go() -> None:
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    await sums.rows(asked(50_000.0))
    now = 4000.0
    await sums.refresh()
    assert beside.read == 0


async def test_the_refresher_reads_standard_sums_before_anybody_asks() -> None:
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    keeping = asyncio.create_task(sums.keep_fresh(lambda: [asked(50_000.0)]))
    await beside.asked.wait()
    await asyncio.sleep(0)
    now = FRESH_S - 1
    await sums.rows(asked(50_000.0 + now))
    assert read.read == 0
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await sums.rows(asked(50_000.0 + now))
    assert read.read == 1  # nobody keeps it fresh any more


async def test_standard_sums_are_kept_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first visitor of a morning waits for none of them."""
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    monkeypatch.setattr(kept_sums, "MANY", 7)  # as long as there are few, nothing is kept
    keeping = asyncio.create_task(sums.keep_fresh(lambda: [asked(50_000.0 + now)]))
    await beside.asked.wait()
    await sums.refresh()
    await sums.rows(asked(50_000.0 + now))
    assert (beside.read, read.read) == (2, 1)
    monkeypatch.setattr(kept_sums, "MANY", 0)
    for later in range(1, 20):
        now = 900.0 * later
        await sums.refresh()
    assert beside.read == 2 + 19
    found = await sums.rows(asked(50_000.0 + now))
    assert found[0]["of"] == (40_000.0 + now, 50_000.0 + now)
    assert read.read == 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_what_an_agent_sees_comes_from_the_sums_over_all(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "emocx.db", now=lambda: 1000.0)
    try:
        await tell(store, 1, agents=("bob",))
        await tell(store, 2, agents=("eve",))
        reads = Database()
        await store.lists.agents_by_letter(0.0, 1000.0)
        store.lists.sums._read = reads
        (own,) = await store.lists.agents_by_letter(0.0, 1000.0, "eve")
        assert (own.agent, own.segments, reads.read) == ("eve", 1, 0)
    finally:
        await store.close()


async def test_a_database_that_is_away_costs_no_kept_sum() -> None:
    now, read, beside = 0.0, Database(), Database()
    sums = KeptSums(read, beside, lambda: now)
    await sums.rows(asked(50_000.0))
    beside.fails, now = True, 10.0
    await sums.refresh()
    await sums.rows(asked(50_010.0))
    assert read.read == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("call"), st.sampled_from(["angry", "happy", None]), st.sampled_from(["bob", "eve"])
        ),
        st.tuples(st.just("given up"), st.just("angry"), st.just("bob")),
        st.tuples(st.just("graded anew"), st.just(None), st.just("")),
        st.tuples(st.just("erased"), st.just(None), st.just("")),
        st.tuples(st.just("let go"), st.just(None), st.just("")),
        st.tuples(st.just("refreshed"), st.just(None), st.just("")),
    ),
    max_size=10,
)


async def summed(lists: Lists) -> list[Any]:
    """All that is kept, of everybody and of one team."""
    found: list[Any] = []
    for team in (None, frozenset({"care"})):
        found.append(await lists.agents_by_cell(0.0, PERIOD, PERIOD / 8, team))
        found.append(await lists.agents_by_letter(0.0, PERIOD, team=team))
        found.append(await lists.arms(0.0, PERIOD, team))
    return found


async def kept_and_afresh(path: Path, steps: list[tuple[str, str | None, str]]) -> None:
    store = await Store.open(path, now=lambda: 1000.0)
    try:
        kept = Lists(store._connection)
        for number, (what, arrived_as, agent) in enumerate(steps, start=1):
            if what == "call":
                await tell(
                    store,
                    number,
                    queue="care" if number % 2 else "sales",
                    agents=(agent,),
                    arrived_as=arrived_as,
                    customer=f"crm-{number % 3}",
                    status="holdout" if number % 4 == 0 else "ok",
                    score=None if number % 5 == 0 else 50.0 + number,
                )
            elif what == "given up":
                await tell(store, number, agents=(), arrived_as=arrived_as)
            elif what == "graded anew":
                if await store.call("c002") is not None and await store.grades.of_call("c002"):
                    await revise(store, "override", 12.34, "E")
            elif what == "erased":
                await store.erasure.erase(customer_key="crm-1")
            elif what == "let go":
                await store.erasure.purge(100.0 * number - 250.0)
            await summed(kept)  # as somebody who looks in between
            if what == "refreshed":
                await kept.sums.refresh()
        await kept.sums.refresh()
        assert await summed(kept) == await summed(Lists(store._connection))
    finally:
        await store.close()


@settings(deadline=None, max_examples=25)
@given(STEPS)
def test_refreshed_sums_are_those_of_the_store(steps: list[tuple[str, str | None, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(kept_and_afresh(Path(folder) / "emocx.db", steps))

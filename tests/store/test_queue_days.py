"""The stays of a day are the same whether they are kept or read, and only the last hour is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.domain import Visit
from emocx_pbx.errors import StoreError
from emocx_pbx.store import queue_days as module
from emocx_pbx.store.connection import Row
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import QueueStays
from emocx_pbx.store.queue_days import RENEWED_S, STALE_S, STRETCH_S, QueueDays

DAY_S = 86_400.0
#: A Monday's midnight in India, half an hour beside that of the hours of Unix time.
MIDNIGHT = 1_795_026_600.0
NOW = MIDNIGHT + 3 * DAY_S + 40_000.0


class Reads:
    """The store's reads, noted by what they ask for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.periods: list[tuple[float, float]] = []
        self.failing, self.working = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def __call__(self, query: str, **values: Any) -> list[Row]:
        if self.fails:
            self.failing.set()
            raise StoreError("the database is away")
        self.periods.append((values["since"], values["until"]))
        self.working.set()
        return await self._store.lists._connection.view_rows(query, **values)


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place)
    yield opened
    await opened.close()


@pytest.fixture
def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> Reads:
    monkeypatch.setattr(module, "MANY", 20)
    return Reads(store)


@pytest.fixture
def beside(store: Store) -> Reads:
    return Reads(store)


@pytest.fixture
def days(store: Store, reads: Reads, beside: Reads) -> QueueDays:
    return QueueDays(reads, beside, store.lists.sums)


async def fill(store: Store, number: int = 300, seed: int = 1) -> None:
    """Stays in two queues over three days and a half, the last of which goes on."""
    chance = random.Random(seed)
    for n in range(number):
        call_id, at = f"c{n}", chance.uniform(MIDNIGHT, NOW)
        await store.calls.start(call_id, at, None, None, "care", None, queued_at=at)
        left = chance.choice(["answered", "abandoned", "timeout"])
        visit = Visit(chance.choice(["care", "sales"]), at, at + chance.uniform(1.0, 90.0), left)
        await store.calls.save_visit(call_id, 0, visit)
        await store.calls.end(call_id, at + 200.0, "hangup", [], disposition="answered")
    await store.calls.start("last", NOW - 30.0, None, None, "care", None, queued_at=NOW - 30.0)
    await store.calls.save_visit("last", 0, Visit("care", NOW - 30.0, None, None))


def facts(stays: list[QueueStays]) -> list[Any]:
    return sorted(
        (s.bin, s.queue, s.left or "", s.ended, [round(w, 3) for w in sorted(s.waits)], s.scored)
        for s in stays
    )


@pytest.mark.parametrize(
    ("since", "until", "bins", "team"),
    [
        (MIDNIGHT + 3 * DAY_S, MIDNIGHT + 4 * DAY_S, 24, None),
        (MIDNIGHT + 3 * DAY_S, MIDNIGHT + 4 * DAY_S, 24, frozenset({"sales"})),
        (MIDNIGHT + DAY_S, MIDNIGHT + 2 * DAY_S, 24, None),
        (NOW - DAY_S, NOW, 1, None),
        (NOW - DAY_S, NOW, 10, None),
    ],
)
async def test_a_day_is_the_same_kept_or_read(
    store: Store,
    reads: Reads,
    days: QueueDays,
    since: float,
    until: float,
    bins: int,
    team: frozenset[str] | None,
) -> None:
    await fill(store)
    read = await days.stays(since, until, NOW, bins, team)
    await days.refresh(NOW)
    assert facts(await days.stays(since, until, NOW, bins, team)) == facts(read)
    assert sum(stay.number for stay in read) > 10
    assert (team is None) == ({stay.queue for stay in read} == {"care", "sales"})


async def test_of_what_is_kept_only_the_ends_are_read(store: Store, reads: Reads, days: QueueDays) -> None:
    await fill(store)
    await days.refresh(NOW)
    await days.stays(MIDNIGHT + 2 * DAY_S, MIDNIGHT + 3 * DAY_S, NOW, 24)
    assert reads.periods == []
    await days.stays(NOW - DAY_S, NOW, NOW)
    (head, first), (last, tail) = reads.periods
    assert (head, tail) == (NOW - DAY_S, NOW)
    assert first - head <= STRETCH_S
    assert 3600.0 <= tail - last <= 3600.0 + STRETCH_S


async def test_few_stays_are_always_as_they_are_now(store: Store, reads: Reads, days: QueueDays) -> None:
    await fill(store, number=40)
    await days.refresh(NOW)
    await days.stays(MIDNIGHT + 3 * DAY_S, MIDNIGHT + 4 * DAY_S, NOW, 24)
    assert reads.periods == [(MIDNIGHT + 3 * DAY_S, MIDNIGHT + 4 * DAY_S)]


async def test_what_is_kept_is_renewed_in_turns_and_never_used_for_long(
    store: Store, reads: Reads, beside: Reads, days: QueueDays
) -> None:
    await fill(store)
    await days.refresh(NOW)
    assert sum(end - begin for begin, end in beside.periods) == 7 * DAY_S
    beside.periods.clear()
    await days.refresh(NOW + 60.0)
    assert beside.periods == []
    await days.refresh(NOW + RENEWED_S + 60.0)  # first what has settled meanwhile
    await days.refresh(NOW + RENEWED_S + 120.0)
    settled, renewed = beside.periods
    assert settled[1] - settled[0] <= 2 * STRETCH_S
    assert renewed[1] - renewed[0] == DAY_S
    later = NOW + RENEWED_S + STALE_S + 121.0
    await days.stays(NOW, later, later)
    assert reads.periods == [(NOW, later)]


async def test_a_database_that_is_away_ends_nothing(
    store: Store, beside: Reads, days: QueueDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.0)
    await fill(store, number=40)
    beside.fails = True
    keeping = asyncio.create_task(days.keep_fresh(lambda: NOW))
    async with asyncio.timeout(20):
        await beside.failing.wait()
        beside.fails = False
        await beside.working.wait()
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)

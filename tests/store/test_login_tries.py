"""Attempts to log in are counted exactly, however many begin at the same moment, by whatever process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from databases import ON_POSTGRESQL

from emocx_pbx.store.database import Store

NOW = 1_790_000_000.0


async def test_tries_up_to_the_limit_pass_and_the_next_says_when(place: Path | str) -> None:
    at = [NOW]
    async with AsyncExitStack() as stack:
        store = await Store.open(place, now=lambda: at[0])
        stack.push_async_callback(store.close)
        tries, counted = store.login_tries, [("here", 2), ("account", 3)]
        for attempt in ("1", "2"):
            assert await tries.begin(attempt, counted, 900.0) == 0
            at[0] += 10.0
        assert await tries.begin("3", counted, 900.0) == 880.0
        assert await tries.begin("3", [("there", 2), ("account", 3)], 900.0) == 0
        assert await tries.begin("4", [("elsewhere", 2), ("account", 3)], 900.0) == 880.0
        # The owner: what failed here is forgotten, of the account the attempt itself.
        await tries.fits("2", ["here"])
        assert await tries.begin("5", counted, 900.0) == 0
        assert await tries.begin("6", counted, 900.0) == 880.0
        at[0] = NOW + 900.0
        assert await tries.begin("7", counted, 900.0) == 0


@ON_POSTGRESQL
async def test_of_many_at_once_from_several_processes_no_more_are_heard(place: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [await Store.open(place) for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.close)
        begun = [
            store.login_tries.begin(f"{number} {turn}", [("a", 5), ("b", 30)], 900.0)
            for turn in range(15)
            for number, store in enumerate(stores)
        ]
        waits = await asyncio.gather(*begun)
        assert sum(wait == 0 for wait in waits) == 5

"""A controller with two PBXes: losing one of them ends that one alone, and it comes back."""

from __future__ import annotations

import asyncio

from databases import ON_POSTGRESQL

from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.service.office import Office
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term


class Board(HealthBoard):
    """Says when something is set."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.changed = asyncio.Event()

    def set(self, name: str, up: bool, why: str = "") -> None:
        super().set(name, up, why)
        self.changed.set()


class Linked:
    """Both PBXes are reached."""

    linked = True

    async def tried(self) -> bool:
        return True


@ON_POSTGRESQL
async def test_one_that_is_lost_leaves_the_other_and_the_service_ready(place: str) -> None:
    store = await Store.open(place)
    health = Board()
    office = Office(store.leases, "wide", health)
    news: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    office.taken.subscribe(lambda pbx: news.put_nowait(("taken", pbx)))
    office.lost.subscribe(lambda pbx: news.put_nowait(("lost", pbx)))
    running = asyncio.create_task(office.run({"north": Linked(), "south": Linked()}))
    async with asyncio.timeout(20):
        assert {await news.get(), await news.get()} == {("taken", "north"), ("taken", "south")}
        assert health.ready
        ours = office.term_of("north/1.1")
        await store.leases.give_back(ours)
        theirs = await store.leases.take("north", "narrow", 60.0)
        assert theirs == Term("north", ours.epoch + 1)
        office.refused(ours)
        assert news.get_nowait() == ("lost", "north")
        assert not office.holds("north") and office.may_act("south")
        while "narrow" not in (said := health.components()["controller north"]).why:
            health.changed.clear()
            await health.changed.wait()
        assert said.up and health.ready, "who acts for one does all that it can"
        await store.leases.give_back(theirs)
        assert await news.get() == ("taken", "north")
        assert office.epoch("north") == theirs.epoch + 1 and office.epoch("south") == 1
        for pbx in ("north", "south"):
            office.refused(office.term_of(f"{pbx}/1.1"))
        assert not health.ready
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()

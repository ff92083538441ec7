"""A promotion while NATS is away, or while the leader of its stream dies, with real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from analysis.promoting import models, promoted, spreading
from wire.nats_helpers import States, connected

from emocx_pbx.analysis.cluster import model_shelf, subjects
from emocx_pbx.analysis.cluster.model_set import ModelSet
from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.model_taker import ModelTaker, NoLoads
from emocx_pbx.analysis.cluster.spreading import Spreading
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.lab.installation import free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire.bus import Bus, BusLogin

# Servers elect a leader, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("when", ["before", "in between"])
async def test_without_nats_nothing_is_switched(
    server: PrivateNats, closing: AsyncExitStack, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_shelf, "PAUSE_S", 0.01)
    registry = Registry(models(tmp_path / "here", "4"))
    states = States()
    bus = await connected(server.url, states)
    closing.push_async_callback(bus.close)
    spread = spreading(bus)
    if when == "before":
        server.kill()
        await states.be(False)
    else:
        switch = spread.switch

        async def cut() -> None:
            server.kill()
            await switch()

        spread.switch = cut  # type: ignore[method-assign]
    with pytest.raises(PeerUnavailable):
        await promoted(registry, spread)
    assert registry.current("speech", "mlp") == "3"


@pytest.fixture
def three() -> Iterator[list[PrivateNats]]:
    """Servers that keep each other's streams."""
    ports = [free_port() for _ in range(3)]
    routes = [f"nats://127.0.0.1:{port}" for port in ports]
    servers = [
        PrivateNats({"cluster": {"name": "lab", "listen": f"127.0.0.1:{port}", "routes": routes}})
        for port in ports
    ]
    try:
        for one in servers:
            one.launch()
        for one in servers:
            one.serves()
        yield servers
    finally:
        for one in servers:
            one.close()


def leader(servers: list[PrivateNats]) -> PrivateNats:
    return next(one for one in servers if one.leads(subjects.MODELS_STREAM))


class Swapped(NoLoads):
    """Says when models are swapped."""

    def __init__(self) -> None:
        self.swapped = asyncio.Event()

    async def swap(self) -> str:
        self.swapped.set()
        return await super().swap()


async def promoted_while_leaders_die(
    three: list[PrivateNats], tmp_path: Path, closing: AsyncExitStack, at: str
) -> Registry:
    """`at` is the method of the shelf before which the leader ends."""
    urls = tuple(one.url for one in three)
    buses = [Bus(BusLogin(urls), lambda up, why: None) for _ in range(2)]
    for bus in buses:
        closing.push_async_callback(bus.close)
        assert await bus.start(20)
    shelf = ModelShelf(buses[0], replicas=3)
    loads = Swapped()
    taker = ModelTaker(
        buses[1], ModelShelf(buses[1], replicas=3), Registry(models(tmp_path / "there")), "w-0", "w",
        loads, clock=time.monotonic,
    )  # fmt: skip
    await taker.start()
    running = asyncio.create_task(taker.run())
    closing.callback(running.cancel)
    step = getattr(shelf, at)

    async def in_the_middle(*said: object) -> None:
        await asyncio.to_thread(lambda: leader(three).kill())
        await step(*said)

    setattr(shelf, at, in_the_middle)
    registry = Registry(models(tmp_path / "here", "4"))
    switched = await promoted(registry, Spreading(buses[0], shelf, 100.0))
    assert not switched.late
    async with asyncio.timeout(60):
        await loads.swapped.wait()
    return registry


@pytest.mark.parametrize("at", ["offer", "put_in_use"])
async def test_the_leader_of_three_servers_dies_in_the_middle_and_all_switch(
    three: list[PrivateNats], tmp_path: Path, closing: AsyncExitStack, at: str
) -> None:
    registry = await promoted_while_leaders_die(three, tmp_path, closing, at)
    assert registry.current("speech", "mlp") == "4"
    assert Registry(tmp_path / "there").current("speech", "mlp") == "4"


async def test_what_was_kept_without_a_word_is_not_kept_twice(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_shelf, "PAUSE_S", 0.0)
    shelf = ModelShelf(bus)
    said: list[str] = []
    await shelf._shelf.ensure()
    put = shelf._shelf.put

    async def silent(subject: str, body: bytes, after: int | None = None) -> None:
        await put(subject, body, after)
        if not said:
            said.append(subject)
            raise PeerUnavailable("the leader died with the answer")

    monkeypatch.setattr(shelf._shelf, "put", silent)
    await shelf.put_in_use(ModelSet(1, ()), 0)
    found, number = await shelf.in_use()
    assert (found, number) == (ModelSet(1, ()), 1)
    with pytest.raises(RefusedError):
        await shelf.put_in_use(ModelSet(2, ()), 0)

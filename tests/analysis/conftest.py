"""Real worker processes with stub models."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import soundfile
from analysis.analysis_helpers import Asterisk, Inbox, Samples
from analysis.cluster_site import Node, Site
from analysis.fleet import MadeNode, Tapped
from wire.nats_helpers import connected

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import AnnounceTap, Ready
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings
from emocx_pbx.wire.bus import Bus

HERE = Path(__file__).parent
STUB = (sys.executable, str(HERE / "stub_worker.py"))


@pytest.fixture(scope="session")
def call() -> tuple[Samples, Samples]:
    """A recorded call's customer and agent, int16 at 8 kHz."""
    data = HERE.parent / "data" / "audio"
    customer, agent = (
        soundfile.read(data / f"call_{side}.flac", dtype="int16")[0] for side in ("customer", "agent")
    )
    return np.asarray(customer), np.asarray(agent)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def make_pool(inbox: Inbox) -> AsyncIterator[Callable[..., WorkerPool]]:
    """Makes pools of stub workers; stopped at the end."""
    pools: list[WorkerPool] = []

    def make(command: tuple[str, ...] = STUB, spare_after_s: float = 10.0, **settings: object) -> WorkerPool:
        chosen = AnalysisSettings(**{"base_port": 0, "listen_start_s": 1.0, **settings})  # type: ignore[arg-type]
        topics: dict[str, tuple[str, ...]] = {"billing": ("my invoice",), "other": ("hello",)}
        config = WorkerConfig(settings=chosen, topics=topics, log=LogSettings(level="error"))
        pools.append(WorkerPool(config, inbox, command, spare_after_s))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def pool(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> WorkerPool:
    """A ready pool of one stub worker, its transcriber loaded."""
    pool = make_pool()
    assert await pool.start()
    await inbox.until(lambda: [ready for ready in inbox.of(Ready) if ready.transcriber])
    return pool


@pytest.fixture
def uuid() -> UUID:
    return uuid4()


@pytest.fixture
def node(server: PrivateNats, tmp_path: Path, closing: AsyncExitStack) -> MadeNode:
    def make(name: str = "n1", site: str = "", url: str = "") -> Node:
        node = Node(tmp_path, url or server.url, name, site)
        closing.push_async_callback(node.close)
        return node

    return make


@pytest.fixture
async def site(server: PrivateNats, closing: AsyncExitStack) -> Site:
    site = Site(server)
    closing.push_async_callback(site.close)
    return await site.start()


@pytest.fixture
def tapped(closing: AsyncExitStack) -> Tapped:
    """Taps as TapKeeper and Asterisk do."""

    async def tap(worker: AnyWorker, uuid: UUID) -> Asterisk:
        await worker.announce(AnnounceTap(str(uuid), "1.1", "stereo"))
        asterisk = await Asterisk.connect(int(worker.address.rpartition(":")[2]), uuid)
        closing.callback(asterisk.drop)
        return asterisk

    return tap


@pytest.fixture
async def bus(server: PrivateNats, closing: AsyncExitStack) -> Bus:
    bus = await connected(server.url)
    closing.push_async_callback(bus.close)
    return bus

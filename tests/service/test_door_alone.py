"""A door and a real worker beside it while a real NATS server is away: they decide, and it is told once."""

from __future__ import annotations

import asyncio
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from analysis.cluster_site import Site
from pbx.test_agi import Caller
from wire.nats_helpers import DEADLINE_S, States

from emocx_pbx.analysis.cluster.messages import DecidedAlone
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess
from emocx_pbx.pbx.agi.server import AgiServer
from emocx_pbx.service.door import Door
from emocx_pbx.settings.settings import AgiSettings
from emocx_pbx.wire.bus import Bus, BusLogin

# The worker loads a real model, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(240)

POLICY = '[[rules]]\nname = "upset"\nupset = true\nqueue = "care"\n'


@pytest.fixture
def server() -> Iterator[PrivateNats]:
    with PrivateNats() as server:
        yield server


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a short name: sockets' names are bounded."""
    with tempfile.TemporaryDirectory(prefix="emocx-") as folder:
        yield Path(folder)


class DoorBeside:
    """A door that has a connection, and what asks it as Asterisk does."""

    def __init__(self, url: str, local: Path) -> None:
        self.states = States()
        self.bus = Bus(BusLogin((url,)), self.states.observed)
        # So long that whoever waits for it fails the test.
        self.server = AgiServer(AgiSettings(port=0, deadline_s=100.0), Door(self.bus, 100.0, local).answer)

    async def ask(self, uniqueid: str, path: str = "route", **variables: str) -> dict[str, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        opening = f"agi_network: yes\nagi_network_script: {path}\nagi_uniqueid: {uniqueid}\n"
        opening += "agi_channel: PJSIP/a-1\n"
        writer.write(opening.encode() + b"\n")
        caller = Caller(reader, writer)
        caller.variables.update(variables)
        try:
            return await caller.play()
        finally:
            writer.close()


@pytest.fixture
async def door(server: PrivateNats, sockets: Path, closing: AsyncExitStack) -> DoorBeside:
    door = DoorBeside(server.url, sockets)
    await door.server.start()
    closing.push_async_callback(door.server.stop)
    closing.push_async_callback(door.bus.close)
    assert await door.bus.start(DEADLINE_S)
    return door


@pytest.fixture
async def worker(server: PrivateNats, sockets: Path, tmp_path: Path, closing: AsyncExitStack) -> NodeProcess:
    (tmp_path / "policy.toml").write_text(POLICY)
    settings: dict[str, dict[str, object]] = {
        "cluster": {"nats": server.url, "node": "n1", "local": str(sockets)},
        "analysis": {"speech_model": "off", "transcriber": "off", "base_port": 0},
        "routing": {"policy": str(tmp_path / "policy.toml"), "mode": "active", "holdout": 0.0},
    }
    worker = await closing.enter_async_context(NodeProcess(tmp_path, ("worker",), settings))
    await worker.says("worker.carries")
    return worker


UPSET = {"EMOCX_QUERY": "this is outrageous", "EMOCX_DEFAULT_QUEUE": "support", "EMOCX_CUSTOMER": "c-1"}


async def test_while_nats_is_away_the_worker_beside_decides_and_that_is_told_once(
    server: PrivateNats, door: DoorBeside, worker: NodeProcess, closing: AsyncExitStack
) -> None:
    server.kill()
    await door.states.be(False)
    got = [await door.ask(f"1.{number}", **UPSET) for number in range(3)]
    assert {one["EMOCX_STATUS"] for one in got} == {"ok"} and {one["EMOCX_QUEUE"] for one in got} == {"care"}
    assert {one["EMOCX_EMOTION"] for one in got} <= {"angry", "disappointed"}
    server.start()
    site = Site(server)
    closing.push_async_callback(site.close)
    await site.start()
    await site.inbox.until(lambda: len(site.inbox.of(DecidedAlone)) >= 3)
    server.kill()  # what the stream kept must not come again
    await site.down.wait()
    server.start()
    await site.up.wait()
    last = await _decided_later(server, door, site)
    told = site.inbox.of(DecidedAlone)
    assert [one.decision.decision_id for one in told] == [*(one["EMOCX_DECISION"] for one in got), last]
    assert [one.call_id for one in told] == ["1.0", "1.1", "1.2", "1.3"]
    assert (told[0].customer_key, told[0].text, told[0].decision.rule) == (
        "c-1",
        UPSET["EMOCX_QUERY"],
        "upset",
    )


async def _decided_later(server: PrivateNats, door: DoorBeside, site: Site) -> str:
    """One more, with NATS there and no controller that decides: the worker does so, too."""
    await door.states.be(True)
    got = await door.ask("1.3", **UPSET)
    await site.inbox.until(lambda: len(site.inbox.of(DecidedAlone)) >= 4)
    return got["EMOCX_DECISION"]


async def test_what_callers_say_is_not_decided_beside(
    server: PrivateNats, door: DoorBeside, worker: NodeProcess
) -> None:
    server.kill()
    await door.states.be(False)
    assert "EMOCX_STATUS" not in await door.ask("1.1", "listen", **UPSET)
    assert (await door.ask("1.1", "check"))["EMOCX_STATUS"] == "ok"


async def test_a_dead_workers_socket_costs_nothing_and_its_next_process_takes_it(
    server: PrivateNats, door: DoorBeside, worker: NodeProcess, sockets: Path, tmp_path: Path
) -> None:
    path = sockets / "worker-n1-0.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # nobody else may ask
    await worker.kill()
    server.kill()
    await door.states.be(False)
    assert path.exists() and "EMOCX_STATUS" not in await door.ask("1.1", **UPSET)
    (tmp_path / "node.log").unlink()
    await worker.start()  # without NATS, and where a socket was left behind
    await worker.says("worker.carries")
    assert (await door.ask("1.2", **UPSET))["EMOCX_QUEUE"] == "care"

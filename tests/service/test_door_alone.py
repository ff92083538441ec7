"""A door and a real worker beside it while a real NATS server is away: they decide, and it is told once."""

from __future__ import annotations

import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from analysis.cluster_site import Site
from service.asked_door import AskedDoor

from emocx_pbx.analysis.cluster.messages import DecidedAlone
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess

# The worker loads a real model, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(240)

POLICY = '[[rules]]\nname = "upset"\nupset = true\nqueue = "care"\n'


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a short name: sockets' names are bounded."""
    with tempfile.TemporaryDirectory(prefix="emocx-") as folder:
        yield Path(folder)


@pytest.fixture
async def door(server: PrivateNats, sockets: Path, closing: AsyncExitStack) -> AskedDoor:
    return await AskedDoor(server.url, sockets).start(closing)


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
    server: PrivateNats, door: AskedDoor, worker: NodeProcess, closing: AsyncExitStack
) -> None:
    server.kill()
    await door.states.be(False)
    got = [await door.ask(uniqueid=f"1.{number}", **UPSET) for number in range(3)]
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


async def _decided_later(server: PrivateNats, door: AskedDoor, site: Site) -> str:
    """One more, with NATS there and no controller that decides: the worker does so, too."""
    await door.states.be(True)
    got = await door.ask(uniqueid="1.3", **UPSET)
    await site.inbox.until(lambda: len(site.inbox.of(DecidedAlone)) >= 4)
    return got["EMOCX_DECISION"]


async def test_a_changed_policy_counts_from_its_reload(
    server: PrivateNats, door: AskedDoor, worker: NodeProcess, tmp_path: Path
) -> None:
    server.kill()
    await door.states.be(False)
    path = tmp_path / "policy.toml"
    path.write_text("[[rules]]\n")
    worker.signal(signal.SIGHUP)
    await worker.says("policy.refused")
    assert (await door.ask(uniqueid="1.1", **UPSET))["EMOCX_QUEUE"] == "care"
    path.write_text(POLICY.replace("care", "retention"))
    worker.signal(signal.SIGHUP)
    await worker.says("policy.reloaded")
    assert (await door.ask(uniqueid="1.2", **UPSET))["EMOCX_QUEUE"] == "retention"


async def test_what_callers_say_is_not_decided_beside(
    server: PrivateNats, door: AskedDoor, worker: NodeProcess
) -> None:
    server.kill()
    await door.states.be(False)
    assert "EMOCX_STATUS" not in await door.ask("listen", **UPSET)
    assert (await door.ask("check"))["EMOCX_STATUS"] == "ok"


async def test_a_dead_workers_socket_costs_nothing_and_its_next_process_takes_it(
    server: PrivateNats, door: AskedDoor, worker: NodeProcess, sockets: Path, tmp_path: Path
) -> None:
    path = sockets / "worker-n1-0.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # nobody else may ask
    await worker.kill()
    server.kill()
    await door.states.be(False)
    assert path.exists() and "EMOCX_STATUS" not in await door.ask(uniqueid="1.1", **UPSET)
    (tmp_path / "node.log").unlink()
    await worker.start()  # without NATS, and where a socket was left behind
    await worker.says("worker.carries")
    assert (await door.ask(uniqueid="1.2", **UPSET))["EMOCX_QUEUE"] == "care"

"""The real service of a cluster: its calls heard by workers elsewhere, its dialplan answered by a door."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pbx_real.journey import call_from_query_to_end
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import POLICY, Hook, ServiceProcess

# Service and two workers start, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(300)

LIGHT: dict[str, Any] = {"transcriber": "off", "speech_model": "mlp", "base_port": 0}


@dataclass
class House:
    """One controller, two workers by their ports, one door."""

    service: ServiceProcess
    nats: PrivateNats
    workers: dict[int, NodeProcess]
    door: NodeProcess


@pytest.fixture(scope="module")
def nats() -> Iterator[PrivateNats]:
    with PrivateNats() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def house(
    pbx: PrivateAsterisk, crm: Receiver, probe: AmiProbe, nats: PrivateNats, tmp_path: Path
) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        # A short name: those of sockets are bounded.
        beside = stack.enter_context(tempfile.TemporaryDirectory(prefix="emocx-"))
        workers = {}
        for name in ("w1", "w2"):
            (tmp_path / name).mkdir()
            port = free_port()
            cluster = {"nats": nats.url, "node": name, **({"local": beside} if name == "w1" else {})}
            own = {
                "cluster": cluster,
                "analysis": {**LIGHT, "base_port": port},
                "routing": {"policy": str(POLICY)},
            }
            worker = NodeProcess(tmp_path / name, ("worker",), own)
            workers[port] = await stack.enter_async_context(worker)
        for worker in workers.values():
            await worker.says("worker.carries")
        settings = {"cluster": {"nats": nats.url, "node": "c1"}, "analysis": {**LIGHT, "workers": 0}}
        hooks = [Hook(crm.url, crm.secret, EVENTS)]
        service = await stack.enter_async_context(ServiceProcess(tmp_path / "c1", pbx, hooks, settings))
        (tmp_path / "door").mkdir()
        port = free_port()
        asking: dict[str, dict[str, Any]] = {
            "cluster": {"nats": nats.url, "local": beside},
            "agi": {"port": port},
        }
        door = await stack.enter_async_context(NodeProcess(tmp_path / "door", ("door",), asking))
        await door.says("door.up")
        await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{port}")
        yield House(service, nats, workers, door)


async def test_a_call_heard_elsewhere_is_decided_graded_and_told(
    pbx: PrivateAsterisk, probe: AmiProbe, house: House, crm: Receiver, ul: dict[str, Path]
) -> None:
    call_id = await call_from_query_to_end(pbx, probe, crm, ul["customer"], "+491181")
    (routed,) = crm.of("query.routed", call_id)
    assert routed.data["emotion"] in {"angry", "disappointed"}
    assert crm.of("call.reading", call_id)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_calls_of_a_lost_worker_are_heard_by_the_other(
    probe: AmiProbe, house: House, crm: Receiver, how: signal.Signals
) -> None:
    customer = await call_in(probe, "queue-support")
    _, spying = await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
    before = len(probe.events)
    (hearing,) = [port for port in house.workers if f":{port}" in spying["SpyerChannel"]]
    house.workers[hearing].signal(how)
    _, again = await probe.event("ChanSpyStart", after=before, SpyeeUniqueid=customer.uniqueid)
    assert f":{hearing}" not in again["SpyerChannel"]
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    assert len(crm.of("call.ended", customer.uniqueid)) == 1


async def stored(house: House, call_id: str) -> list[str]:
    """The decisions that are kept for a call."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{house.service.url}/api/v1/decisions", params={"limit": "100"}) as answer,
    ):
        rows = (await answer.json())["decisions"]
    return [row["decision"]["decision_id"] for row in rows if row["call_id"] == call_id]


async def test_a_call_goes_on_and_is_decided_and_graded_once_while_nats_is_away(
    probe: AmiProbe, house: House, crm: Receiver
) -> None:
    customer = await call_in(probe, "queue-support")
    await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
    await crm.wait(lambda: crm.of("call.reading", customer.uniqueid), 30)
    before = len(probe.events)
    house.nats.kill()
    # Decided by the worker beside the door.
    other = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    at, joined = await probe.event("QueueCallerJoin", Uniqueid=other.uniqueid)
    assert at - other.started < 1.8 and joined["Queue"] == "care"
    assert not crm.of("query.routed", other.uniqueid), "nobody could be told yet"
    house.nats.start()
    heard = len(crm.of("call.reading", customer.uniqueid))
    await crm.wait(lambda: len(crm.of("call.reading", customer.uniqueid)) > heard, 30)
    await hang_up(probe, customer)
    await hang_up(probe, other)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    assert len(crm.of("call.graded", customer.uniqueid)) == 1
    await crm.wait(lambda: crm.of("call.ended", other.uniqueid), 20)
    (routed,) = crm.of("query.routed", other.uniqueid)
    assert (routed.data["queue"], routed.data["status"]) == ("care", "ok")
    assert await stored(house, other.uniqueid) == [routed.data["decision_id"]]
    spied = [e for _, e in probe.events[before:] if e.get("Event") == "ChanSpyStart"]
    assert customer.uniqueid not in {e["SpyeeUniqueid"] for e in spied}  # the tap went on


async def test_callers_go_on_in_time_while_the_controller_stands_still(probe: AmiProbe, house: House) -> None:
    house.service.freeze()
    try:
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
        at, _ = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
        assert at - customer.started < 1.8
        await hang_up(probe, customer)
    finally:
        house.service.thaw()

"""Two controllers, one Asterisk, records in one PostgreSQL: one acts, the other takes over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up

from benchmarks.faults.proxy import Proxy
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

Pair = tuple[ServiceProcess, ServiceProcess]
#: What is under way when a sender freezes is sent again only when its claim ends: nothing is, between these.
TOLD = ("query.routed", "call.started", "call.graded", "call.ended")


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    with PrivatePostgres() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def way(pbx: PrivateAsterisk) -> AsyncIterator[Proxy]:
    """The first one's way to Asterisk's manager interface."""
    async with Proxy(pbx.ami_port) as way:
        yield way


@pytest_asyncio.fixture(loop_scope="session")
async def pair(
    pbx: PrivateAsterisk, crm: Receiver, probe: AmiProbe, server: PrivatePostgres, way: Proxy, tmp_path: Path
) -> AsyncIterator[Pair]:
    """The one that acts, and the one that stands by."""
    hooks = [Hook(crm.url, crm.secret, TOLD)]
    pair = tuple(
        ServiceProcess(
            tmp_path / name,
            pbx,
            hooks,
            {
                "store": {"url": server.url()},
                "analysis": {"transcriber": "off", "speech_model": "mlp", "spare_worker": False},
                "cluster": {"node": name},
                "asterisk": {"port": port},
            },
        )
        for name, port in (("a", way.port), ("b", pbx.ami_port))
    )
    try:
        await pair[0].start()
        await pair[1].start(standby=True)
        yield (pair[0], pair[1])
    finally:
        for one in pair:
            await one.stop()


async def heard(service: ServiceProcess, call_id: str, more_than: int = 0) -> int:
    """The number of stored readings, as soon as it is larger."""
    call = await service.until_call(call_id, lambda call: len(call["readings"]) > more_than, 60)
    return len(call["readings"])


async def in_a_call(probe: AmiProbe, crm: Receiver, service: ServiceProcess) -> tuple[Customer, int]:
    """A customer who talks to an agent, and the number of readings that were stored of them."""
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    await probe.event("AgentConnect", 20, Uniqueid=customer.uniqueid)
    await crm.wait(lambda: crm.of("call.started", customer.uniqueid), 20)
    return customer, await heard(service, customer.uniqueid)


async def ended_once(probe: AmiProbe, crm: Receiver, customer: Customer) -> None:
    """Hang up: graded once, ended once, all in order."""
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 40)
    events = sorted(
        (e for e in crm.events if e.call_id == customer.uniqueid), key=lambda e: e.data["sequence"]
    )
    assert tuple(e.type for e in events) == TOLD, "each once"


async def test_one_that_froze_is_taken_over_from_refused_when_it_thaws_and_stands_by(
    probe: AmiProbe, pair: Pair, crm: Receiver
) -> None:
    one, other = pair
    customer, before = await in_a_call(probe, crm, one)
    one.freeze()
    await other.ready(30)
    await other.answer_the_dialplan()
    await heard(other, customer.uniqueid, before)
    one.thaw()
    await one.standing_by(60)
    await ended_once(probe, crm, customer)
    assert '"lease.lost"' in one.log() and '"lease.lost"' not in other.log()
    assert '"journey.failed"' not in one.log() + other.log()
    # And back again, as the one that acts dies.
    customer, _ = await in_a_call(probe, crm, other)
    await other.kill()
    await one.ready(30)
    await ended_once(probe, crm, customer)


async def test_one_that_stops_in_order_gives_it_to_the_other_at_once(
    probe: AmiProbe, pair: Pair, crm: Receiver
) -> None:
    one, other = pair
    customer, _ = await in_a_call(probe, crm, one)
    await one.stop()
    await other.ready(30)
    await ended_once(probe, crm, customer)


async def test_one_that_lost_its_link_to_asterisk_alone_is_taken_over_from(
    probe: AmiProbe, pair: Pair, crm: Receiver, way: Proxy
) -> None:
    one, other = pair
    customer, before = await in_a_call(probe, crm, one)
    with way.refusing():
        await other.ready(60)
        await other.answer_the_dialplan()
        await heard(other, customer.uniqueid, before)
        await one.standing_by(60)
        await ended_once(probe, crm, customer)
    assert '"lease.cut_off"' in one.log() and '"lease.lost"' in one.log()
    assert '"lease.lost"' not in other.log()

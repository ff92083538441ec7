"""The real service with its records in PostgreSQL: a call's journey, and one while the server is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pbx_real.journey import call_from_query_to_end
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One of these tests' own, which they kill."""
    with PrivatePostgres() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def service(
    pbx: PrivateAsterisk, crm: Receiver, probe: AmiProbe, server: PrivatePostgres, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    settings = {
        "store": {"url": server.url()},
        "analysis": {"transcriber": "off", "speech_model": "mlp"},
    }
    async with ServiceProcess(tmp_path, pbx, [Hook(crm.url, crm.secret, EVENTS)], settings) as service:
        yield service


async def status_of(service: ServiceProcess, path: str) -> int:
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(service.url + path) as answer:
        await answer.read()
        return answer.status


async def test_a_call_is_graded_and_told_from_postgresql(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, crm: Receiver, ul: dict[str, Path]
) -> None:
    call_id = await call_from_query_to_end(pbx, probe, crm, ul["customer"], "+491171")
    assert not (service.directory / "emocx.db").exists()
    assert await status_of(service, f"/api/v1/calls/{call_id}") == 200


async def test_while_the_server_is_away_calls_go_on_and_all_is_written_and_told_when_it_is_back(
    probe: AmiProbe, service: ServiceProcess, server: PrivatePostgres, crm: Receiver
) -> None:
    server.kill()
    try:
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
        _, joined = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
        assert joined["Queue"] == "care", "decided from memory"
        await probe.event("AgentConnect", 20, Uniqueid=customer.uniqueid)
        assert await status_of(service, "/api/v1/calls") == 503
        assert not [e for e in crm.events if e.call_id == customer.uniqueid], "no webhook before its record"
    finally:
        server.start()
    # Heard at the latest now: who can't renew the lease asks nothing of Asterisk meanwhile.
    await probe.event("ChanSpyStart", 20)
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 60)
    events = [e for e in crm.events if e.call_id == customer.uniqueid]
    assert [e.data["sequence"] for e in events] == list(range(1, len(events) + 1))
    assert [e.type for e in events if e.type != "call.reading"][:2] == ["query.routed", "call.started"]
    await service.ready()
    assert await status_of(service, f"/api/v1/calls/{customer.uniqueid}") == 200

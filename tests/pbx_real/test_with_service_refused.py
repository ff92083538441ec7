"""The service with a disk that is full, a database that is locked, a link that is cut: nothing is lost."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up

from benchmarks.faults.disk import SmallDisk
from benchmarks.faults.proxy import Proxy
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

#: Without models these tests are quick; readings are not what they are about.
NO_MODELS = {"speech_model": "off", "text_model": "off", "transcriber": "off"}


@pytest_asyncio.fixture(loop_scope="session")
async def crm() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@contextlib.asynccontextmanager
async def serving(
    pbx: PrivateAsterisk, crm: Receiver, folder: Path, **asterisk: int
) -> AsyncIterator[ServiceProcess]:
    settings: dict[str, dict[str, Any]] = {"analysis": NO_MODELS, "asterisk": asterisk}
    async with ServiceProcess(folder, pbx, [Hook(crm.url, crm.secret)], settings) as service:
        yield service


async def talk(probe: AmiProbe, customer: Customer) -> None:
    """Asterisk ends the call in 2 s: a part of less than a second without a word would not be graded."""
    await probe.action(Action="AbsoluteTimeout", Channel=customer.channel, Timeout="2")
    await probe.event("Hangup", Uniqueid=customer.uniqueid)


async def a_call(probe: AmiProbe) -> str:
    """A call from its query to its end; its id."""
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
    await probe.event("AgentConnect", Uniqueid=customer.uniqueid)
    await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
    await talk(probe, customer)
    return customer.uniqueid


def observed(crm: Receiver, call_id: str) -> list[Received]:
    """The call's events in the order of their sequence, none missing."""
    events = sorted((e for e in crm.events if e.call_id == call_id), key=lambda e: e.data["sequence"])
    assert [e.data["sequence"] for e in events] == list(range(1, len(events) + 1))
    return events


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@pytest.mark.parametrize("why", ["disk full", "database locked"])
async def test_a_call_while_the_store_refuses_is_written_and_told_afterwards(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path, why: str
) -> None:
    if why == "disk full" and os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(SmallDisk(tmp_path / "disk")) if why == "disk full" else None
        async with serving(pbx, crm, tmp_path / "disk") as service:
            with disk.full() if disk else locked(tmp_path / "disk/emocx.db"):
                call_id = await a_call(probe)
                assert not [e for e in crm.events if e.call_id == call_id]
            await crm.wait(lambda: crm.of("call.ended", call_id), 30)
            types = [e.type for e in observed(crm, call_id)]
            assert types == ["query.routed", "call.started", "call.graded", "call.ended"]
            await service.ready()  # it says so again


async def test_a_call_answered_while_the_manager_link_is_cut_is_found_tapped_and_graded(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    async with Proxy(pbx.ami_port) as proxy, serving(pbx, crm, tmp_path, port=proxy.port):
        with proxy.refusing():
            known = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
            unknown = await call_in(probe, "queue-care")
            for customer in (known, unknown):
                await probe.event("AgentConnect", Uniqueid=customer.uniqueid)
        for customer in (known, unknown):
            await crm.wait(partial(crm.of, "call.started", customer.uniqueid), 20)
            await probe.event("ChanSpyStart", 20, SpyeeUniqueid=customer.uniqueid)
            await talk(probe, customer)
            await crm.wait(partial(crm.of, "call.ended", customer.uniqueid), 20)
            types = [e.type for e in observed(crm, customer.uniqueid)]
            assert types[-3:] == ["call.started", "call.graded", "call.ended"]
            (graded,) = crm.of("call.graded", customer.uniqueid)
            assert graded.data["grade"]["facts"]["missed_s"] > 0


async def test_a_customer_who_opted_out_is_not_graded_after_two_kills(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    async with serving(pbx, crm, tmp_path) as service:
        await service.kill()
        customer = await call_in(probe, "queue-care", {"EMOCX_OPTOUT": "1"})
        await probe.event("AgentConnect", Uniqueid=customer.uniqueid)
        await service.start()  # finds the call, and hears of the opt-out
        await crm.wait(lambda: crm.of("call.started", customer.uniqueid), 20)
        await service.kill()
        await hang_up(probe, customer)
        await service.start()
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    assert [e.type for e in observed(crm, customer.uniqueid)] == ["call.started", "call.ended"]
    assert not [e for _, e in probe.events if e.get("Event") == "ChanSpyStart"]

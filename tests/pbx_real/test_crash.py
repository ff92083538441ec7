"""kill -9 and restarts in the middle of real calls: nothing lost, nothing doubled, one end a call."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

# Two starts of the service each, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(300)

#: Without models these tests are quick; readings are not what they are about.
NO_MODELS = {"analysis": {"speech_model": "off", "text_model": "off", "transcriber": "off"}}


@pytest_asyncio.fixture(loop_scope="session")
async def crm() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@contextlib.asynccontextmanager
async def serving(pbx: PrivateAsterisk, crm: Receiver, folder: Path) -> AsyncIterator[ServiceProcess]:
    async with ServiceProcess(folder, pbx, [Hook(crm.url, crm.secret)], NO_MODELS) as service:
        yield service


def observed(crm: Receiver, call_id: str) -> list[Received]:
    """The call's events in the order of their sequence; each once, none missing, all signed."""
    assert all(d.signature_valid for d in crm.deliveries)
    events = sorted((e for e in crm.events if e.call_id == call_id), key=lambda e: e.data["sequence"])
    assert [e.data["sequence"] for e in events] == list(range(1, len(events) + 1))
    assert sum(e.type == "call.ended" for e in events) <= 1
    return events


async def test_kill_in_the_middle_of_a_call_and_of_a_delivery(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    crm.answer = lambda received: 500  # the first deliveries are under way when the service dies
    async with serving(pbx, crm, tmp_path) as service:
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
        await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
        await crm.wait(lambda: crm.deliveries, 10)
        before = len(probe.events)
        await service.kill()
        crm.answer = lambda received: 204
        await service.start()
        # The call went on, and is tapped again.
        await probe.event("ChanSpyStart", after=before, SpyeeUniqueid=customer.uniqueid)
        await hang_up(probe, customer)
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 60)
    types = [e.type for e in observed(crm, customer.uniqueid)]
    assert types == ["query.routed", "call.started", "call.graded", "call.ended"]


async def test_a_call_that_ended_while_the_service_was_dead(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    async with serving(pbx, crm, tmp_path) as service:
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
        await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
        await service.kill()
        await hang_up(probe, customer)
        await service.start()
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 60)
    events = observed(crm, customer.uniqueid)
    assert [e.type for e in events][-2:] == ["call.graded", "call.ended"]
    assert events[-1].data["reason"] == "lost"


async def test_an_orderly_restart_keeps_the_call(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    async with serving(pbx, crm, tmp_path) as service:
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
        await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
        await service.stop()
        before = len(probe.events)
        await service.start()
        await probe.event("ChanSpyStart", after=before, SpyeeUniqueid=customer.uniqueid)
        assert not crm.of("call.ended", customer.uniqueid)
        await hang_up(probe, customer)
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 60)
    assert observed(crm, customer.uniqueid)[-1].data["reason"] == "hangup"


async def test_a_customer_who_opted_out_is_neither_tapped_nor_graded(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    async with serving(pbx, crm, tmp_path):
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello", "EMOCX_OPTOUT": "1"})
        await probe.event("BridgeEnter", Uniqueid=customer.uniqueid)
        await hang_up(probe, customer)
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 60)
    assert not crm.of("call.graded", customer.uniqueid)
    assert not any(event.get("Event") == "ChanSpyStart" for _, event in probe.events)

"""The real service stopped, frozen, killed or without models: callers reach a queue within 2 s."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess


async def joined(probe: AmiProbe, customer: Customer) -> tuple[str, float]:
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    return event["Queue"], at


async def test_frozen_and_thawed(probe: AmiProbe, own_service: ServiceProcess) -> None:
    own_service.freeze()
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    queue, at = await joined(probe, customer)
    assert queue == "support"
    assert at - customer.started < 2
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "timeout"
    own_service.thaw()
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    await joined(probe, customer)
    assert await probe.variable(customer.channel, "EMOCX_DECISION") != ""


async def test_stopped_and_started_again(probe: AmiProbe, own_service: ServiceProcess) -> None:
    await own_service.stop()
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    queue, at = await joined(probe, customer)
    assert queue == "support"
    assert at - customer.started < 1
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "default"
    await own_service.start()
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"})
    await joined(probe, customer)
    assert await probe.variable(customer.channel, "EMOCX_DECISION") != ""


async def test_killed_while_it_listens(probe: AmiProbe, own_service: ServiceProcess) -> None:
    customer = await call_in(probe, "listen")
    await probe.event("Newexten", Uniqueid=customer.uniqueid, Application="TryExec")
    before = asyncio.get_running_loop().time()
    await own_service.kill()
    queue, at = await joined(probe, customer)
    assert queue == "support"
    assert at - before < 2
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "default"


async def test_frozen_while_it_listens(probe: AmiProbe, own_service: ServiceProcess) -> None:
    customer = await call_in(probe, "listen", {"EMOCX_LISTEN_MAX": "2"})
    at_listen, _ = await probe.event("Newexten", Uniqueid=customer.uniqueid, Application="TryExec")
    own_service.freeze()
    queue, at = await joined(probe, customer)
    assert queue == "support"
    assert at - at_listen < 2 + 2
    own_service.thaw()


async def test_without_any_model(pbx: PrivateAsterisk, probe: AmiProbe, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    none = {"analysis": {"models_dir": str(tmp_path / "models"), "transcriber": str(tmp_path / "models")}}
    async with ServiceProcess(tmp_path / "service", pbx, settings=none):
        for extension in ("route", "listen"):
            customer = await call_in(probe, extension, {"EMOCX_QUERY": "this is outrageous"})
            queue, at = await joined(probe, customer)
            assert queue == "support"
            assert at - customer.started < 2
            await hang_up(probe, customer)


async def test_opted_out_is_neither_tapped_nor_graded(
    probe: AmiProbe, service: ServiceProcess, crm: Receiver
) -> None:
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous", "EMOCX_OPTOUT": "1"})
    _, connected = await probe.event("AgentConnect", Uniqueid=customer.uniqueid)
    assert connected["Queue"] == "support"
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "optout"
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    assert not any(e.get("Event") == "ChanSpyStart" for _, e in probe.events)
    assert not crm.of("call.reading", customer.uniqueid)
    assert not crm.of("call.graded", customer.uniqueid)

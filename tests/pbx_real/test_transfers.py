"""Transfers: each agent's part is a segment of its own, whoever transfers and however."""

from __future__ import annotations

from pathlib import Path

from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

LIGHT = {"analysis": {"transcriber": "off", "speech_model": "off"}}


async def test_a_blind_transfer_by_the_agents_telephone(
    installation: Installation, ul: dict[str, Path], crm: Receiver, tmp_path: Path
) -> None:
    async with (
        PrivateAsterisk(installation) as pbx,
        AmiProbe().connected(pbx.ami_port, "demo", pbx.secret) as probe,
        SippAgents(pbx.agent_port, ul["agent"], answer_s=0.05, refer_to="queue-sales", refer_s=2.0),
        ServiceProcess(tmp_path, pbx, [Hook(crm.url, crm.secret, EVENTS)], LIGHT),
        SippCustomers(pbx.sip_port, ul["customer"], [CallPlan("queue-support")], hold_s=3.5) as customers,
    ):
        _, first = await probe.event("AgentConnect", Queue="support")
        _, second = await probe.event("AgentConnect", Queue="sales")
        assert first["Uniqueid"] == second["Uniqueid"]
        await customers.wait(10)
        await crm.wait(lambda: crm.of("call.ended", first["Uniqueid"]), 20)
    segments = crm.of("call.ended", first["Uniqueid"])[0].data["segments"]
    assert [(s["segment"], s["queue"], s["interface"]) for s in segments] == [
        (0, "support", first["Interface"]),
        (1, "sales", second["Interface"]),
    ]
    assert len(crm.of("call.graded", first["Uniqueid"])) == 2


async def test_a_redirect_into_another_queue(
    probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    customer = await call_in(probe, "queue-support")
    await probe.event("BridgeEnter", Uniqueid=customer.uniqueid)
    await probe.action(
        Action="Redirect", Channel=customer.channel, Context="demo-in", Exten="queue-care", Priority="1"
    )
    _, second = await probe.event("AgentConnect", Uniqueid=customer.uniqueid, Queue="care")
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    segments = crm.of("call.ended", customer.uniqueid)[0].data["segments"]
    assert [s["queue"] for s in segments] == ["support", "care"]
    assert segments[1]["interface"] == second["Interface"]

"""The real service over changes of agents: one tap of the customer's channel, each agent graded alone."""

from __future__ import annotations

from typing import Any

import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess

DIALPLAN = """
[taps]
exten => _q-.,1,Answer()
 same => n,Queue(${EXTEN:2},c,,,20)
exten => member,1,Dial(PJSIP/agent-retention-1,20)
exten => sales,1,Dial(PJSIP/agent-sales-2,20)
exten => front,1,Dial(Local/q-support@taps,20)
exten => front-quiet,1,Set(EMOCX_OPTOUT=1)
 same => n,Dial(Local/q-support@taps,20)
"""


@pytest_asyncio.fixture(loop_scope="session")
async def dialplan(pbx: PrivateAsterisk, probe: AmiProbe) -> None:
    await pbx.add_dialplan(DIALPLAN)


async def test_a_tap_survives_transfers_behind_a_local_member(
    dialplan: None, probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    member = "Local/member@taps/n"
    for number in (1, 2):
        usual = f"PJSIP/agent-retention-{number}"
        await probe.action(Action="QueuePause", Queue="retention", Interface=usual, Paused="true")
    await probe.action(Action="QueueAdd", Queue="retention", Interface=member, MemberName="Rita")
    customer = await call_in(probe, "q-retention", context="taps")
    await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
    _, rita = await probe.event("BridgeEnter", Channel="PJSIP/agent-retention-1-*")
    after = len(probe.events)
    await probe.action(Action="BlindTransfer", Channel=rita["Channel"], Context="taps", Exten="sales")
    # Hung up before he is with someone, the customer had no second agent.
    _, second = await probe.event("BridgeEnter", after=after, Channel="PJSIP/agent-sales-2-*")
    together: dict[str, Any] = {"BridgeUniqueid": second["BridgeUniqueid"], "BridgeNumChannels": "2"}
    await probe.event("BridgeEnter", after=after, **together)
    await hang_up(probe, customer)
    await probe.action(Action="QueueRemove", Queue="retention", Interface=member)
    for number in (1, 2):
        usual = f"PJSIP/agent-retention-{number}"
        await probe.action(Action="QueuePause", Queue="retention", Interface=usual, Paused="false")
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 10)
    parts = crm.of("call.ended", customer.uniqueid)[0].data["segments"]
    assert [(p["agent"], p["via"]) for p in parts] == [("Rita", "queue"), ("Sales agent 2", "transfer")]
    assert len(crm.of("call.graded", customer.uniqueid)) <= 2  # a moment in which nobody spoke has none
    starts = [e for _, e in probe.events if e.get("Event") == "ChanSpyStart"]
    assert [e["SpyeeUniqueid"] for e in starts].count(customer.uniqueid) == 1


async def test_a_customer_who_moved_is_tapped_again(
    dialplan: None, probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    caller = await call_in(probe, "front", context="taps")
    await probe.event("LocalOptimizationEnd")
    await probe.event("ChanSpyStart", SpyeeUniqueid=caller.uniqueid)
    await hang_up(probe, caller)
    _, connected = await probe.event("AgentConnect")
    await crm.wait(lambda: crm.of("call.ended", connected["Uniqueid"]), 10)
    ended = crm.of("call.ended", connected["Uniqueid"])[0]
    assert ended.data["reason"] == "hangup" and len(ended.data["segments"]) == 1


async def test_a_customer_who_opted_out_behind_a_local_channel_is_not_tapped(
    dialplan: None, probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    caller = await call_in(probe, "front-quiet", context="taps")
    _, connected = await probe.event("AgentConnect")
    await probe.event("LocalOptimizationEnd")
    await hang_up(probe, caller)
    await crm.wait(lambda: crm.of("call.ended", connected["Uniqueid"]), 10)
    assert not crm.of("call.graded", connected["Uniqueid"])
    assert not [e for _, e in probe.events if e.get("Event") == "ChanSpyStart"]

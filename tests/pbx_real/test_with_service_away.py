"""Calls that were answered, or began to wait, while the service was away are found when it is back."""

from __future__ import annotations

from functools import partial

from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up
from pbx_real.raw_phone import RawPhone

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess


async def test_a_call_answered_while_the_service_was_away(
    probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    await own_service.kill()
    customer = await call_in(probe, "queue-support")
    _, connected = await probe.event("AgentConnect", Uniqueid=customer.uniqueid)
    await own_service.start()
    await crm.wait(lambda: crm.of("call.started", customer.uniqueid), 20)
    await probe.event("ChanSpyStart", 20, SpyeeUniqueid=customer.uniqueid)
    await crm.wait(lambda: crm.of("call.reading", customer.uniqueid), 30)
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    (ended,) = crm.of("call.ended", customer.uniqueid)
    (segment,) = ended.data["segments"]
    assert (segment["agent"], segment["queue"], segment["via"]) == (
        connected["MemberName"],
        "support",
        "queue",
    )
    assert [visit["left"] for visit in ended.data["visits"]] == ["answered"]
    (graded,) = crm.of("call.graded", customer.uniqueid)
    assert graded.data["grade"]["facts"]["missed_s"] > 0


async def test_after_a_restart_the_second_line_of_an_agent_whom_no_queue_names_is_not_heard(
    pbx: PrivateAsterisk, probe: AmiProbe, own_service: ServiceProcess, crm: Receiver
) -> None:
    """Rita is at a telephone that only her call tells of, and was taken out of the queue."""
    await pbx.add_dialplan("[unnamed]\nexten => house,1,Dial(${UNNAMED_TELEPHONE},20)\n")
    rita = {"Queue": "retention", "Interface": "Local/house@unnamed/n"}
    members = [{"Queue": "retention", "Interface": f"PJSIP/agent-retention-{n}"} for n in (1, 2)]
    async with RawPhone(pbx.sip_port).running() as telephone:
        await pbx.cli(f"dialplan set global UNNAMED_TELEPHONE {telephone.address('customer')}")
        for member in members:
            await probe.action(Action="QueuePause", Paused="true", **member)
        try:
            await probe.action(Action="QueueAdd", MemberName="Rita", **rita)
            customer = await call_in(probe, "queue-retention")
            await probe.event("ChanSpyStart", SpyeeUniqueid=customer.uniqueid)
        finally:
            await probe.action(Action="QueueRemove", **rita)
            for member in members:
                await probe.action(Action="QueuePause", Paused="false", **member)
        await own_service.kill()
        before = len(probe.events)
        await own_service.start()
        await probe.event("ChanSpyStart", 20, after=before, SpyeeUniqueid=customer.uniqueid)
        await telephone.consult("queue-care")
        _, asked = await probe.event("AgentConnect", Queue="care")
        await hang_up(probe, customer)
        await pbx.cli("channel request hangup all")
        for call_id in (customer.uniqueid, asked["Uniqueid"]):
            await crm.wait(partial(crm.of, "call.ended", call_id), 20)
    assert len(crm.of("call.graded", customer.uniqueid)) == 1
    assert not crm.of("call.graded", asked["Uniqueid"])
    heard = {e["SpyeeUniqueid"] for _, e in probe.events if e.get("Event") == "ChanSpyStart"}
    assert heard == {customer.uniqueid}

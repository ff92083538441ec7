"""Calls that were answered, or began to wait, while the service was away are found when it is back."""

from __future__ import annotations

from pbx_stubs import AmiProbe, call_in, hang_up

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

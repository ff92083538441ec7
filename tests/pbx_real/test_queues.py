"""SIP customers reach the queue they were sent to, in the order that QUEUE_PRIO says."""

from __future__ import annotations

from pathlib import Path

from pbx_real.pbx_stubs import AgiCall, AmiProbe, StubAgi, call_in, hang_up

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.sip import CallPlan, SippCustomers

QUEUES = ("support", "care", "retention", "sales")


async def test_sip_customers_reach_the_queue_of_their_query(
    pbx: PrivateAsterisk, probe: AmiProbe, agi: StubAgi, ul: dict[str, Path]
) -> None:
    async def by_query(call: AgiCall) -> None:
        await call.set(EMOCX_QUEUE=await call.get("EMOCX_QUERY"), EMOCX_STATUS="ok")

    agi.behave["/route"] = by_query
    calls = [
        CallPlan("route", queue, customer=f"c-{queue}", number=f"+49{n}") for n, queue in enumerate(QUEUES)
    ]
    async with SippCustomers(pbx.sip_port, ul["customer"], calls, hold_s=2) as customers:
        for n, queue in enumerate(QUEUES):
            _, event = await probe.event("AgentConnect", CallerIDNum=f"+49{n}")
            assert event["Queue"] == queue
            assert event["Interface"].startswith(f"PJSIP/agent-{queue}-")
            assert await probe.variable(event["Channel"], "EMOCX_CUSTOMER") == f"c-{queue}"
        await customers.wait(10)


async def test_priority_orders_who_waits(pbx: PrivateAsterisk, probe: AmiProbe, agi: StubAgi) -> None:
    async def prioritised(call: AgiCall) -> None:
        await call.set(EMOCX_QUEUE="care", QUEUE_PRIO=await call.get("EMOCX_QUERY"), EMOCX_STATUS="ok")

    agi.behave["/route"] = prioritised
    for n in (1, 2):
        await probe.action(Action="QueuePause", Interface=f"PJSIP/agent-care-{n}", Paused="true")
    customers = {}
    for priority in ("0", "5", "10"):
        customers[priority] = await call_in(probe, "route", {"EMOCX_QUERY": priority})
        await probe.event("QueueCallerJoin", Uniqueid=customers[priority].uniqueid)
    before = len(probe.events)
    await probe.action(Action="QueuePause", Interface="PJSIP/agent-care-1", Paused="false")
    order = []
    for _ in customers:
        _, event = await probe.event("AgentConnect", after=before, Queue="care")
        before = len(probe.events)
        order.append(next(p for p, c in customers.items() if c.uniqueid == event["Uniqueid"]))
        await hang_up(probe, customers[order[-1]])
    await probe.action(Action="QueuePause", Interface="PJSIP/agent-care-2", Paused="false")
    assert order == ["10", "5", "0"]

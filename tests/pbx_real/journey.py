"""An upset customer's call from query to last webhook, as the service tells it, whatever it runs on."""

from __future__ import annotations

from pathlib import Path

from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.sip import CallPlan, SippCustomers


async def call_from_query_to_end(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, recording: Path, number: str
) -> str:
    """A customer with this number is decided on, answered, graded and told of, each once; the call's id."""
    plan = CallPlan("route", "this is outrageous", customer=f"c{number.lstrip('+')}", number=number)
    async with SippCustomers(pbx.sip_port, recording, [plan], hold_s=14) as customers:
        _, connected = await probe.event("AgentConnect", CallerIDNum=number)
        await customers.wait(30)
    call_id = connected["Uniqueid"]
    await crm.wait(lambda: crm.of("call.ended", call_id), 20)
    events = sorted((e for e in crm.events if e.call_id == call_id), key=lambda e: e.data["sequence"])
    assert [e.data["sequence"] for e in events] == list(range(1, len(events) + 1))
    assert [e.type for e in events if e.type != "call.reading"] == [
        "query.routed", "call.started", "call.graded", "call.ended",
    ]  # fmt: skip
    return call_id

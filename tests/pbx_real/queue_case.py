"""A private Asterisk set up as administrators do, with hands at it and a watch on its calls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up
from pbx_real.segment_watch import Watch

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.pbx.tracking.changes import CallEnded, CallStarted

# Patterns: a letter n would stand for a digit. fm-: follow-me; 600: a ring group.
DIALPLAN = """
[cases]
exten => _q-.,1,Answer()
 same => n,Queue(${EXTEN:2},ctT,,,20)
 same => n,Hangup()
exten => 900,1,Goto(q-care,1)
exten => 901,1,Goto(q-support,1)
exten => _direct-.,1,Dial(PJSIP/${EXTEN:7},20,tT)
exten => overflow,1,Answer()
 same => n,Queue(retention,,,,1)
 same => n,Queue(care,,,,20)
exten => box,1,Answer()
 same => n,Queue(retention,,,,1)
 same => n,Wait(0.2)
 same => n,UserEvent(InBox)
 same => n,Record(/tmp/emocx-never.wav)
exten => dropped,1,Answer()
 same => n,Queue(retention,,,,1)
 same => n,Hangup()
exten => forwarded,1,Answer()
 same => n,Dial(Local/agent-sales-1@away/n,20)
[away]
exten => agent-sales-1,1,Goto(cases,q-care,1)
[keys]
exten => 1,1,Wait(3600)
[from-queue]
exten => _age[n]t-.,1,Dial(PJSIP/${EXTEN},20,tTr)
exten => 802,1,Dial(PJSIP/agent-care-2,20,tT)
exten => _fm-.,1,Dial(Local/${EXTEN:3}@from-queue/n,20,tTr)
exten => 600,1,Dial(PJSIP/agent-care-1&PJSIP/agent-care-2,20,tTr)
[unnamed]
exten => house,1,Dial(${UNNAMED_TELEPHONE},20)
[rings]
exten => _age[n]t-.,1,Dial(PJSIP/${EXTEN}/sip:quiet@127.0.0.1:9,20,tT)
[far]
exten => busy,1,Busy(1)
exten => silent,1,Ringing()
 same => n,Wait(30)
[demo-agent](+)
include => cases
"""
LOCAL = "Local/agent-retention-1@from-queue/n"
RINGS = "PJSIP/agent-retention-1/sip:quiet@127.0.0.1:9"


class Case:
    """Hands at the PBX, and the watch."""

    def __init__(self, pbx: PrivateAsterisk, probe: AmiProbe, watch: Watch) -> None:
        self.pbx, self.probe, self.watch = pbx, probe, watch
        self.added = ""
        """A member to be taken out again."""

    async def does(self, action: str, **fields: str | list[str]) -> None:
        answer = await self.probe.action(Action=action, **fields)
        assert answer["Response"] == "Success", answer

    async def only(self, interface: str, name: str) -> None:
        """The queue `retention` has this member alone."""
        for number in (1, 2):
            await self.pause(number, "true")
        fields = {"Queue": "retention", "Interface": interface, "MemberName": name}
        if interface != "PJSIP/nobody":
            fields["StateInterface"] = "PJSIP/agent-retention-1"
        await self.does("QueueAdd", **fields)
        self.added = interface

    async def pause(self, number: int, paused: str) -> None:
        interface = f"PJSIP/agent-retention-{number}"
        await self.does("QueuePause", Queue="retention", Interface=interface, Paused=paused)

    async def call(self, extension: str) -> Customer:
        return await call_in(self.probe, extension, context="cases")

    async def bridged(self, endpoint: str) -> str:
        """The real channel of an endpoint, once it is in a bridge."""
        await self.watch.until(lambda: self.watch.bridged_at("BridgeEnter", Channel=endpoint))
        observed = [e["Channel"] for _, e in self.watch.events if e.get("Event") == "BridgeEnter"]
        return next(channel for channel in reversed(observed) if channel.startswith(endpoint))

    async def ended(self, customer: Customer) -> None:
        await self.ended_by(customer, customer.uniqueid)

    async def ended_by(self, customer: Customer, *call_ids: str) -> None:
        """The customer hangs up, and these calls (of other channels in between, perhaps) are over."""
        await hang_up(self.probe, customer)
        await self.watch.until(lambda: all(self.watch.of(CallEnded, call_id) for call_id in call_ids))

    def visits(self, customer: Customer) -> list[tuple[str, str | None]]:
        return [(v.queue, v.left) for v in self.watch.calls[customer.uniqueid].visits]

    @property
    def customers(self) -> set[str]:
        """Calls that were ever begun."""
        return {change.call_id for change in self.watch.changes if isinstance(change, CallStarted)}


@contextlib.asynccontextmanager
async def prepared(pbx: PrivateAsterisk, probe: AmiProbe) -> AsyncIterator[Case]:
    """Queues, parking and dialplan as administrators have them; all as before at the end."""
    queues = pbx.directory / "etc/queues.conf"
    before = queues.read_text()
    queues.write_text(before.replace("[retention](demo)", "[retention](demo)\ncontext = keys"))
    await pbx.cli("queue reload all")
    await pbx.cli("module load app_directed_pickup.so")
    (pbx.directory / "etc/res_parking.conf").write_text("[default]\nparkext = 700\nparkpos = 701-720\n")
    await pbx.cli("module load res_parking.so")
    await pbx.cli("module load app_record.so")
    await pbx.cli("module load app_senddtmf.so")
    await pbx.add_dialplan(DIALPLAN)
    watch = Watch()
    case = Case(pbx, probe, watch)
    try:
        async with watch.running(pbx):
            yield case
    finally:
        await pbx.cli("channel request hangup all")
        if case.added:
            await probe.action(Action="QueueRemove", Queue="retention", Interface=case.added)
        for number in (1, 2):
            await case.pause(number, "false")
        queues.write_text(before)
        await pbx.cli("queue reload all")

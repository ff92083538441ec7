"""Segments as they really are: each case on a real Asterisk, told by the real gateway to a tracker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up
from pbx_real.raw_phone import RawPhone
from pbx_real.segment_watch import Telephone, Watch

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    CallStarted,
    CustomerMoved,
    QueueJoined,
)

# Patterns: a letter n would stand for a digit.
DIALPLAN = """
[segments]
exten => _q-.,1,Answer()
 same => n,Queue(${EXTEN:2},ctT,,,20)
 same => n,Queue(care,ctT,,,20)
exten => _age[n]t-.,1,Dial(PJSIP/${EXTEN},20,tT)
exten => 802,1,Dial(PJSIP/agent-care-2,20,tT)
exten => conf,1,Answer()
 same => n,ConfBridge(segments)
exten => impatient,1,Answer()
 same => n,Queue(retention,,,,1)
 same => n,VoiceMail(100,s)
exten => box,1,Answer()
 same => n,VoiceMail(100,s)
[demo-in](+)
exten => consult,1,Dial(PJSIP/agent-care-2,20)
[segments](+)
exten => front,1,Dial(Local/q-support@segments,20)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prepared(pbx: PrivateAsterisk) -> PrivateAsterisk:
    (pbx.directory / "etc/confbridge.conf").write_text(
        "[general]\n[default_bridge]\ntype=bridge\n[default_user]\ntype=user\nquiet=yes\n"
    )
    (pbx.directory / "etc/voicemail.conf").write_text("[general]\nformat=wav\n[default]\n100 => 1,Box\n")
    assert "Loaded" in await pbx.cli("module load app_voicemail.so")
    assert "Loaded" in await pbx.cli("module load app_confbridge.so")
    await pbx.add_dialplan(DIALPLAN)
    return pbx


@pytest_asyncio.fixture(loop_scope="session")
async def watch(prepared: PrivateAsterisk, probe: AmiProbe) -> AsyncIterator[Watch]:
    async with Watch().running(prepared) as watch:
        yield watch
    await prepared.cli("channel request hangup all")


class Hands:
    """What agents and administrators do."""

    def __init__(self, probe: AmiProbe, watch: Watch) -> None:
        self.probe, self.watch = probe, watch

    async def call(self, extension: str = "q-support") -> Customer:
        """A customer in conversation with the first agent."""
        customer = await call_in(self.probe, extension, context="segments")
        await self.watch.talking(customer.uniqueid, 1)
        return customer

    def agent(self, number: int = -1) -> str:
        """The channel of the agent that was connected so many times before."""
        observed = [e for _, e in self.watch.events if e.get("Event") == "AgentConnect"]
        return observed[number]["DestChannel"]

    async def does(self, action: str, **fields: str) -> None:
        answer = await self.probe.action(Action=action, **fields)
        assert answer["Response"] == "Success", answer

    async def goodbye(self, customer: Customer) -> None:
        await hang_up(self.probe, customer)


@pytest_asyncio.fixture(loop_scope="session")
async def hands(probe: AmiProbe, watch: Watch) -> Hands:
    return Hands(probe, watch)


@pytest_asyncio.fixture(loop_scope="session")
async def members(probe: AmiProbe) -> AsyncIterator[Members]:
    members = Members(probe)
    yield members
    await members.undo()


class Members:
    """Other members than the usual ones in the queue `retention`."""

    def __init__(self, probe: AmiProbe) -> None:
        self._probe, self._added = probe, [""] * 0

    async def only(self, interface: str, name: str) -> None:
        for number in (1, 2):
            await self._pause(number, "true")
        await self._probe.action(
            Action="QueueAdd",
            Queue="retention",
            Interface=interface,
            MemberName=name,
            StateInterface="PJSIP/agent-retention-1",
        )
        self._added.append(interface)

    async def undo(self) -> None:
        for interface in self._added:
            await self._probe.action(Action="QueueRemove", Queue="retention", Interface=interface)
        for number in (1, 2):
            await self._pause(number, "false")

    async def _pause(self, number: int, paused: str) -> None:
        member = f"PJSIP/agent-retention-{number}"
        await self._probe.action(Action="QueuePause", Queue="retention", Interface=member, Paused=paused)


async def test_a_queue_call_that_the_customer_ends(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    await hands.goodbye(customer)
    (part,) = await watch.over(customer.uniqueid)
    assert part.agent.startswith("Support agent") and part.via == "queue" and part.queue == "support"
    assert part.end_reason == "customer_hung_up"
    watch.near(part.started_at, "BridgeEnter", Channel=part.interface)
    watch.near(part.ended_at, "BridgeLeave", Uniqueid=customer.uniqueid)


async def test_the_agent_hangs_up_and_the_customer_queues_again(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    await hands.does("Hangup", Channel=hands.agent())
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (first.queue, first.end_reason, second.queue) == ("support", "agent_hung_up", "care")
    watch.near(first.ended_at, "BridgeLeave", Channel=first.interface)
    watch.near(second.started_at, "BridgeEnter", Channel=second.interface)
    assert len(watch.of(CallStarted, customer.uniqueid)) == 1
    assert len(watch.of(QueueJoined, customer.uniqueid)) == 2


async def test_a_blind_transfer_to_another_agents_extension(watch: Watch, hands: Hands) -> None:
    customer = await hands.call("q-sales")
    await hands.does("BlindTransfer", Channel=hands.agent(), Context="segments", Exten="agent-care-2")
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (second.interface, second.via, second.queue) == ("PJSIP/agent-care-2", "transfer", None)
    assert second.agent == "Care agent 2"  # as his queue calls him
    watch.near(first.ended_at, "BridgeLeave", Channel=first.interface)
    watch.near(second.started_at, "BridgeEnter", Channel="PJSIP/agent-care-2")
    assert len(watch.of(AgentConnected, customer.uniqueid)) == 2  # also agents without a queue are told


async def test_a_blind_transfer_into_another_queue(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    await hands.does("BlindTransfer", Channel=hands.agent(), Context="segments", Exten="q-sales")
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (second.via, second.queue) == ("queue", "sales")
    watch.near(first.ended_at, "BridgeLeave", Channel=first.interface)
    watch.near(second.started_at, "BridgeEnter", Channel=second.interface)


@pytest.mark.parametrize(
    ("to", "second_agent", "via"),
    [("queue-sales", "Sales agent", "queue"), ("agent-care-2", "Care agent 2", "transfer")],
)
async def test_a_transfer_by_the_agents_telephone(
    watch: Watch, hands: Hands, members: Members, ul: dict[str, Path], to: str, second_agent: str, via: str
) -> None:
    async with Telephone(ul["agent"], "refer.xml", refer_to=to, refer_ms=500) as telephone:
        await members.only(telephone.address("agent-retention-1"), "Rita")
        customer = await hands.call("q-retention")
        await watch.talking(customer.uniqueid, 2)
        await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (first.agent, first.queue, second.via) == ("Rita", "retention", via)
    assert second.agent.startswith(second_agent)
    watch.near(first.ended_at, "BridgeLeave", Channel="PJSIP/agent-retention-1")
    watch.near(second.started_at, "BridgeEnter", Channel=second.interface)


async def test_an_attended_transfer(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    alice = hands.agent()
    await hands.does("Atxfer", Channel=alice, Context="segments", Exten="802")
    await watch.until(lambda: watch.bridged_at("BridgeEnter", Channel="PJSIP/agent-care-2"))
    await hands.does("Hangup", Channel=alice)
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (second.interface, second.via) == ("PJSIP/agent-care-2", "transfer")
    # The first agent's part ends when he goes to ask the second one; nobody is talked to meanwhile.
    watch.near(first.ended_at, "BridgeLeave", Channel=alice)
    watch.near(second.started_at, "BridgeLeave", Channel=alice)


async def test_an_attended_transfer_by_the_agents_telephone(
    watch: Watch, hands: Hands, prepared: PrivateAsterisk, members: Members
) -> None:
    """Two dialogs of the telephone's own, connected by REFER with Replaces."""
    async with RawPhone(prepared.sip_port).running() as telephone:
        await members.only(telephone.address("agent-retention-1"), "Two lines")
        customer = await hands.call("q-retention")
        await telephone.consult("consult")
        await watch.until(
            lambda: all(
                watch.bridged_at("BridgeEnter", Channel=c) for c in ("PJSIP/agent-care-2", "PJSIP/customer")
            )
        )
        assert len(watch.parts(customer.uniqueid)) == 1
        await telephone.connect_both()
        second = await watch.talking(customer.uniqueid, 2)
        assert (second.agent, second.via) == ("Care agent 2", "transfer")
        await hands.goodbye(customer)
        first, last = await watch.over(customer.uniqueid)
    assert first.agent == "Two lines"
    assert (first.end_reason, first.ended_to) == ("attended_transfer", "Care agent 2")
    watch.near(first.ended_at, "BridgeLeave")
    watch.near(last.started_at, "BridgeEnter", Channel="PJSIP/agent-care-2")


async def test_a_redirect_into_another_queue(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    await hands.does("Redirect", Channel=customer.channel, Context="segments", Exten="q-care", Priority="1")
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (first.end_reason, second.queue) == ("redirected", "care")
    watch.near(first.ended_at, "BridgeLeave", Uniqueid=customer.uniqueid)
    watch.near(second.started_at, "BridgeEnter", Channel=second.interface)


async def test_hold_and_music_by_the_agents_telephone(
    watch: Watch, hands: Hands, members: Members, ul: dict[str, Path]
) -> None:
    async with Telephone(ul["agent"], "hold.xml", after_ms=400) as telephone:
        await members.only(telephone.address("agent-retention-1"), "Rita")
        customer = await hands.call("q-retention")
        await watch.until(lambda: [end for _, end in watch.calls[customer.uniqueid].holds if end])
        await hands.goodbye(customer)
    (part,) = await watch.over(customer.uniqueid)
    ((held_at, back_at),) = watch.calls[customer.uniqueid].holds
    assert back_at is not None and part.started_at < held_at < back_at
    watch.near(held_at, "Hold")
    watch.near(back_at, "Unhold")


async def test_a_conference_with_a_supervisor(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    agent = hands.agent()
    await hands.does(
        "Originate",
        Channel="PJSIP/agent-care-1",
        Context="segments",
        Exten="conf",
        Priority="1",
        Async="true",
    )
    await watch.until(lambda: watch.bridged_at("BridgeEnter", Channel="PJSIP/agent-care-1"))
    await hands.does(
        "Redirect",
        Channel=customer.channel,
        Context="segments",
        Exten="conf",
        Priority="1",
        ExtraChannel=agent,
        ExtraContext="segments",
        ExtraExten="conf",
        ExtraPriority="1",
    )
    await watch.until(lambda: len(watch.bridged_at("BridgeEnter", Channel=agent)) == 2)
    await hands.does("Hangup", Channel=agent)
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    # Moved into the conference together, they were apart for some milliseconds: one part.
    together, alone = await watch.over(customer.uniqueid)
    assert together.via == "queue"
    watch.near(together.ended_at, "BridgeLeave", Channel=agent)
    # The supervisor has a part only from when he is alone with the customer.
    assert (alone.interface, alone.via) == ("PJSIP/agent-care-1", "transfer")
    watch.near(alone.started_at, "BridgeLeave", Channel=agent)


async def test_a_local_member_that_stays_is_transferred(watch: Watch, hands: Hands, members: Members) -> None:
    await members.only("Local/agent-retention-1@segments/n", "Rita")
    customer = await hands.call("q-retention")
    rita = await real_agent(watch, "PJSIP/agent-retention-1")
    await hands.does("BlindTransfer", Channel=rita, Context="segments", Exten="agent-sales-2")
    await watch.talking(customer.uniqueid, 2)
    sales = await real_agent(watch, "PJSIP/agent-sales-2")
    await hands.does("BlindTransfer", Channel=sales, Context="segments", Exten="q-care")
    await watch.talking(customer.uniqueid, 3)
    await hands.goodbye(customer)
    first, second, third = await watch.over(customer.uniqueid)
    assert (first.agent, first.interface) == ("Rita", "Local/agent-retention-1@segments/n")
    assert (second.interface, second.via) == ("PJSIP/agent-sales-2", "transfer")
    assert (third.queue, third.via) == ("care", "queue")
    watch.near(first.ended_at, "BridgeLeave", Channel="PJSIP/agent-retention-1")
    watch.near(second.started_at, "BridgeEnter", Channel="PJSIP/agent-sales-2")
    watch.near(second.ended_at, "BridgeLeave", Channel="PJSIP/agent-sales-2")
    watch.near(third.started_at, "BridgeEnter", Channel=third.interface)


async def test_an_attended_transfer_behind_a_local_member(
    watch: Watch, hands: Hands, members: Members
) -> None:
    await members.only("Local/agent-retention-1@segments/n", "Rita")
    customer = await hands.call("q-retention")
    rita = await real_agent(watch, "PJSIP/agent-retention-1")
    await hands.does("Atxfer", Channel=rita, Context="segments", Exten="802")
    await watch.until(lambda: watch.bridged_at("BridgeEnter", Channel="PJSIP/agent-care-2"))
    await hands.does("Hangup", Channel=rita)
    await watch.talking(customer.uniqueid, 2)
    await hands.goodbye(customer)
    first, second = await watch.over(customer.uniqueid)
    assert (first.agent, second.agent, second.via) == ("Rita", "Care agent 2", "transfer")
    watch.near(first.ended_at, "BridgeLeave", Channel=rita)
    watch.near(second.started_at, "BridgeLeave", Channel=rita)


async def test_an_attended_transfer_given_up(watch: Watch, hands: Hands) -> None:
    customer = await hands.call()
    alice = hands.agent()
    await hands.does("Atxfer", Channel=alice, Context="segments", Exten="802")
    bob = await real_agent(watch, "PJSIP/agent-care-2")
    await hands.does("Hangup", Channel=bob)
    await watch.until(lambda: len(watch.bridged_at("BridgeEnter", Channel=alice)) == 3)
    await hands.goodbye(customer)
    # Back within a second: the same part goes on.
    (part,) = await watch.over(customer.uniqueid)
    assert (part.via, part.end_reason) == ("queue", "customer_hung_up")


async def test_a_local_member_that_is_optimised_away(watch: Watch, hands: Hands, members: Members) -> None:
    await members.only("Local/agent-retention-1@segments", "Rita")
    customer = await hands.call("q-retention")
    await watch.until(lambda: watch.bridged_at("LocalOptimizationEnd"))
    await hands.goodbye(customer)
    (part,) = await watch.over(customer.uniqueid)
    assert (part.agent, part.queue) == ("Rita", "retention")
    watch.near(part.started_at, "BridgeEnter", Channel="Local/")
    watch.near(part.ended_at, "BridgeLeave", Uniqueid=customer.uniqueid)


async def real_agent(watch: Watch, endpoint: str) -> str:
    """The agent's real channel, once it is in a bridge."""
    await watch.until(lambda: watch.bridged_at("BridgeEnter", Channel=endpoint))
    observed = [e["Channel"] for _, e in watch.events if e.get("Event") == "BridgeEnter"]
    return next(channel for channel in reversed(observed) if channel.startswith(endpoint))


async def test_a_customer_whose_local_channel_is_optimised_away(
    watch: Watch, hands: Hands, probe: AmiProbe
) -> None:
    caller = await call_in(probe, "front", context="segments")
    await watch.until(lambda: [c for c in watch.changes if isinstance(c, CustomerMoved)])
    (moved,) = (c for c in watch.changes if isinstance(c, CustomerMoved))
    assert moved.uniqueid == caller.uniqueid != moved.call_id
    await watch.until(lambda: watch.bridged_at("LocalOptimizationEnd"))
    await hands.goodbye(caller)
    (part,) = await watch.over(moved.call_id)
    assert part.queue == "support"
    watch.near(part.ended_at, "BridgeLeave", Uniqueid=caller.uniqueid)


async def test_voicemail_is_nobodys_part(
    watch: Watch, hands: Hands, probe: AmiProbe, members: Members
) -> None:
    await members.only("PJSIP/nobody", "Nobody")
    customer = await call_in(probe, "impatient", context="segments")
    await watch.until(lambda: watch.bridged_at("QueueCallerLeave"))
    await hands.goodbye(customer)
    assert await watch.over(customer.uniqueid) == []


async def test_an_agent_sends_the_customer_to_voicemail(watch: Watch, hands: Hands, members: Members) -> None:
    await members.only("Local/agent-retention-1@segments/n", "Rita")
    customer = await hands.call("q-retention")
    rita = await real_agent(watch, "PJSIP/agent-retention-1")
    await hands.does("BlindTransfer", Channel=rita, Context="segments", Exten="box")
    await watch.until(lambda: watch.parts(customer.uniqueid)[0].ended_at)
    await hands.goodbye(customer)
    (part,) = await watch.over(customer.uniqueid)
    watch.near(part.ended_at, "BridgeLeave", Channel=rita)

"""A channel of an agent is never a customer: ways of consulting, members, telephones; on a real Asterisk."""

from __future__ import annotations

import pytest
from pbx_real.pbx_stubs import Customer
from pbx_real.queue_case import LOCAL, Case
from pbx_real.raw_phone import RawPhone

FOLLOW_ME = "Local/fm-agent-retention-1@from-queue/n"
HOUSE = "Local/house@unnamed/n"


async def consulting(case: Case, extension: str) -> tuple[Customer, str]:
    """A customer with an agent of `extension`'s queue: the customer, and the agent's real channel."""
    customer = await case.call(extension)
    part = await case.watch.talking(customer.uniqueid, 1)
    endpoint = "PJSIP/agent-retention-1" if part.interface.startswith("Local/") else part.interface
    return customer, await case.bridged(endpoint)


def nobody_else(case: Case, customer: Customer) -> bool:
    """The customer's is the only call that there ever was."""
    return case.customers == {customer.uniqueid} == set(case.watch.calls)


async def other_of(case: Case, agent: str, queue: str) -> str:
    """The other member's channel, once the agent talks with them."""
    other = {"1": "2", "2": "1"}[agent.partition(f"PJSIP/agent-{queue}-")[2][0]]
    return await case.bridged(f"PJSIP/agent-{queue}-{other}")


async def test_a_consultation_into_the_agents_own_queue(case: Case) -> None:
    customer, agent = await consulting(case, "q-support")
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="901")
    await other_of(case, agent, "support")
    assert nobody_else(case, customer)
    await case.does("Hangup", Channel=agent)
    second = await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    first, _ = case.watch.parts(customer.uniqueid)
    assert first.agent != second.agent and (second.queue, second.via) == ("support", "queue")
    assert (first.end_reason, first.ended_to) == ("attended_transfer", second.agent)
    assert case.visits(customer) == [("support", "answered")] * 2 and nobody_else(case, customer)


@pytest.mark.parametrize("member", [LOCAL, FOLLOW_ME])
async def test_a_consultation_that_is_given_up(case: Case, member: str) -> None:
    await case.only(member, "Rita")
    customer, agent = await consulting(case, "q-retention")
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    colleague = await case.bridged("PJSIP/agent-care")
    await case.does("Hangup", Channel=colleague)
    # Back with the customer: Rita's channel enters a bridge for the third time.
    await case.watch.until(lambda: len(case.watch.bridged_at("BridgeEnter", Channel=agent)) == 3)
    await case.ended(customer)
    assert {part.agent for part in case.watch.parts(customer.uniqueid)} == {"Rita"}
    assert case.visits(customer) == [("retention", "answered")] and nobody_else(case, customer)


async def test_a_consultation_by_follow_me_is_adopted(case: Case) -> None:
    await case.only(FOLLOW_ME, "Rita")
    customer, agent = await consulting(case, "q-retention")
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    await case.bridged("PJSIP/agent-care")
    await case.does("Hangup", Channel=agent)
    second = await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    first, _ = case.watch.parts(customer.uniqueid)
    assert (first.agent, first.end_reason) == ("Rita", "attended_transfer")
    assert second.agent.startswith("Care agent") and second.queue == "care"
    assert nobody_else(case, customer)


async def test_an_agent_who_was_taken_out_of_the_queue_meanwhile_consults(case: Case) -> None:
    await case.only(LOCAL, "Rita")
    customer, agent = await consulting(case, "q-retention")
    await case.does("QueuePause", Queue="retention", Interface=LOCAL, Paused="true")
    await case.does("QueueRemove", Queue="retention", Interface=LOCAL)
    case.added = ""
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    await case.bridged("PJSIP/agent-care")
    await case.does("Hangup", Channel=agent)
    await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    assert case.visits(customer) == [("retention", "answered"), ("care", "answered")]
    assert nobody_else(case, customer)


async def test_a_ring_group_is_no_queue(case: Case) -> None:
    customer, agent = await consulting(case, "q-support")
    await case.does("Atxfer", Channel=agent, Context="from-queue", Exten="600")
    await case.bridged("PJSIP/agent-care")
    await case.does("Hangup", Channel=agent)
    second = await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    assert second.agent.startswith("Care agent") and (second.queue, second.via) == (None, "transfer")
    assert case.visits(customer) == [("support", "answered")] and nobody_else(case, customer)


async def test_a_ring_group_as_a_queues_member_is_one_part(case: Case) -> None:
    await case.only("Local/600@from-queue/n", "The group")
    customer = await case.call("q-retention")
    part = await case.watch.talking(customer.uniqueid, 1)
    await case.bridged("PJSIP/agent-care")
    await case.ended(customer)
    assert (part.agent, part.queue) == ("The group", "retention")
    assert len(case.watch.parts(customer.uniqueid)) == 1 and nobody_else(case, customer)


@pytest.mark.parametrize("telephone", ["Local/agent-sales-1@from-queue", "Local/fm-agent-sales-1@from-queue"])
@pytest.mark.parametrize("stays", ["", "/n"])
async def test_an_agent_who_calls_a_queue_by_a_click(case: Case, telephone: str, stays: str) -> None:
    await case.does(
        "Originate",
        Channel=telephone + stays,
        Context="cases",
        Exten="q-care",
        Priority="1",
        Async="true",
    )
    await case.bridged("PJSIP/agent-care")
    await case.pbx.cli("channel request hangup all")
    await case.watch.until(lambda: case.watch.bridged_at("Hangup", Channel="PJSIP/agent-care"))
    # Who is behind a Local channel may show only after it joined the queue: told then, and not heard.
    assert all(call.opted_out for call in case.watch.calls.values())
    assert not case.customers or telephone.startswith("Local/fm-")


async def test_an_agent_who_was_reached_directly_consults_a_queue(case: Case) -> None:
    """The customer never was in a queue: the consultation is all that is known of the call."""
    customer = await case.call("direct-agent-sales-1")
    agent = await case.bridged("PJSIP/agent-sales-1")
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    await case.bridged("PJSIP/agent-care")
    assert all(call.opted_out for call in case.watch.calls.values())
    await case.does("Hangup", Channel=agent)
    await case.watch.until(lambda: case.watch.bridged_at("Hangup", Channel="PJSIP/agent-sales-1"))
    observed = set(case.watch.calls)
    await case.ended_by(customer, *observed)
    assert all(call.opted_out for call in case.watch.calls.values())


async def test_a_desk_that_no_queue_names_calls_a_queue_by_a_click(case: Case) -> None:
    """Whoever works there today is a member by an extension; the telephone's own name says nothing."""
    async with RawPhone(case.pbx.sip_port).running() as desk:
        await case.pbx.cli(f"dialplan set global UNNAMED_TELEPHONE {desk.address('customer')}")
        await case.only(HOUSE, "Rita")
        await case.does(
            "Originate", Channel=HOUSE, Context="cases", Exten="q-care", Priority="1", Async="true"
        )
        await case.bridged("PJSIP/agent-care")
        await case.pbx.cli("channel request hangup all")
        await case.watch.until(lambda: case.watch.bridged_at("Hangup", Channel="PJSIP/agent-care"))
    assert not case.customers and not case.watch.calls


async def test_a_caller_forwarded_from_an_agents_extension_is_a_customer(case: Case) -> None:
    """The agent's own number was dialled from outside, and leads on into a queue: no agent waits in it."""
    customer = await case.call("forwarded")
    await case.bridged("PJSIP/agent-care")
    await case.watch.until(lambda: case.customers)
    (call_id,) = case.customers
    part = await case.watch.talking(call_id, 1)
    await case.ended_by(customer, call_id)
    assert part.agent.startswith("Care agent") and not case.watch.calls[call_id].opted_out

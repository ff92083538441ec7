"""What a call is, with the queue set-ups that administrators have: each case on a real Asterisk."""

from __future__ import annotations

import pytest
from pbx_real.pbx_stubs import Customer
from pbx_real.queue_case import LOCAL, RINGS, Case
from pbx_real.raw_phone import RawPhone

from emocx_pbx.pbx.tracking.changes import CallbackDialled, CallEnded


async def test_a_consultation_into_a_second_queue_is_no_call_and_is_adopted_after_the_hand_over(
    case: Case,
) -> None:
    customer = await case.call("q-support")
    first = await case.watch.talking(customer.uniqueid, 1)
    agent = await case.bridged(first.interface)
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    await case.bridged("PJSIP/agent-care")
    assert case.customers == {customer.uniqueid}
    await case.does("Hangup", Channel=agent)
    second = await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    assert case.customers == {customer.uniqueid} == set(case.watch.calls)
    assert second.agent.startswith("Care agent") and (second.queue, second.via) == ("care", "queue")
    before, _ = case.watch.parts(customer.uniqueid)
    assert (before.end_reason, before.ended_to) == ("attended_transfer", second.agent)
    assert case.visits(customer) == [("support", "answered"), ("care", "answered")]


async def test_a_consultation_behind_a_local_member(case: Case) -> None:
    await case.only(LOCAL, "Rita")
    customer = await case.call("q-retention")
    agent = await case.bridged("PJSIP/agent-retention-1")
    await case.watch.talking(customer.uniqueid, 1)
    await case.does("Atxfer", Channel=agent, Context="cases", Exten="900")
    await case.bridged("PJSIP/agent-care")
    await case.does("Hangup", Channel=agent)
    await case.watch.until(lambda: case.watch.bridged_at("LocalOptimizationEnd"))
    await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    assert set(case.watch.calls) == {customer.uniqueid}
    first, second = case.watch.parts(customer.uniqueid)
    assert (first.agent, first.end_reason, second.queue) == ("Rita", "attended_transfer", "care")
    assert second.agent.startswith("Care agent")


async def test_a_consultation_by_the_second_line_of_a_telephone_that_no_queue_names_is_not_heard(
    case: Case,
) -> None:
    async with RawPhone(case.pbx.sip_port).running() as telephone:
        address = telephone.address("customer")
        await case.pbx.cli(f"dialplan set global UNNAMED_TELEPHONE {address}")
        await case.only("Local/house@unnamed/n", "Rita")
        customer = await case.call("q-retention")
        await case.watch.talking(customer.uniqueid, 1)
        await telephone.consult("queue-care")
        await case.bridged("PJSIP/agent-care")
        (consulting,) = case.customers - {customer.uniqueid}
        asked = case.watch.calls[consulting]
        assert asked.opted_out and not asked.tap()
        await telephone.connect_both()
        second = await case.watch.talking(customer.uniqueid, 2)
        await case.ended(customer)
    first, _ = case.watch.parts(customer.uniqueid)
    assert (first.agent, first.ended_to) == ("Rita", second.agent)
    assert second.agent.startswith("Care agent")


async def test_an_agent_who_calls_a_queue_is_no_customer(case: Case) -> None:
    await case.does(
        "Originate",
        Channel="PJSIP/agent-sales-1",
        Context="cases",
        Exten="q-care",
        Priority="1",
        Async="true",
    )
    await case.bridged("PJSIP/agent-care")
    await case.pbx.cli("channel request hangup all")
    await case.watch.until(lambda: case.watch.bridged_at("Hangup", Channel="PJSIP/agent-sales-1"))
    assert not case.customers and not case.watch.calls


@pytest.mark.parametrize("member", [RINGS, "Local/agent-retention-1@rings/n"])
async def test_a_call_picked_up_by_a_colleague_is_the_colleagues(case: Case, member: str) -> None:
    await case.only(member, "Who rang")
    customer = await case.call("q-retention")
    _, rings = await case.probe.event(
        "DialBegin", DestChannel="PJSIP/agent-retention-1-*", DestLinkedid=customer.uniqueid
    )
    await case.does(
        "Originate",
        Channel="PJSIP/agent-care-1",
        Application="PickupChan",
        Data=rings["DestChannel"],
        Async="true",
    )
    part = await case.watch.talking(customer.uniqueid, 1)
    await case.ended(customer)
    assert (part.agent, part.interface) == ("Care agent 1", "PJSIP/agent-care-1")
    assert (part.queue, len(case.watch.parts(customer.uniqueid))) == ("retention", 1)


async def test_overflow_is_unanswered_in_one_queue_and_answered_in_the_other(case: Case) -> None:
    await case.only("PJSIP/nobody", "Nobody")
    customer = await case.call("overflow")
    await case.watch.talking(customer.uniqueid, 1)
    await case.ended(customer)
    assert case.visits(customer) == [("retention", "timeout"), ("care", "answered")]
    assert case.watch.calls[customer.uniqueid].disposition == "answered"


async def left(case: Case, customer: Customer) -> str | None:
    await case.watch.until(lambda: customer.uniqueid in case.watch.calls)
    await case.watch.until(lambda: case.visits(customer) and case.visits(customer)[-1][1])
    return case.visits(customer)[-1][1]


async def test_a_voicemail_box_after_a_timeout_is_not_abandoned(case: Case) -> None:
    await case.only("PJSIP/nobody", "Nobody")
    customer = await case.call("box")
    assert await left(case, customer) == "timeout"
    await case.probe.event("UserEvent", UserEvent="InBox")
    await case.ended(customer)
    assert case.watch.calls[customer.uniqueid].reason == "hangup"
    assert case.visits(customer) == [("retention", "timeout")]


async def test_a_queue_that_gives_up_is_not_abandoned_and_a_caller_who_gives_up_has_abandoned(
    case: Case,
) -> None:
    await case.only("PJSIP/nobody", "Nobody")
    dropped = await case.call("dropped")
    await case.watch.until(lambda: case.watch.of(CallEnded, dropped.uniqueid))
    assert case.visits(dropped) == [("retention", "timeout")]
    assert case.watch.calls[dropped.uniqueid].disposition == "no-answer"
    gone = await case.call("q-retention")
    await case.watch.until(lambda: gone.uniqueid in case.watch.calls)
    await case.ended(gone)
    assert case.visits(gone) == [("retention", "abandoned")]
    assert case.watch.calls[gone.uniqueid].disposition == "abandoned"


async def test_a_customer_whom_the_agent_parks(case: Case) -> None:
    customer = await case.call("q-support")
    part = await case.watch.talking(customer.uniqueid, 1)
    agent = await case.bridged(part.interface)
    await case.does("Park", Channel=customer.channel, TimeoutChannel=agent, Timeout="60000")
    await case.probe.event("ParkedCall", ParkeeUniqueid=customer.uniqueid)
    await case.watch.until(lambda: case.watch.parts(customer.uniqueid)[0].ended_at)
    await case.ended(customer)
    (part,) = case.watch.parts(customer.uniqueid)
    assert (part.end_reason, part.ended_to) == ("parked", "701")


async def test_a_redirect_of_a_waiting_caller(case: Case) -> None:
    await case.only("PJSIP/nobody", "Nobody")
    customer = await case.call("q-retention")
    await case.watch.until(lambda: customer.uniqueid in case.watch.calls)
    await case.does("Redirect", Channel=customer.channel, Context="cases", Exten="q-care", Priority="1")
    await case.watch.talking(customer.uniqueid, 1)
    await case.ended(customer)
    assert case.visits(customer) == [("retention", "redirected"), ("care", "answered")]


async def test_the_break_out_key(case: Case) -> None:
    await case.only("PJSIP/nobody", "Nobody")
    customer = await case.call("q-retention")
    await case.watch.until(lambda: customer.uniqueid in case.watch.calls)
    await case.does("PlayDTMF", Channel=customer.channel, Digit="1", Receive="true")
    assert await left(case, customer) == "key"
    await case.ended(customer)


@pytest.mark.parametrize("name", ["x" * 78 + "é and more", "Jürgen" * 13 + "ü"])
async def test_a_member_whose_name_is_cut_inside_a_letter_is_known_by_the_members_list(
    case: Case, name: str
) -> None:
    interface = f"PJSIP/agent-retention-1/sip:agent-retention-1@127.0.0.1:{case.pbx.agent_port}"
    await case.only(interface, name)
    answer = len(case.probe.events)
    await case.does("QueueStatus", Queue="retention")
    await case.probe.event("QueueStatusComplete", after=answer)
    for _, event in case.probe.events[answer:]:
        case.watch.tracker.feed(event, 0.0)
    customer = await case.call("q-retention")
    part = await case.watch.talking(customer.uniqueid, 1)
    await case.ended(customer)
    assert (part.queue, part.interface, part.agent[:20]) == ("retention", interface, name[:20])


async def test_an_attended_transfer_behind_a_local_member_has_no_part_that_does_not_exist(case: Case) -> None:
    await case.only(LOCAL, "Rita")
    customer = await case.call("q-retention")
    agent = await case.bridged("PJSIP/agent-retention-1")
    await case.watch.talking(customer.uniqueid, 1)
    await case.does("Atxfer", Channel=agent, Context="from-queue", Exten="802")
    await case.bridged("PJSIP/agent-care-2")
    await case.does("Hangup", Channel=agent)
    await case.watch.until(lambda: case.watch.bridged_at("LocalOptimizationEnd"))
    await case.watch.talking(customer.uniqueid, 2)
    await case.ended(customer)
    parts = [(p.agent, p.end_reason, p.ended_to) for p in case.watch.parts(customer.uniqueid)]
    assert parts == [
        ("Rita", "attended_transfer", "Care agent 2"),
        ("Care agent 2", "customer_hung_up", None),
    ]


@pytest.mark.parametrize(
    ("prefix", "outcome"),
    [("Local/busy@far/n\\;", "busy"), ("Local/silent@far/n\\;", "no-answer"), ("", "failed")],
)
async def test_a_callback_that_nobody_takes(case: Case, prefix: str, outcome: str) -> None:
    await case.pbx.cli(f'dialplan set global EMOCX_CALLBACK_PREFIX "{prefix}"')
    call_id = f"emocx-call-{outcome}"
    case.watch.tracker.announce(call_id, "", "+49301234", 0.0, callback=True)
    await case.does(
        "Originate",
        Channel="Local/+49301234@emocx-callback/n",
        Application="Queue",
        Data="support",
        ChannelId=call_id,
        OtherChannelId=f"{call_id}-2",
        Timeout="1500",
        Async="true",
    )
    try:
        await case.watch.until(lambda: case.watch.of(CallEnded, call_id))
    finally:
        await case.pbx.cli("dialplan set global EMOCX_CALLBACK_PREFIX PJSIP/customer/sip:")
    (dialled,) = case.watch.of(CallbackDialled, call_id)
    assert isinstance(dialled, CallbackDialled) and dialled.outcome == outcome
    assert not case.customers

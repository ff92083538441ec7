"""The desk: queries and calls within limits, refused with a reason, and calls followed to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from emocx_pbx.calls.happenings import Ended, SegmentOpened
from emocx_pbx.chat.chat_desk import ChatDesk, ChatRefused
from emocx_pbx.chat.moves import CallIsOver, Unreached, moved_of
from emocx_pbx.chat.tickets import KEEP_S, RING_S
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision, Segment
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.pbx.tracking.changes import AgentConnected, QueueJoined
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.store.account_rows import Actor

SETTINGS = ChatSettings(
    queues={"care": "our care team"},
    call_backs=True,
    queries_per_address=3,
    queries_per_minute=5,
    calls_per_address=2,
)
DIALLING = DiallingSettings(country="DE", calls_per_hour=3)
DECISION = Decision("d", 0.0, "ok", "care", "angry", 0.9, None)


class World:
    """The desk with what stands around it."""

    def __init__(self, settings: ChatSettings = SETTINGS) -> None:
        self.now = 10_000.0
        self.asked: list[tuple[str, Caller]] = []
        self.became: list[Caller] = []
        self.rung: list[tuple[str, str, bool]] = []
        self.queues: dict[str, QueueState] = {}
        self.fails = False
        self.counted: list[tuple[str, ...]] = []
        self.dialling = Dialling(DIALLING, lambda: self.now)
        ids = iter(f"{n:032x}" for n in range(10**6))
        self.policy = Policy(default_queue="support")
        self.desk = ChatDesk(
            settings, self, self, self.dialling.on, self, lambda *what: self.counted.append(what),
            lambda: self.now, lambda: next(ids),
        )  # fmt: skip

    async def by_text(self, text: str, caller: Caller) -> Decision:
        self.asked.append((text, caller))
        return replace(DECISION, queue=caller.default_queue or "") if caller.opted_out else DECISION

    def became_call(self, decision: Decision, caller: Caller) -> None:
        self.became.append(caller)

    def new_call_id(self, pbx: str | None = None) -> str:
        return f"call-{len(self.rung)}-{self.fails}"

    async def admit(self, text: str, pbx: str | None = None) -> str:
        number = self.dialling.admit(text)
        self.dialling.take(number)
        return number

    async def ring(self, call: CallToPlace, by: Actor | None = None) -> None:
        if self.fails:
            raise PeerUnavailable("no link to Asterisk")
        self.rung.append((call.number, call.decision.queue, call.opted_out))


async def refusal(wish: Callable[[], Awaitable[object]]) -> ChatRefused:
    with pytest.raises(ChatRefused) as caught:
        await wish()
    return caught.value


async def test_a_query_is_decided_and_named_as_customers_call_it() -> None:
    world = World()
    ticket = await world.desk.ask("  I was charged twice.  ", True, "192.0.2.1")
    assert world.asked == [("I was charged twice.", Caller(default_queue="support"))]
    assert world.desk.team(ticket) == "our care team"
    assert world.desk.expected(ticket).kind == "unknown"
    world.queues["care"] = QueueState(0, 0.0, 1)
    assert world.desk.expected(ticket).kind == "now"


async def test_without_consent_nothing_is_analysed_nor_tapped() -> None:
    world = World()
    ticket = await world.desk.ask("private", False, "192.0.2.1")
    assert world.asked[0][1] == Caller(default_queue="support", opted_out=True)
    await world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1")
    assert world.rung == [("+4930123456", "support", True)]
    assert world.became[0].opted_out


async def test_the_chats_own_default_queue_goes_first() -> None:
    world = World(msgspec.structs.replace(SETTINGS, default_queue="web"))
    await world.desk.ask("hello", False, "192.0.2.1")
    assert world.asked[0][1].default_queue == "web"


@pytest.mark.parametrize(("text", "why"), [(" \n", "empty"), ("x" * 2001, "too_long")])
async def test_no_query_is_too_short_or_too_long(text: str, why: str) -> None:
    world = World()
    assert (await refusal(lambda: world.desk.ask(text, True, "192.0.2.1"))).why == why
    assert world.asked == []


async def test_too_many_queries_are_refused_for_a_while() -> None:
    world = World()
    for _ in range(3):
        await world.desk.ask("hello", True, "192.0.2.1")
    refused = await refusal(lambda: world.desk.ask("hello", True, "192.0.2.1"))
    assert (refused.why, refused.status, refused.wait_s) == ("asked_here", 429, 600.0)
    for n in range(2):
        await world.desk.ask("hello", True, f"198.51.100.{n}")
    assert (await refusal(lambda: world.desk.ask("hello", True, "203.0.113.9"))).why == "asked"
    assert ("chat_refused", "asked") in world.counted
    world.now += 60
    await world.desk.ask("hello", True, "203.0.113.9")


async def asked(world: World, address: str = "192.0.2.1") -> str:
    return (await world.desk.ask("hello", True, address)).ticket_id


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("call me", "number"),
        ("+49 900 1123456", "number_abroad"),
        ("0900 1 123456", "number_abroad"),
        ("112", "number_abroad"),
        ("+1 415 5550100", "number_abroad"),
        ("+49301234567&SIP/x", "number"),
    ],
)
async def test_no_number_is_called_that_may_not_be(number: str, why: str) -> None:
    world = World()
    ticket = await asked(world)
    refused = await refusal(lambda: world.desk.call_me(ticket, number, "192.0.2.1"))
    assert (refused.why, refused.status) == (why, 422)
    assert world.rung == [] and world.became == []


async def test_nobody_is_called_until_the_setting_allows_it() -> None:
    world = World(ChatSettings())
    ticket = await asked(world)
    assert not world.desk.calls_back
    assert (await refusal(lambda: world.desk.call_me(ticket, "+4930123456", "x"))).why == "no_calls"


async def test_calls_are_limited_by_number_address_and_all_together() -> None:
    world = World()
    first = await asked(world)
    await world.desk.call_me(first, "030 123456", "192.0.2.1")
    again = await asked(world, "192.0.2.2")
    refused = await refusal(lambda: world.desk.call_me(again, "+49 30 12 34 56", "192.0.2.2"))
    assert (refused.why, refused.status, refused.wait_s) == ("called_number", 429, 600.0)
    await world.desk.call_me(await asked(world), "030 123457", "192.0.2.1")
    third = await asked(world)
    assert (await refusal(lambda: world.desk.call_me(third, "030 123458", "192.0.2.1"))).why == "called_here"
    await world.desk.call_me(again, "030 123458", "192.0.2.2")
    other = await asked(world, "192.0.2.3")
    assert (await refusal(lambda: world.desk.call_me(other, "030 123459", "192.0.2.3"))).why == "called"
    assert len(world.rung) == 3


async def test_pressed_twice_rings_once() -> None:
    world = World()
    ticket = await asked(world)
    for _ in range(2):
        assert (await world.desk.call_me(ticket, "030 123456", "192.0.2.1")).state == "calling"
    assert len(world.rung) == 1


async def test_a_call_is_followed_to_its_end() -> None:
    world = World()
    ticket = await world.desk.ask("hello", True, "192.0.2.1")
    await world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1")
    assert (ticket.state, ticket.number) == ("calling", "…456")
    call_id = world.became[0].call_id
    assert call_id is not None
    seen = []
    segment = Segment(call_id, 0, "bob", "PJSIP/bob", "care", "queue", world.now + 20)
    for observed in (
        QueueJoined("another", world.now, "care", 1),
        QueueJoined(call_id, world.now + 10, "care", 1),
        AgentConnected(call_id, world.now + 20, "bob", "PJSIP/bob", "care", 10.0, "1.2"),
        SegmentOpened(segment),
        Ended(call_id, world.now + 90, "hangup", "answered"),
    ):
        moved = moved_of(observed)
        assert moved is not None
        world.desk.watch(moved)
        seen.append(world.desk.ticket(ticket.ticket_id).state)
    assert seen == ["calling", "waiting", "waiting", "talking", "ended"]


@pytest.mark.parametrize("why", ["busy", "no-answer", "failed"])
async def test_a_customer_who_is_not_reached_is_told_why_and_may_try_again_later(why: Unreached) -> None:
    world = World()
    ticket = await world.desk.ask("hello", True, "192.0.2.1")
    await world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1")
    moved = moved_of(Ended(world.became[0].call_id or "", world.now + 40, "hangup", why))
    assert moved == CallIsOver(world.became[0].call_id or "", world.now + 40, why)
    world.desk.watch(moved)
    assert world.desk.ticket(ticket.ticket_id).state == "failed" and ticket.state_shown == why
    refused = await refusal(lambda: world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1"))
    assert refused.why == "called_number"
    world.now += 600
    await world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1")
    assert ticket.state == "calling"


async def test_a_call_that_nothing_is_heard_of_has_failed() -> None:
    world = World()
    ticket = await world.desk.ask("hello", True, "192.0.2.1")
    await world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1")
    world.now += RING_S + 1
    assert world.desk.ticket(ticket.ticket_id).state == "failed"


async def test_without_asterisk_the_customer_is_told() -> None:
    world = World()
    ticket = await world.desk.ask("hello", True, "192.0.2.1")
    world.fails = True
    refused = await refusal(lambda: world.desk.call_me(ticket.ticket_id, "030 123456", "192.0.2.1"))
    assert (refused.why, refused.status) == ("unavailable", 503)
    assert ticket.state == "failed"


async def test_tickets_are_forgotten() -> None:
    world = World()
    ticket = await asked(world)
    world.now += KEEP_S
    assert (await refusal(lambda: world.desk.call_me(ticket, "030 123456", "x"))).why == "gone"
    with pytest.raises(ChatRefused):
        world.desk.ticket("f" * 32)

"""The tracker's judgement of who is a customer, and who is an agent on another line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from pbx.tracked import ALICE, BOB, CUSTOMER, connect, enter, join, play

from emocx_pbx.pbx.tracking.changes import (
    AgentJoined,
    CallStarted,
    NotACustomer,
)


def calls_from(*numbers: str, endpoint: str = "PJSIP/kitchen", telephone_first: bool = False) -> list[Any]:
    """Callers with these numbers by an endpoint that answered a queue call behind a Local member."""
    local, far = {"Channel": "Local/house@x-1;1", "Uniqueid": "1.7"}, {"Channel": "Local/house@x-1;2"}
    phone = {"Channel": f"{endpoint}-00000008", "Uniqueid": "1.8"}
    behind = [enter({**far, "Uniqueid": "1.9"}, "b2"), enter(phone, "b2")]
    if telephone_first:
        behind.reverse()
    served = [
        {"Event": "Newchannel", **phone},
        join(),
        {**connect(ALICE, "Alice"), "Interface": "Local/house@x/n", "DestChannel": local["Channel"],
         "DestUniqueid": "1.7"},
        enter(local),
        enter(CUSTOMER),
        *behind,
    ]  # fmt: skip
    second = [
        {**join("vip"), "Channel": f"{endpoint}-{n:08x}", "Uniqueid": f"2.{n}", "CallerIDNum": number}
        for n, number in enumerate(numbers)
    ]
    changes = play(*served, *second)
    assert {c.agent for c in changes if isinstance(c, AgentJoined)} == {"Alice"}
    return changes


def doubted(changes: Iterable[Any]) -> list[str]:
    return [c.call_id for c in changes if isinstance(c, NotACustomer)]


@pytest.mark.parametrize("telephone_first", [False, True])
def test_a_second_line_of_a_telephone_that_no_queue_names_is_told_and_not_heard(
    telephone_first: bool,
) -> None:
    changes = calls_from("203", "203", telephone_first=telephone_first)
    assert [c.call_id for c in changes if isinstance(c, CallStarted)] == ["1.1", "2.0", "2.1"]
    assert doubted(changes) == ["2.0", "2.1"]


def test_a_trunk_to_agents_elsewhere_brings_customers_too() -> None:
    assert doubted(calls_from("5550101", "5550102", "5550101")) == ["2.0"]


def test_a_desk_that_several_agents_share_is_no_trunk() -> None:
    assert doubted(calls_from("203", "204", "", "203")) == ["2.0", "2.1", "2.2", "2.3"]


def test_a_member_who_is_reached_elsewhere_is_not_heard_when_calling_from_there() -> None:
    member = {"Event": "QueueMember", "Queue": "care", "Name": "Eve", "Location": "Local/01712345678@out/n"}
    numbers = ("+491712345678", "0171 2345678", "+491712345679", "5678")
    callers = [{**join(), "Uniqueid": f"3.{n}", "CallerIDNum": n} for n in numbers]
    changes = play(member, *callers)
    assert len([c for c in changes if isinstance(c, CallStarted)]) == len(numbers)
    assert doubted(changes) == ["3.+491712345678", "3.0171 2345678"]


def test_the_other_end_of_a_local_channel_may_show_late() -> None:
    member = {"Event": "QueueMember", "Queue": "care", "Name": "Alice", "Location": "PJSIP/201"}
    waits = {"Channel": "Local/mobile@x-1;1", "Uniqueid": "5.1"}
    half = {"Channel": "Local/mobile@x-1;2", "Uniqueid": "5.2"}
    asks = {**join(), **waits}
    assert doubted(play(member, asks, enter(half), enter(ALICE), enter(BOB))) == ["5.1"]
    assert doubted(play(member, asks, enter(half), enter(CUSTOMER))) == []


def test_a_caller_by_another_endpoint_than_agents_is_a_customer() -> None:
    assert doubted(play(*[{**join(), "Uniqueid": f"3.{n}"} for n in range(2)])) == []

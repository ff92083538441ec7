"""The tracker where Local channels stand between customers, queues and agents."""

from __future__ import annotations

import pytest
from pbx.tracked import (
    ALICE,
    BOB,
    CUSTOMER,
    LOCAL_1,
    LOCAL_2,
    answered,
    by_local_member,
    connect,
    enter,
    hangup,
    join,
    leave,
    optimising,
    parts,
    play,
)

from emocx_pbx.pbx.tracking.changes import (
    CallEnded,
    CallStarted,
    CustomerMoved,
    QueueJoined,
)
from emocx_pbx.pbx.tracking.tracker import CallTracker


def test_an_optimised_local_member_keeps_his_name_and_his_part() -> None:
    changes = play(
        *by_local_member(),
        optimising("LocalOptimizationBegin"),
        leave(ALICE, "b0"),
        enter(ALICE),
        leave(LOCAL_1),
        leave(LOCAL_2, "b0"),
        optimising("LocalOptimizationEnd"),
        hangup(LOCAL_1),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.started_at, s.ended_at) for s in parts(changes)] == [("Alice", 5.0, 13.0)]


def test_behind_a_local_member_the_next_one_took_over_and_a_mailbox_is_nobody() -> None:
    changes = play(
        *by_local_member(),
        leave(ALICE, "b0"),  # 6: transferred; Asterisk sends the Local's other half on, not the customer
        leave(LOCAL_2, "b0"),
        hangup(ALICE),
        enter(BOB, "b2"),
        enter(LOCAL_2, "b2"),  # 10
        leave(LOCAL_2, "b2"),  # 11: to a mailbox
        hangup(BOB),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.via, s.started_at, s.ended_at) for s in parts(changes)] == [
        ("Alice", "queue", 5.0, 6.0),
        ("PJSIP/202", "transfer", 10.0, 11.0),
    ]


@pytest.mark.parametrize("pickup_at", ["before", "between", "after"])
@pytest.mark.parametrize("customer_first", [True, False])
def test_who_picked_up_what_rang_behind_a_local_member_has_the_whole_part(
    pickup_at: str, customer_first: bool
) -> None:
    pickup = {"Event": "Pickup", **BOB, "TargetChannel": ALICE["Channel"], "TargetUniqueid": "1.2"}
    far = [enter(BOB, "b0"), enter(LOCAL_2, "b0")]
    near = [enter(LOCAL_1), enter(CUSTOMER)]
    changes = play(
        join(),
        *([pickup] if pickup_at == "before" else []),
        answered(LOCAL_2, BOB),
        *([pickup] if pickup_at == "between" else []),
        connect(LOCAL_1, "Alice"),
        *((*near, *far) if customer_first else (*far, *near)),
        *([pickup] if pickup_at == "after" else []),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.queue, s.via) for s in parts(changes)] == [("PJSIP/202", "care", "queue")]


def test_after_a_colleague_who_picked_up_nobody_is_behind_the_local_member() -> None:
    changes = play(
        join(),
        answered(LOCAL_2, BOB),
        connect(LOCAL_1, "Alice"),
        enter(BOB, "b0"),
        enter(LOCAL_2, "b0"),
        enter(LOCAL_1),
        enter(CUSTOMER),  # 6
        leave(BOB, "b0"),  # 7
        hangup(BOB),
        leave(LOCAL_2, "b0"),
        leave(LOCAL_1),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.started_at, s.ended_at) for s in parts(changes)] == [("PJSIP/202", 6.0, 7.0)]


def test_a_local_member_whose_telephone_answers_has_a_part_once_it_talks() -> None:
    changes = play(
        join(),
        answered(LOCAL_2, {**ALICE, "Linkedid": "1.1"}),
        connect(LOCAL_1, "Alice"),
        enter(LOCAL_1),
        enter(CUSTOMER),  # 4
        enter(ALICE, "b0"),
        enter(LOCAL_2, "b0"),  # 6
        leave(ALICE, "b0"),  # 7
        hangup(ALICE),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.started_at, s.ended_at) for s in parts(changes)] == [("Alice", 6.0, 7.0)]


def test_a_telephone_that_hangs_up_as_it_is_answered_has_no_part() -> None:
    changes = play(
        join(),
        answered(LOCAL_2, {**ALICE, "Linkedid": "1.1"}),
        connect(LOCAL_1, "Alice"),
        enter(LOCAL_1),
        enter(CUSTOMER),
        hangup(ALICE),
        hangup(CUSTOMER),
    )
    assert not parts(changes)


def test_a_local_channel_that_joins_a_queue_is_still_the_same_call() -> None:
    changes = play(
        *by_local_member(),
        leave(ALICE, "b0"),
        leave(LOCAL_2, "b0"),
        {**join("retention"), **LOCAL_2},
        {**connect(BOB, "Bob", "retention"), **LOCAL_2},
        enter(BOB, "b2"),
        enter(LOCAL_2, "b2"),
        hangup(CUSTOMER),
    )
    assert {c.call_id for c in changes if isinstance(c, QueueJoined | CallStarted)} == {"1.1"}
    assert [(s.agent, s.queue) for s in parts(changes)] == [("Alice", "care"), ("Bob", "retention")]


def test_a_customer_behind_an_optimised_local_goes_on_under_the_same_id() -> None:
    caller = {"Channel": "PJSIP/customer-00000009", "Uniqueid": "1.0"}
    changes = play(
        {**join(), **LOCAL_2},
        enter(LOCAL_1, "b0"),
        enter(caller, "b0"),
        {**connect(ALICE, "Alice"), **LOCAL_2},
        enter(ALICE),
        enter(LOCAL_2),  # 5
        optimising("LocalOptimizationBegin"),
        leave(caller, "b0"),
        enter(caller),
        leave(LOCAL_2),
        optimising("LocalOptimizationEnd"),
        hangup(LOCAL_2),
        hangup(caller),  # 12
    )
    assert CustomerMoved("1.9", 6.0, caller["Channel"], "1.0") in changes
    assert [(s.call_id, s.started_at, s.ended_at) for s in parts(changes)] == [("1.9", 5.0, 12.0)]
    assert changes[-1] == CallEnded("1.9", 12.0, "hangup", "customer")


def test_a_customer_may_be_behind_a_local_channel() -> None:
    tracker = CallTracker()
    for event in ({**join(), **LOCAL_2}, enter(LOCAL_1, "b0"), enter(CUSTOMER, "b0")):
        tracker.feed(event, 0.0)
    assert tracker.speakers("1.9") == [LOCAL_2["Channel"], CUSTOMER["Channel"]]
    assert tracker.speakers("gone") == []


def test_a_caller_who_asked_for_a_decision_stays_one_call_through_a_local_channel_into_the_queue() -> None:
    tracker = CallTracker()
    tracker.announce("1.1", CUSTOMER["Channel"], "5550100", 0.0)
    events = (
        enter(LOCAL_1, "b0"),
        enter(CUSTOMER, "b0"),
        {**join(), **LOCAL_2},
        {**connect(ALICE, "Alice"), **LOCAL_2},
        enter(ALICE),
        enter(LOCAL_2),
        hangup(CUSTOMER),
    )
    changes = [c for event in events for c in tracker.feed(event, 1.0)]
    assert [(s.call_id, s.agent) for s in parts(changes)] == [("1.1", "Alice")]
    assert changes[-1] == CallEnded("1.1", 1.0, "hangup", "customer")

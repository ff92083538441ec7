"""The tracker on event sequences as a real Asterisk sends them."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    AgentJoined,
    AgentLeft,
    CallEnded,
    CallStarted,
    CustomerMoved,
    HoldChanged,
    NotACustomer,
    QueueJoined,
    QueueLeft,
    SegmentExplained,
)
from emocx_pbx.pbx.tracking.names import endpoint_of
from emocx_pbx.pbx.tracking.tracked import Leg, TrackedCall
from emocx_pbx.pbx.tracking.tracker import CallTracker

CUSTOMER = {"Channel": "PJSIP/customer-00000001", "Uniqueid": "1.1"}
ALICE = {"Channel": "PJSIP/201-00000002", "Uniqueid": "1.2"}
BOB = {"Channel": "PJSIP/202-00000003", "Uniqueid": "1.3"}


def join(queue="care"):
    return {"Event": "QueueCallerJoin", "Queue": queue, "Position": "1", "CallerIDNum": "5550100", **CUSTOMER}


def connect(agent, name, queue="care"):
    return {
        "Event": "AgentConnect",
        "Queue": queue,
        "MemberName": name,
        "Interface": endpoint_of(agent["Channel"]),
        "DestChannel": agent["Channel"],
        "DestUniqueid": agent["Uniqueid"],
        "HoldTime": "3",
        **CUSTOMER,
    }


def enter(who, bridge="b1"):
    return {"Event": "BridgeEnter", "BridgeUniqueid": bridge, **who}


def leave(who, bridge="b1"):
    return {"Event": "BridgeLeave", "BridgeUniqueid": bridge, **who}


def hangup(who):
    return {"Event": "Hangup", **who}


def play(*events):
    """Changes of all events, one second apart, without those of joining."""
    tracker = CallTracker()
    return [c for at, event in enumerate(events) for c in tracker.feed(event, float(at))]


@dataclass
class Part:
    """An agent's part as the tracker tells it."""

    call_id: str
    agent: str
    queue: str | None
    via: str
    started_at: float
    ended_at: float | None = None
    reason: str | None = None


def parts(changes):
    """Parts in the order in which they began."""
    found, newest = [], {}
    for change in changes:
        match change:
            case AgentJoined(call_id, at, leg, agent, _, queue, via):
                newest[leg] = Part(call_id, agent, queue, via, at)
                found.append(newest[leg])
            case AgentLeft(_, at, leg, reason):
                newest[leg].ended_at, newest[leg].reason = at, reason
            case SegmentExplained(_, leg, reason):
                newest[leg].reason = reason
    return found


def test_a_plain_queue_call_is_one_segment():
    changes = play(
        join(),
        connect(ALICE, "Alice"),
        enter(CUSTOMER),
        enter(ALICE),
        leave(ALICE),
        leave(CUSTOMER),
        hangup(CUSTOMER),
    )
    assert changes == [
        CallStarted("1.1", 0.0, "PJSIP/customer-00000001", "care", "5550100"),
        QueueJoined("1.1", 0.0, "care", 1),
        AgentConnected("1.1", 1.0, "Alice", "PJSIP/201", "care", 3.0, "1.2"),
        QueueLeft("1.1", 3.0, "care", "answered"),
        AgentJoined("1.1", 3.0, "1.2", "Alice", "PJSIP/201", "care", "queue"),
        AgentLeft("1.1", 4.0, "1.2", "agent_hung_up", None, certain=False),
        SegmentExplained("1.1", "1.2", "agent_hung_up"),
        CallEnded("1.1", 6.0, "hangup", "system"),
    ]


def test_a_blind_transfer_gives_the_second_agent_his_own_segment():
    changes = play(
        join(),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),
        leave(ALICE),
        leave(CUSTOMER),
        hangup(ALICE),
        enter(BOB, "b2"),
        enter(CUSTOMER, "b2"),
        hangup(CUSTOMER),
    )
    assert [(s.agent, s.via, s.started_at, s.ended_at) for s in parts(changes)] == [
        ("Alice", "queue", 3.0, 4.0),
        ("PJSIP/202", "transfer", 8.0, 9.0),
    ]


def test_requeue_opens_a_segment_for_the_next_member_without_a_new_call():
    changes = play(
        join(),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),
        leave(CUSTOMER),
        leave(ALICE),
        join("retention"),
        connect(BOB, "Bob", "retention"),
        enter(CUSTOMER, "b2"),
        enter(BOB, "b2"),
        hangup(CUSTOMER),
    )
    assert sum(isinstance(c, CallStarted) for c in changes) == 1
    assert [(s.agent, s.queue) for s in parts(changes)] == [("Alice", "care"), ("Bob", "retention")]


def test_our_own_tap_is_nobodys_segment():
    tap = {"Channel": "AudioSocket/127.0.0.1:9092-abc", "Uniqueid": "emocx-tap-1"}
    assert not any(isinstance(c, AgentJoined) for c in play(join(), enter(CUSTOMER), enter(tap)))


def test_an_abandoned_call_says_so():
    changes = play(
        join(),
        {"Event": "HangupRequest", **CUSTOMER},
        {"Event": "QueueCallerAbandon", **CUSTOMER},
        {"Event": "QueueCallerLeave", "Queue": "care", **CUSTOMER},
        hangup(CUSTOMER),
    )
    assert changes[-2:] == [
        QueueLeft("1.1", 3.0, "care", "abandoned"),
        CallEnded("1.1", 4.0, "hangup", "customer"),
    ]


LOCAL_1 = {"Channel": "Local/201@from-queue-00000001;1", "Uniqueid": "1.8"}
LOCAL_2 = {"Channel": "Local/201@from-queue-00000001;2", "Uniqueid": "1.9"}


def optimising(event):
    names = {"LocalOneChannel": LOCAL_1["Channel"], "LocalTwoChannel": LOCAL_2["Channel"]}
    return {"Event": event, "LocalOneUniqueid": "1.8", "LocalTwoUniqueid": "1.9", **names}


def by_local_member():
    """Until the customer talks with Alice behind her queue's Local member."""
    return [
        join(),
        enter(LOCAL_2, "b0"),
        enter(ALICE, "b0"),
        connect(LOCAL_1, "Alice"),
        enter(LOCAL_1),
        enter(CUSTOMER),
    ]


def test_an_optimised_local_member_keeps_his_name_and_his_part():
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


def test_behind_a_local_member_the_next_one_took_over_and_a_mailbox_is_nobody():
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


def test_a_local_channel_that_joins_a_queue_is_still_the_same_call():
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


def test_a_customer_behind_an_optimised_local_goes_on_under_the_same_id():
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


def test_who_speaks_for_a_customer_is_also_he_who_is_behind_a_local_channel():
    tracker = CallTracker()
    for event in ({**join(), **LOCAL_2}, enter(LOCAL_1, "b0"), enter(CUSTOMER, "b0")):
        tracker.feed(event, 0.0)
    assert tracker.speakers("1.9") == [LOCAL_2["Channel"], CUSTOMER["Channel"]]
    assert tracker.speakers("gone") == []


def test_a_caller_who_asked_for_a_decision_stays_one_call_through_a_local_channel_into_the_queue():
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


def test_a_supervisor_has_no_part_while_the_agent_is_there():
    changes = play(
        join(),
        enter(BOB, "conference"),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),  # 4
        leave(CUSTOMER),
        leave(ALICE),
        enter(CUSTOMER, "conference"),
        enter(ALICE, "conference"),  # 8
        leave(ALICE, "conference"),  # 9
        hangup(ALICE),  # 10
        leave(CUSTOMER, "conference"),  # 11
    )
    assert [(s.agent, s.started_at, s.ended_at) for s in parts(changes)] == [
        ("Alice", 4.0, 5.0),
        ("Alice", 8.0, 9.0),
        ("PJSIP/202", 9.0, 11.0),
    ]


def test_a_transfer_knows_the_agent_by_the_name_that_his_queue_gives_him():
    changes = play(
        {"Event": "QueueMember", "Name": "Bob", "Location": "Local/202@x/n", "StateInterface": "PJSIP/202"},
        join(),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),
        leave(ALICE),
        hangup(ALICE),
        enter(BOB),
        hangup(CUSTOMER),
    )
    assert [s.agent for s in parts(changes)] == ["Alice", "Bob"]
    observed = [c for c in changes if isinstance(c, AgentConnected)]
    assert [(c.agent, c.queue, c.agent_uniqueid) for c in observed] == [
        ("Alice", "care", "1.2"),
        ("Bob", "", "1.3"),
    ]


def calls_from(*numbers, endpoint="PJSIP/kitchen", telephone_first=False):
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


def doubted(changes):
    return [c.call_id for c in changes if isinstance(c, NotACustomer)]


@pytest.mark.parametrize("telephone_first", [False, True])
def test_a_second_line_of_a_telephone_that_no_queue_names_is_told_and_not_heard(telephone_first):
    changes = calls_from("203", "203", telephone_first=telephone_first)
    assert [c.call_id for c in changes if isinstance(c, CallStarted)] == ["1.1", "2.0", "2.1"]
    assert doubted(changes) == ["2.0", "2.1"]


def test_a_trunk_to_agents_elsewhere_brings_customers_too():
    assert doubted(calls_from("5550101", "5550102", "5550101")) == ["2.0"]


def test_a_desk_that_several_agents_share_is_no_trunk():
    assert doubted(calls_from("203", "204", "", "203")) == ["2.0", "2.1", "2.2", "2.3"]


def test_a_member_who_is_reached_elsewhere_is_not_heard_when_calling_from_there():
    member = {"Event": "QueueMember", "Queue": "care", "Name": "Eve", "Location": "Local/01712345678@out/n"}
    numbers = ("+491712345678", "0171 2345678", "+491712345679", "5678")
    callers = [{**join(), "Uniqueid": f"3.{n}", "CallerIDNum": n} for n in numbers]
    changes = play(member, *callers)
    assert len([c for c in changes if isinstance(c, CallStarted)]) == len(numbers)
    assert doubted(changes) == ["3.+491712345678", "3.0171 2345678"]


def test_who_is_at_the_other_end_of_a_local_channel_may_show_late():
    member = {"Event": "QueueMember", "Queue": "care", "Name": "Alice", "Location": "PJSIP/201"}
    waits = {"Channel": "Local/mobile@x-1;1", "Uniqueid": "5.1"}
    half = {"Channel": "Local/mobile@x-1;2", "Uniqueid": "5.2"}
    asks = {**join(), **waits}
    assert doubted(play(member, asks, enter(half), enter(ALICE), enter(BOB))) == ["5.1"]
    assert doubted(play(member, asks, enter(half), enter(CUSTOMER))) == []


def test_who_comes_by_another_endpoint_than_agents_is_a_customer():
    assert doubted(play(*[{**join(), "Uniqueid": f"3.{n}"} for n in range(2)])) == []


def test_hold_ends_with_the_part_and_the_customers_own_hold_is_not_the_agents():
    changes = play(
        join(),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),
        {"Event": "Hold", **CUSTOMER},
        {"Event": "Hold", **ALICE},  # 5
        {"Event": "MusicOnHoldStart", **CUSTOMER},
        leave(ALICE),  # 7
        {"Event": "MusicOnHoldStop", **CUSTOMER},
        hangup(CUSTOMER),
    )
    holds = [c for c in changes if isinstance(c, HoldChanged)]
    # The state ends a hold with the last part, and takes each change once.
    assert holds == [HoldChanged("1.1", 5.0, True), HoldChanged("1.1", 6.0, True)]


def test_who_waits_in_a_holding_bridge_talks_to_nobody():
    waiting = {"BridgeTechnology": "holding_bridge"}
    assert not parts(
        play(join(), {**enter(CUSTOMER), **waiting}, {**enter(BOB), **waiting}, hangup(CUSTOMER))
    )


def test_after_a_lost_link_the_living_channels_decide():
    tracker = CallTracker()
    leg = Leg("Alice", "PJSIP/201", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.2": leg})
    alive = [{**CUSTOMER, "BridgeID": "b1"}, {**ALICE, "BridgeID": "b1"}]
    assert tracker.reconcile(alive, 10.0) == []
    gone = tracker.reconcile([], 20.0)
    assert [type(c) for c in gone] == [AgentLeft, CallEnded]
    assert gone[-1] == CallEnded("1.1", 20.0, "lost")


def test_after_a_restart_of_ours_an_agent_behind_a_local_member_keeps_his_part():
    tracker = CallTracker()
    leg = Leg("Alice", "Local/201@from-queue/n", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.8": leg})
    bridged = [(CUSTOMER, "b1"), (LOCAL_1, "b1"), (LOCAL_2, "b0"), (ALICE, "b0")]
    assert tracker.reconcile([{**who, "BridgeID": bridge} for who, bridge in bridged], 10.0) == []
    tracker.feed(leave(ALICE, "b0"), 11.0)
    assert not tracker.calls["1.1"].open


def test_after_a_restart_of_ours_the_telephone_of_whoever_talks_is_an_agents():
    tracker = CallTracker()
    leg = Leg("Alice", "Local/201@from-queue/n", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.8": leg})
    desk = {"Channel": "PJSIP/desk-00000005", "Uniqueid": "1.5"}
    bridged = [(CUSTOMER, "b1"), (LOCAL_1, "b1"), (LOCAL_2, "b0"), (desk, "b0")]
    # She was taken out of the queue, and consults another one by her second line.
    second = {"Channel": "PJSIP/desk-00000006", "Uniqueid": "4.1", "Application": "Queue", "Data": "vip"}
    found = tracker.reconcile([*({**who, "BridgeID": bridge} for who, bridge in bridged), second], 10.0)
    assert doubted(found) == ["4.1"]


def test_an_asterisk_restart_ends_every_call():
    tracker = CallTracker()
    tracker.feed(join(), 1.0)
    assert tracker.asterisk_restarted(2.0) == [CallEnded("1.1", 2.0, "asterisk_restart")]
    assert not tracker.calls


def test_calls_that_began_after_the_link_was_lost_may_be_the_new_asterisks():
    tracker = CallTracker()
    tracker.announce("1.1", CUSTOMER["Channel"], "", 1.0)
    tracker.announce("2.1", "PJSIP/trunk-00000009", "", 5.0)
    assert tracker.asterisk_restarted(6.0, since=4.0) == [CallEnded("1.1", 6.0, "asterisk_restart")]
    assert list(tracker.calls) == ["2.1"]


def test_a_call_that_asked_for_a_decision_and_was_answered_unseen_is_found():
    tracker = CallTracker()
    tracker.announce("1.1", CUSTOMER["Channel"], "", 1.0)
    variables = "MEMBERNAME=Alice\nMEMBERINTERFACE=PJSIP/201"
    here = {"Application": "Queue", "Data": "care,c", "Seconds": "8", "BridgeID": "b1", "Variable": variables}
    channels = [{**CUSTOMER, **here}, {**ALICE, "BridgeID": "b1", "Application": "AppQueue"}]
    changes = tracker.reconcile(channels, 10.0, since=1.5)
    assert [type(c) for c in changes][:2] == [CallStarted, QueueJoined]
    assert tracker.calls["1.1"].queue == "care"
    assert [leg.agent for leg in tracker.calls["1.1"].open.values()] == ["Alice"]


CHANNELS = [CUSTOMER, ALICE, BOB, LOCAL_1, LOCAL_2]
ANYTHING = st.one_of(
    st.builds(enter, st.sampled_from(CHANNELS), st.sampled_from(["b0", "b1", "b2"])),
    st.builds(leave, st.sampled_from(CHANNELS), st.sampled_from(["b0", "b1", "b2"])),
    st.builds(connect, st.sampled_from([ALICE, BOB, LOCAL_1]), st.just("somebody")),
    st.builds(hangup, st.sampled_from(CHANNELS)),
    st.builds(optimising, st.sampled_from(["LocalOptimizationBegin", "LocalOptimizationEnd"])),
    st.builds(
        lambda name, who: {"Event": name, **who},
        st.sampled_from(["Hold", "Unhold", "MusicOnHoldStart", "MusicOnHoldStop"]),
        st.sampled_from(CHANNELS),
    ),
    st.just(join()),
)


@given(st.lists(ANYTHING, max_size=40))
def test_whatever_comes_each_part_is_closed_once_and_each_call_ends_once(events):
    changes = play(join(), *events, *(hangup(who) for who in CHANNELS))
    going, over = set(), set()
    for change in changes:
        match change:
            case CallStarted(call_id):
                over.discard(call_id)  # only a channel's second life may begin again
            case AgentJoined(call_id, _, leg):
                assert call_id not in over and leg not in going
                going.add(leg)
            case AgentLeft(_, _, leg):
                going.remove(leg)
            case CallEnded(call_id):
                assert not going and call_id not in over
                over.add(call_id)
    assert not going
    assert sum(isinstance(c, CallStarted) for c in changes) == sum(isinstance(c, CallEnded) for c in changes)

"""The tracker on event sequences as a real Asterisk sends them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pbx.tracked import (
    ALICE,
    BOB,
    CUSTOMER,
    LOCAL_1,
    LOCAL_2,
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
    AgentConnected,
    AgentJoined,
    AgentLeft,
    CallEnded,
    CallStarted,
    HoldChanged,
    QueueJoined,
    QueueLeft,
    SegmentExplained,
)


def test_a_plain_queue_call_is_one_segment() -> None:
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


def test_a_blind_transfer_gives_the_second_agent_his_own_segment() -> None:
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


def test_requeue_opens_a_segment_for_the_next_member_without_a_new_call() -> None:
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


def test_our_own_tap_is_nobodys_segment() -> None:
    tap = {"Channel": "AudioSocket/127.0.0.1:9092-abc", "Uniqueid": "emocx-tap-1"}
    assert not any(isinstance(c, AgentJoined) for c in play(join(), enter(CUSTOMER), enter(tap)))


def test_an_abandoned_call_says_so() -> None:
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


def test_a_supervisor_has_no_part_while_the_agent_is_there() -> None:
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


def test_a_transfer_knows_the_agent_by_the_name_that_his_queue_gives_him() -> None:
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


def test_hold_ends_with_the_part_and_the_customers_own_hold_is_not_the_agents() -> None:
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


def test_a_caller_in_a_holding_bridge_talks_to_nobody() -> None:
    waiting = {"BridgeTechnology": "holding_bridge"}
    assert not parts(
        play(join(), {**enter(CUSTOMER), **waiting}, {**enter(BOB), **waiting}, hangup(CUSTOMER))
    )


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
def test_whatever_comes_each_part_is_closed_once_and_each_call_ends_once(events: list[Any]) -> None:
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

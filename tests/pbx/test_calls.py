"""The tracker on event sequences as a real Asterisk sends them."""

from emocx_pbx.domain import Segment
from emocx_pbx.pbx.calls import (
    AgentConnected,
    CallEnded,
    CallStarted,
    CallTracker,
    QueueJoined,
    SegmentClosed,
    SegmentOpened,
    TrackedCall,
    endpoint_of,
)

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
    opened = Segment("1.1", 0, "Alice", "PJSIP/201", "care", "queue", started_at=3.0)
    closed = Segment("1.1", 0, "Alice", "PJSIP/201", "care", "queue", 3.0, 4.0, "agent_left")
    assert changes == [
        CallStarted("1.1", 0.0, "PJSIP/customer-00000001", "care", "5550100"),
        QueueJoined("1.1", 0.0, "care", 1),
        AgentConnected("1.1", 1.0, "Alice", "PJSIP/201", "care", 3.0, "1.2"),
        SegmentOpened(opened),
        SegmentClosed(closed),
        CallEnded("1.1", 6.0, "hangup"),
    ]


def test_a_blind_transfer_gives_the_second_agent_his_own_segment():
    changes = play(
        join(),
        connect(ALICE, "Alice"),
        enter(ALICE),
        enter(CUSTOMER),
        leave(ALICE),
        leave(CUSTOMER),
        enter(BOB, "b2"),
        enter(CUSTOMER, "b2"),
        hangup(CUSTOMER),
    )
    parts = [c.segment for c in changes if isinstance(c, SegmentClosed)]
    assert [(s.agent, s.via, s.started_at, s.ended_at) for s in parts] == [
        ("Alice", "queue", 3.0, 4.0),
        ("PJSIP/202", "transfer", 7.0, 8.0),
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
    parts = [c.segment for c in changes if isinstance(c, SegmentClosed)]
    assert [(s.index, s.agent, s.queue) for s in parts] == [(0, "Alice", "care"), (1, "Bob", "retention")]


def test_our_own_tap_is_nobodys_segment():
    tap = {"Channel": "AudioSocket/127.0.0.1:9092-abc", "Uniqueid": "emocx-tap-1"}
    assert not any(isinstance(c, SegmentOpened) for c in play(join(), enter(CUSTOMER), enter(tap)))


def test_an_abandoned_call_says_so():
    changes = play(join(), {"Event": "QueueCallerAbandon", **CUSTOMER}, hangup(CUSTOMER))
    assert changes[-1] == CallEnded("1.1", 2.0, "abandoned")


def test_an_optimised_local_member_keeps_his_name():
    local = {"Channel": "Local/201@from-queue-00000001;1", "Uniqueid": "1.8"}
    changes = play(
        join(),
        connect(local, "Alice"),
        enter(local),
        enter(CUSTOMER),
        {"Event": "LocalOptimizationBegin", "LocalOneUniqueid": "1.8", "SourceUniqueid": "1.2"},
        leave(local),
        enter(ALICE),
        hangup(CUSTOMER),
    )
    agents = [c.segment.agent for c in changes if isinstance(c, SegmentOpened)]
    assert agents == ["Alice", "Alice"]


def test_after_a_lost_link_the_living_channels_decide():
    tracker = CallTracker()
    segment = Segment("1.1", 0, "Alice", "PJSIP/201", "care", "queue", started_at=3.0)
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care", segments=1), {"1.2": segment})
    alive = [{**CUSTOMER, "BridgeID": "b1"}, {**ALICE, "BridgeID": "b1"}]
    assert tracker.reconcile(alive, 10.0) == []
    gone = tracker.reconcile([], 20.0)
    assert [type(c) for c in gone] == [SegmentClosed, CallEnded]
    assert gone[-1] == CallEnded("1.1", 20.0, "lost")


def test_an_asterisk_restart_ends_every_call():
    tracker = CallTracker()
    tracker.feed(join(), 1.0)
    assert tracker.asterisk_restarted(2.0) == [CallEnded("1.1", 2.0, "asterisk_restart")]
    assert not tracker.calls

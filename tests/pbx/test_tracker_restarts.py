"""The tracker after a lost link, a restart of ours, or one of Asterisk."""

from __future__ import annotations

from pbx.test_tracker_customers import doubted
from pbx.tracked import ALICE, CUSTOMER, LOCAL_1, LOCAL_2, join, leave

from emocx_pbx.pbx.tracking.changes import (
    AgentLeft,
    CallEnded,
    CallStarted,
    QueueJoined,
)
from emocx_pbx.pbx.tracking.tracked import Leg, TrackedCall
from emocx_pbx.pbx.tracking.tracker import CallTracker


def test_after_a_lost_link_the_living_channels_decide() -> None:
    tracker = CallTracker()
    leg = Leg("Alice", "PJSIP/201", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.2": leg})
    alive = [{**CUSTOMER, "BridgeID": "b1"}, {**ALICE, "BridgeID": "b1"}]
    assert tracker.reconcile(alive, 10.0) == []
    gone = tracker.reconcile([], 20.0)
    assert [type(c) for c in gone] == [AgentLeft, CallEnded]
    assert gone[-1] == CallEnded("1.1", 20.0, "lost")


def test_after_a_restart_of_ours_an_agent_behind_a_local_member_keeps_his_part() -> None:
    tracker = CallTracker()
    leg = Leg("Alice", "Local/201@from-queue/n", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.8": leg})
    bridged = [(CUSTOMER, "b1"), (LOCAL_1, "b1"), (LOCAL_2, "b0"), (ALICE, "b0")]
    assert tracker.reconcile([{**who, "BridgeID": bridge} for who, bridge in bridged], 10.0) == []
    tracker.feed(leave(ALICE, "b0"), 11.0)
    assert not tracker.calls["1.1"].open


def test_after_a_restart_of_ours_the_telephone_of_whoever_talks_is_an_agents() -> None:
    tracker = CallTracker()
    leg = Leg("Alice", "Local/201@from-queue/n", "care", "queue")
    tracker.adopt(TrackedCall("1.1", CUSTOMER["Channel"], 0.0, queue="care"), {"1.8": leg})
    desk = {"Channel": "PJSIP/desk-00000005", "Uniqueid": "1.5"}
    bridged = [(CUSTOMER, "b1"), (LOCAL_1, "b1"), (LOCAL_2, "b0"), (desk, "b0")]
    # She was taken out of the queue, and consults another one by her second line.
    second = {"Channel": "PJSIP/desk-00000006", "Uniqueid": "4.1", "Application": "Queue", "Data": "vip"}
    found = tracker.reconcile([*({**who, "BridgeID": bridge} for who, bridge in bridged), second], 10.0)
    assert doubted(found) == ["4.1"]


def test_an_asterisk_restart_ends_every_call() -> None:
    tracker = CallTracker()
    tracker.feed(join(), 1.0)
    assert tracker.asterisk_restarted(2.0) == [CallEnded("1.1", 2.0, "asterisk_restart")]
    assert not tracker.calls


def test_calls_that_began_after_the_link_was_lost_may_be_the_new_asterisks() -> None:
    tracker = CallTracker()
    tracker.announce("1.1", CUSTOMER["Channel"], "", 1.0)
    tracker.announce("2.1", "PJSIP/trunk-00000009", "", 5.0)
    assert tracker.asterisk_restarted(6.0, since=4.0) == [CallEnded("1.1", 6.0, "asterisk_restart")]
    assert list(tracker.calls) == ["2.1"]


def test_a_call_that_asked_for_a_decision_and_was_answered_unseen_is_found() -> None:
    tracker = CallTracker()
    tracker.announce("1.1", CUSTOMER["Channel"], "", 1.0)
    variables = "MEMBERNAME=Alice\nMEMBERINTERFACE=PJSIP/201"
    here = {"Application": "Queue", "Data": "care,c", "Seconds": "8", "BridgeID": "b1", "Variable": variables}
    channels = [{**CUSTOMER, **here}, {**ALICE, "BridgeID": "b1", "Application": "AppQueue"}]
    changes = tracker.reconcile(channels, 10.0, since=1.5)
    assert [type(c) for c in changes][:2] == [CallStarted, QueueJoined]
    assert tracker.calls["1.1"].queue == "care"
    assert [leg.agent for leg in tracker.calls["1.1"].open.values()] == ["Alice"]

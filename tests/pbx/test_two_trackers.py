"""Two PBXes that were started alike: the same Uniqueids, Linkedids and channel names, and yet two calls."""

from __future__ import annotations

from emocx_pbx.pbx.tracking.changes import CallChange
from emocx_pbx.pbx.tracking.tracker import CallTracker

CUSTOMER = {
    "Channel": "PJSIP/trunk-00000001",
    "Uniqueid": "1700.1",
    "Linkedid": "1700.1",
    "CallerIDNum": "49301",
}
AGENT = {
    "Queue": "care", "MemberName": "Ann", "Interface": "PJSIP/201",
    "DestChannel": "PJSIP/201-00000002", "DestUniqueid": "1700.2", "HoldTime": "3",
}  # fmt: skip


def answered(tracker: CallTracker) -> list[CallChange]:
    """A call from its queue to its agent, as every PBX tells it."""
    told = [
        {"Event": "QueueCallerJoin", "Queue": "care", "Position": "1", **CUSTOMER},
        {"Event": "AgentConnect", **CUSTOMER, **AGENT},
        {"Event": "BridgeEnter", "BridgeUniqueid": "b", **CUSTOMER},
        {"Event": "BridgeEnter", "BridgeUniqueid": "b", "Channel": AGENT["DestChannel"], "Uniqueid": "1700.2",
         "Linkedid": "1700.1"},
    ]  # fmt: skip
    return [change for at, event in enumerate(told) for change in tracker.feed(event, float(at))]


def test_their_calls_have_ids_of_their_own() -> None:
    trackers = [CallTracker(None, pbx) for pbx in ("berlin", "vienna", "")]
    changes = [answered(tracker) for tracker in trackers]
    ids = [{change.call_id for change in told} for told in changes]
    assert ids == [{"berlin/1700.1"}, {"vienna/1700.1"}, {"1700.1"}]
    kinds = [[type(change).__name__ for change in told] for told in changes]
    assert kinds[0] == kinds[1] == kinds[2] and "AgentJoined" in kinds[0]


def test_what_asterisk_is_asked_for_has_its_own_name() -> None:
    tracker = CallTracker(None, "berlin")
    answered(tracker)
    call = tracker.calls["berlin/1700.1"]
    assert (call.uniqueid, call.channel) == ("1700.1", "PJSIP/trunk-00000001")
    assert tracker.trunk_of("berlin/1700.1") == "berlin/PJSIP/trunk"


def test_a_call_that_asked_for_a_decision_is_the_one_that_joins() -> None:
    tracker = CallTracker(None, "berlin")
    tracker.announce("berlin/1700.1", "PJSIP/trunk-00000001", "49301", 0.0)
    answered(tracker)
    assert list(tracker.calls) == ["berlin/1700.1"]
    ended = tracker.feed({"Event": "Hangup", **CUSTOMER}, 9.0)
    assert {change.call_id for change in ended} == {"berlin/1700.1"} and not tracker.calls


def test_a_colleagues_local_channel_is_found_by_its_linkedid() -> None:
    tracker = CallTracker(None, "berlin")
    answered(tracker)
    local = {"Channel": "Local/9@x-00000001;2", "Uniqueid": "1700.3", "Linkedid": "1700.1", "CallerIDNum": ""}
    tracker.feed({"Event": "QueueCallerJoin", "Queue": "vip", "Position": "1", **local}, 5.0)
    assert list(tracker.calls) == ["berlin/1700.1"]  # an agent's consultation, no customer's call


def test_dialling_a_customer_is_told_of_the_right_call() -> None:
    tracker = CallTracker(None, "berlin")
    tracker.announce("berlin/emocx-call-1", "", "+4930", 0.0, callback=True)
    tracker.feed(
        {
            "Event": "DialEnd",
            "DialStatus": "BUSY",
            "Linkedid": "emocx-call-1",
            "DestLinkedid": "emocx-call-1",
        },
        1.0,
    )
    gone = tracker.feed({"Event": "Hangup", "Uniqueid": "emocx-call-1", "Cause": "17"}, 2.0)
    assert [c.outcome for c in gone if hasattr(c, "outcome")] == ["busy"]
    assert {c.call_id for c in gone} == {"berlin/emocx-call-1"}

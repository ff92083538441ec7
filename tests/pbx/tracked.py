"""Events of a PBX as the tracker reads them: a customer, two agents, a member behind a Local channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emocx_pbx.pbx.tracking.changes import (
    AgentJoined,
    AgentLeft,
    SegmentExplained,
)
from emocx_pbx.pbx.tracking.names import endpoint_of
from emocx_pbx.pbx.tracking.tracker import CallTracker

Event = dict[str, str]

CUSTOMER = {"Channel": "PJSIP/customer-00000001", "Uniqueid": "1.1"}
ALICE = {"Channel": "PJSIP/201-00000002", "Uniqueid": "1.2"}
BOB = {"Channel": "PJSIP/202-00000003", "Uniqueid": "1.3"}


def join(queue: str = "care") -> Event:
    return {"Event": "QueueCallerJoin", "Queue": queue, "Position": "1", "CallerIDNum": "5550100", **CUSTOMER}


def connect(agent: Event, name: str, queue: str = "care") -> Event:
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


def enter(who: Event, bridge: str = "b1") -> Event:
    return {"Event": "BridgeEnter", "BridgeUniqueid": bridge, **who}


def leave(who: Event, bridge: str = "b1") -> Event:
    return {"Event": "BridgeLeave", "BridgeUniqueid": bridge, **who}


def hangup(who: Event) -> Event:
    return {"Event": "Hangup", **who}


def play(*events: Event) -> list[Any]:
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


def parts(changes: Iterable[Any]) -> list[Part]:
    """Parts in the order in which they began."""
    found: list[Part] = []
    newest: dict[str, Part] = {}
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


LOCAL_1 = {"Channel": "Local/201@from-queue-00000001;1", "Uniqueid": "1.8"}
LOCAL_2 = {"Channel": "Local/201@from-queue-00000001;2", "Uniqueid": "1.9"}


def optimising(event: str) -> Event:
    names = {"LocalOneChannel": LOCAL_1["Channel"], "LocalTwoChannel": LOCAL_2["Channel"]}
    return {"Event": event, "LocalOneUniqueid": "1.8", "LocalTwoUniqueid": "1.9", **names}


def answered(dials: Event, who: Event) -> Event:
    """Whom a channel of the customer's call dialled, or who picked that up: then `who` has a Linkedid of its
    own.
    """
    dest = {"DestChannel": who["Channel"], "DestUniqueid": who["Uniqueid"]}
    dest["DestLinkedid"] = who.get("Linkedid", who["Uniqueid"])
    return {"Event": "DialEnd", **dials, "Linkedid": "1.1", "DialStatus": "ANSWER", **dest}


def by_local_member() -> list[Event]:
    """Until the customer talks with Alice behind her queue's Local member."""
    return [
        join(),
        enter(LOCAL_2, "b0"),
        enter(ALICE, "b0"),
        connect(LOCAL_1, "Alice"),
        enter(LOCAL_1),
        enter(CUSTOMER),
    ]

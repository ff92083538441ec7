"""Calls are found by index, and what follows is what going through all calls would have given."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.pbx.tracking.callers import Callers
from emocx_pbx.pbx.tracking.changes import CallChange
from emocx_pbx.pbx.tracking.index import CallIndex
from emocx_pbx.pbx.tracking.tracked import TrackedCall
from emocx_pbx.pbx.tracking.tracker import CallTracker

Event = dict[str, str]
CUSTOMERS = [{"Channel": f"PJSIP/trunk-0000000{n}", "Uniqueid": f"1.{n}"} for n in range(3)]
DESKS = [{"Channel": f"PJSIP/20{n}-0000001{n}", "Uniqueid": f"2.{n}"} for n in range(3)]
LOCALS = [
    {"Channel": f"Local/30{n}@q-0000002{n};{half}", "Uniqueid": f"3.{n}{half}"}
    for n in range(2)
    for half in (1, 2)
]
CHANNELS = [*CUSTOMERS, *DESKS, *LOCALS]
BRIDGES = ["b0", "b1", "b2", None]


class WalkingCallers(Callers):
    """Goes through all calls, as nobody needs an index to."""

    def served_at(self, *channels: str) -> list[TrackedCall]:
        return list(self.calls.values())

    def spoken_for_at(self, *channels: str) -> list[TrackedCall]:
        return [call for call in self.calls.values() if call.uniqueid in channels]

    def moving_by(self, local: str) -> list[TrackedCall]:
        return [call for call in self.calls.values() if call.moving == local]

    def perhaps_agents(self, bridge: str) -> list[TrackedCall]:
        return list(self.calls.values())


class WalkingTracker(CallTracker):
    def __init__(self) -> None:
        super().__init__()
        self._callers = WalkingCallers(self._bridges, self.names)


def named(event: str, who: Event, **more: str) -> list[Event]:
    return [{"Event": event, **who, **more}]


def connected(caller: Event, agent: Event, member: str) -> list[Event]:
    observed = {"Queue": "care", "MemberName": "A", "Interface": member, "HoldTime": "1"}
    there = {"DestChannel": agent["Channel"], "DestUniqueid": agent["Uniqueid"]}
    return named("AgentConnect", caller, **observed, **there)


def handed_over(one: Event, other: Event) -> list[Event]:
    return [
        {
            "Event": "AttendedTransfer",
            "OrigTransfererUniqueid": one["Uniqueid"],
            "SecondTransfererUniqueid": other["Uniqueid"],
        }
    ]


def optimised(event: str, number: int) -> list[Event]:
    one, two = LOCALS[2 * number : 2 * number + 2]
    halves = {"LocalOneUniqueid": one["Uniqueid"], "LocalOneChannel": one["Channel"]}
    return [
        {"Event": event, **halves, "LocalTwoUniqueid": two["Uniqueid"], "LocalTwoChannel": two["Channel"]}
    ]


anybody = st.sampled_from(CHANNELS)
agents = st.sampled_from([*DESKS, *LOCALS])
moves = st.tuples(st.just("move"), anybody, st.sampled_from(BRIDGES))
members = st.sampled_from(["PJSIP/200", "PJSIP/201", "PJSIP/202"])
said = [
    *("Hold", "Unhold", "MusicOnHoldStart", "MusicOnHoldStop", "Pickup", "HangupRequest", "Newchannel"),
    *("QueueCallerLeave", "QueueCallerAbandon", "Hangup"),
]
optimising = ["LocalOptimizationBegin", "LocalOptimizationEnd"]
others = st.one_of(
    st.builds(
        lambda who, by: named("QueueCallerJoin", who, Queue="care", Position="1", Linkedid=by["Uniqueid"]),
        st.sampled_from([*CUSTOMERS, *LOCALS, DESKS[2]]),
        anybody,
    ),
    st.builds(connected, anybody, agents, st.sampled_from(["PJSIP/200", "PJSIP/201", "Local/300@q"])),
    st.builds(lambda who: named("QueueMember", {}, Queue="care", Name="A", Location=who), members),
    st.builds(
        lambda who: named("BlindTransfer", {}, TransfererUniqueid=who["Uniqueid"], Extension="9"), agents
    ),
    st.builds(handed_over, anybody, anybody),
    st.builds(optimised, st.sampled_from(optimising), st.integers(0, 1)),
    st.builds(named, st.sampled_from(said), anybody),
    st.tuples(st.just("announce"), st.sampled_from([*CUSTOMERS, *LOCALS])),
)


def observed(tracker: CallTracker, happened: list[Any]) -> list[list[CallChange]]:
    """All changes, a second apart; who comes into a bridge has left the one before."""
    where: dict[str, str] = {}
    changes: list[list[CallChange]] = []
    at = 0.0

    def leaves(who: Event) -> None:
        if bridge := where.pop(who["Uniqueid"], None):
            changes.append(tracker.feed({"Event": "BridgeLeave", "BridgeUniqueid": bridge, **who}, at))

    for one in happened:
        at += 1.0
        if one[0] == "announce":
            tracker.announce(one[1]["Uniqueid"], one[1]["Channel"], "", at)
        elif one[0] == "move":
            leaves(one[1])
            if one[2] is not None:
                where[one[1]["Uniqueid"]] = one[2]
                entered = {"Event": "BridgeEnter", "BridgeUniqueid": one[2], **one[1]}
                changes.append(tracker.feed(entered, at))
        else:
            if one[0]["Event"] == "Hangup":
                leaves(one[0])
            changes.append(tracker.feed(one[0], at))
    return changes


@settings(deadline=None)
@given(st.lists(st.one_of(moves, others), max_size=60))
def test_an_index_finds_what_going_through_all_calls_finds(happened: list[Any]) -> None:
    assert observed(CallTracker(), happened) == observed(WalkingTracker(), happened)


def test_nothing_is_kept_of_calls_that_are_over() -> None:
    tracker = CallTracker()
    for number in range(50):
        who = {"Channel": f"Local/{number}@q-000000aa;1", "Uniqueid": f"9.{number}"}
        desk = {"Channel": f"PJSIP/200-000000{number:02x}", "Uniqueid": f"8.{number}"}
        joined = named("QueueCallerJoin", who, Queue="care", Position="1", Linkedid=who["Uniqueid"])
        for event in [*joined, *connected(who, desk, "PJSIP/200")]:
            tracker.feed(event, float(number))
        for one in (who, desk):
            tracker.feed({"Event": "BridgeEnter", "BridgeUniqueid": f"b{number}", **one}, float(number))
        for one in (who, desk):
            tracker.feed({"Event": "BridgeLeave", "BridgeUniqueid": f"b{number}", **one}, number + 0.5)
            tracker.feed({"Event": "Hangup", **one}, number + 0.5)
    callers = tracker._callers
    kept = [getattr(callers, name) for name in ("calls", "customers", "channels", "_numbers", "_unseen")]
    kept += [value for name in callers.__slots__ if isinstance(value := getattr(callers, name), CallIndex)]
    assert not any(len(one) for one in kept)

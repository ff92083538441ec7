"""Which calls are going on, and whose part each stretch is: a pure tracker fed with AMI events.

Sources: Asterisk's AMI v2 specification (bridges, channel snapshots) and app_queue's events; every
rule here is one that a real Asterisk made necessary (tests/pbx_real/test_segments.py).
A call is a customer's channel that joined a queue (or asked for a decision); its id is that
channel's Uniqueid. An agent's segment lasts while he and the customer can hear each other:
AgentComplete comes late or not at all after transfers, so bridges are the truth.

Whose part it is: of agents whom a queue announced (AgentConnect), or who took over by a transfer.
Whoever joins while such an agent is there (a supervisor in a conference) has no part until that
agent is gone; then he has taken over. Somebody behind a queue's Local member has the member's name,
also after the Local was optimised away; who comes behind it later took over by a transfer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from emocx_pbx.domain import Segment
from emocx_pbx.pbx.tracking.bridges import HOLDING, Bridges
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    CallChange,
    CallEnded,
    CallStarted,
    CustomerMoved,
    EndReason,
    HoldChanged,
    QueueJoined,
    SegmentClosed,
    SegmentOpened,
)
from emocx_pbx.pbx.tracking.tracked import AgentNames, Leg, TrackedCall, endpoint_of

__all__ = [
    "AgentConnected",
    "CallChange",
    "CallEnded",
    "CallStarted",
    "CallTracker",
    "CustomerMoved",
    "HoldChanged",
    "QueueJoined",
    "SegmentClosed",
    "SegmentOpened",
    "TrackedCall",
    "endpoint_of",
]


class CallTracker:
    """Turns AMI events, in their order, into changes of calls."""

    def __init__(self, agent_name: re.Pattern[str] | None = None) -> None:
        self._names = AgentNames(agent_name)
        self._calls: dict[str, TrackedCall] = {}
        self._customers: dict[str, str] = {}
        """Channel that speaks for a customer, to call_id."""
        self._bridges = Bridges()

    @property
    def calls(self) -> Mapping[str, TrackedCall]:
        """Calls that have not ended, by call_id."""
        return self._calls

    def feed(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        """Changes that follow from one AMI event received at `at` (Unix seconds)."""
        handler = _HANDLERS.get(event.get("Event", ""))
        return handler(self, event, at) if handler else []

    def speakers(self, call_id: str) -> list[str]:
        """Channels that may know what the customer wants: his own, and who is behind it if it is a Local."""
        call = self._calls.get(call_id)
        if call is None:
            return []
        far = self._bridges.beyond(call.channel)
        return [call.channel, *(p.channel for p in (self._bridges.heard_by(far) if far else []))]

    def adopt(self, call: TrackedCall, segments: Mapping[str, Segment]) -> None:
        """Take over a call known from the store, after a restart of ours."""
        call.open = dict(segments)
        for leg, known in segments.items():
            call.legs[leg] = Leg(known.agent, known.interface, known.queue, known.via)
        self._add(call)

    def announce(self, call_id: str, channel: str, caller: str, at: float) -> None:
        """Know a customer's channel before it joins a queue (it asked for a decision)."""
        if call_id not in self._calls:
            self._add(TrackedCall(call_id, channel, at, caller=caller))

    def reconcile(self, channels: Iterable[Mapping[str, str]], at: float) -> list[CallChange]:
        """Changes missed while the link was down, from the answers to the AMI action Status."""
        known = list(channels)
        living = {channel.get("Uniqueid", "") for channel in known}
        self._bridges.restart(known)
        changes: list[CallChange] = []
        for call in list(self._calls.values()):
            if call.uniqueid not in living:
                changes += self._end(call, at, "lost")
                continue
            call.moving = None
            call.left = {leg: left for leg, left in call.left.items() if leg in living}
            changes += self._settle(call, at, "lost")
        return changes

    def asterisk_restarted(self, at: float) -> list[CallChange]:
        """Asterisk came back as a new process: every call it had is gone."""
        self._bridges.restart()
        return [c for call in list(self._calls.values()) for c in self._end(call, at, "asterisk_restart")]

    def _add(self, call: TrackedCall) -> None:
        self._calls[call.call_id] = call
        self._customers[call.uniqueid] = call.call_id

    def _call_of(self, event: Mapping[str, str]) -> TrackedCall | None:
        return self._calls.get(self._customers.get(event.get("Uniqueid", ""), ""))

    # Queues.

    def _queue_join(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        uniqueid, channel = event.get("Uniqueid", ""), event.get("Channel", "")
        queue = event.get("Queue", "")
        call = self._call_of(event) or self._call_behind(uniqueid, channel)
        if call is None:
            call = TrackedCall(uniqueid, channel, at, caller=event.get("CallerIDNum", ""))
            self._add(call)
        changes: list[CallChange] = []
        if call.queue is None:
            changes.append(CallStarted(call.call_id, at, call.channel, queue, call.caller))
        call.queue, call.abandoned = queue, False
        changes.append(QueueJoined(call.call_id, at, queue, int(event.get("Position") or 0)))
        return changes

    def _call_behind(self, uniqueid: str, channel: str) -> TrackedCall | None:
        """The call whose customer is at the other end of a Local channel.

        An agent behind a Local member who transfers into a queue sends the Local there, not the customer.
        """
        far = self._bridges.beyond(channel)
        for party in self._bridges.heard_by(far) if far else []:
            if call_id := self._customers.get(party.local or party.uniqueid):
                self._customers[uniqueid] = call_id
                return self._calls[call_id]
        return None

    def _abandon(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        if call := self._call_of(event):
            call.abandoned = True
        return []

    def _member(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        name = event.get("MemberName") or event.get("Name", "")
        agent = self._names.of_member(name, event.get("Interface") or event.get("Location", ""))
        for key in ("Interface", "Location", "StateInterface"):
            if interface := event.get(key):
                self._names.learn(interface, agent)
        return []

    def _agent_connect(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        self._member(event, at)
        call = self._call_of(event)
        if call is None:
            return []
        interface = event.get("Interface", "") or endpoint_of(event.get("DestChannel", ""))
        agent = self._names.of_member(event.get("MemberName", ""), interface)
        queue = event.get("Queue", "") or None
        leg = event.get("DestUniqueid", "")
        call.legs[leg] = Leg(agent, interface, queue, "queue")
        hold_s = float(event.get("HoldTime") or 0)
        connected = AgentConnected(call.call_id, at, agent, interface, queue or "", hold_s, leg)
        return [connected, *self._settle(call, at, "bridge")]

    # Bridges.

    def _bridge_enter(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        channel, uniqueid, bridge = (event.get(k, "") for k in ("Channel", "Uniqueid", "BridgeUniqueid"))
        if event.get("BridgeTechnology") != HOLDING:
            self._bridges.enter(bridge, uniqueid, channel)
        changes: list[CallChange] = []
        for call in self._concerned(bridge):
            changes += self._settle(call, at, "bridge")
        return [*changes, *self._gone(uniqueid, at)]

    def _bridge_leave(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        uniqueid, bridge = event.get("Uniqueid", ""), event.get("BridgeUniqueid", "")
        concerned = self._concerned(bridge)
        self._bridges.leave(bridge, uniqueid)
        changes: list[CallChange] = []
        for call in concerned:
            who = "customer_left" if uniqueid == call.uniqueid else "agent_left"
            changes += self._settle(call, at, who)
        return changes

    def _settle(self, call: TrackedCall, at: float, reason: str) -> list[CallChange]:
        return call.settle(self._bridges, self._names, at, reason)

    def _concerned(self, bridge: str) -> list[TrackedCall]:
        ids = {self._customers.get(uniqueid, "") for uniqueid in self._bridges.linked(bridge)}
        return [self._calls[call_id] for call_id in sorted(ids) if call_id in self._calls]

    def _gone(self, uniqueid: str, at: float) -> list[CallChange]:
        """A channel that was between bridges is no longer: whoever is with the customer may take over."""
        changes: list[CallChange] = []
        for call in self._calls.values():
            if call.left.pop(call.stands_for.get(uniqueid, uniqueid), None) is not None:
                changes += self._settle(call, at, "bridge")
        return changes

    # Local channels optimised away.

    def _optimising(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        changes: list[CallChange] = []
        for half in ("LocalOne", "LocalTwo"):
            uniqueid, channel = event.get(f"{half}Uniqueid", ""), event.get(f"{half}Channel", "")
            far = self._bridges.beyond(channel)
            for call in self._calls.values():
                if any(p.local == uniqueid for p in self._bridges.heard_by(call.uniqueid)):
                    call.moving = event.get("LocalOneUniqueid")
                elif uniqueid == call.uniqueid and far and (behind := self._bridges.heard_by(far)):
                    call.moving = event.get("LocalOneUniqueid")
                    call.uniqueid, call.channel = behind[0].uniqueid, behind[0].channel
                    self._customers[call.uniqueid] = call.call_id
                    changes.append(CustomerMoved(call.call_id, at, call.channel, call.uniqueid))
        return changes

    def _optimised(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        return self._moved(event.get("LocalOneUniqueid", ""), at)

    def _moved(self, local: str, at: float) -> list[CallChange]:
        changes: list[CallChange] = []
        for call in self._calls.values():
            if call.moving == local:
                call.moving = None
                changes += self._settle(call, at, "bridge")
        return changes

    # Hold, and the end.

    def _hold(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        """Music plays to the customer's channel; Hold is told of the agent's leg that asked for it."""
        name, uniqueid = event["Event"], event.get("Uniqueid", "")
        on_hold = name in {"Hold", "MusicOnHoldStart"}
        if name.startswith("Music"):
            call = self._call_of(event)
            return call.set_hold(at, on_hold) if call and call.open else []
        for call in self._calls.values():
            if call.stands_for.get(uniqueid, uniqueid) in call.open:
                return call.set_hold(at, on_hold)
        return []

    def _hangup(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        uniqueid = event.get("Uniqueid", "")
        changes = [*self._moved(uniqueid, at), *self._gone(uniqueid, at)]
        for call in [call for call in self._calls.values() if call.uniqueid == uniqueid]:
            changes += self._end(call, at, "abandoned" if call.abandoned else "hangup")
        self._customers.pop(uniqueid, None)
        return changes

    def _end(self, call: TrackedCall, at: float, reason: EndReason) -> list[CallChange]:
        del self._calls[call.call_id]
        self._customers = {u: call_id for u, call_id in self._customers.items() if call_id != call.call_id}
        call.queue = call.moving = None  # nobody is an agent of it any more
        return [*self._settle(call, at, reason), CallEnded(call.call_id, at, reason)]


_HANDLERS = {
    "QueueCallerJoin": CallTracker._queue_join,
    "QueueCallerAbandon": CallTracker._abandon,
    "QueueMember": CallTracker._member,
    "QueueMemberAdded": CallTracker._member,
    "AgentCalled": CallTracker._member,
    "AgentConnect": CallTracker._agent_connect,
    "BridgeEnter": CallTracker._bridge_enter,
    "BridgeLeave": CallTracker._bridge_leave,
    "LocalOptimizationBegin": CallTracker._optimising,
    "LocalOptimizationEnd": CallTracker._optimised,
    "MusicOnHoldStart": CallTracker._hold,
    "MusicOnHoldStop": CallTracker._hold,
    "Hold": CallTracker._hold,
    "Unhold": CallTracker._hold,
    "Hangup": CallTracker._hangup,
}

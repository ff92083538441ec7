"""Which calls are going on, and whose part each stretch is: a pure tracker fed with AMI events.

Sources: Asterisk's AMI v2 specification (bridges, channel snapshots) and app_queue's events.
A call is a customer's channel that joined a queue (or asked for a decision); its id is that
channel's Uniqueid. An agent's segment lasts while his leg shares a bridge with the customer:
AgentComplete comes late or not at all after transfers, so bridges are the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from emocx_pbx.domain import Segment

#: Channels of our own taps; they never count as a party.
TAP_PREFIX = "AudioSocket/"

_ENDPOINT = re.compile(r"^(?P<endpoint>.+?)(?:-[0-9a-f]{8})?(?:;[12])?$")


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A customer's channel joined a queue for the first time."""

    call_id: str
    at: float
    channel: str
    queue: str | None
    caller: str


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """The customer waits in a queue."""

    call_id: str
    at: float
    queue: str
    position: int


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """app_queue is about to bridge the customer with an agent."""

    call_id: str
    at: float
    agent: str
    interface: str
    queue: str
    hold_s: float
    agent_uniqueid: str


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """Customer and agent share a bridge."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """Customer or agent left the bridge they shared; `segment.ended_at` is set."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """The customer was put on hold, or taken back."""

    call_id: str
    at: float
    on_hold: bool


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The customer's channel is gone."""

    call_id: str
    at: float
    reason: Literal["hangup", "abandoned", "lost", "asterisk_restart"]


CallChange = (
    CallStarted | QueueJoined | AgentConnected | SegmentOpened | SegmentClosed | HoldChanged | CallEnded
)


@dataclass(frozen=True, slots=True)
class _Leg:
    """A channel that may be an agent's, as far as known."""

    agent: str
    interface: str
    queue: str | None
    via: Literal["queue", "transfer", "dial"]


@dataclass(slots=True)
class TrackedCall:
    """What the tracker holds of one call."""

    call_id: str
    channel: str
    started_at: float
    queue: str | None = None
    caller: str = ""
    bridge: str | None = None
    on_hold: bool = False
    abandoned: bool = False
    legs: dict[str, _Leg] = field(default_factory=dict)
    open: dict[str, Segment] = field(default_factory=dict)
    """Open segments by the agent leg's Uniqueid."""
    segments: int = 0
    """How many segments were ever opened."""


def endpoint_of(channel: str) -> str:
    """The technology and endpoint of a channel's name: `PJSIP/201-0000002a` is `PJSIP/201`."""
    match = _ENDPOINT.match(channel)
    return match["endpoint"] if match else channel


class CallTracker:
    """Turns AMI events, in their order, into changes of calls."""

    def __init__(self, agent_name: re.Pattern[str] | None = None) -> None:
        self._agent_name = agent_name
        self._calls: dict[str, TrackedCall] = {}
        self._bridges: dict[str, dict[str, str]] = {}
        """Bridge id to its members: Uniqueid to channel name."""

    @property
    def calls(self) -> Mapping[str, TrackedCall]:
        """Calls that have not ended, by call_id."""
        return self._calls

    def feed(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        """Changes that follow from one AMI event received at `at` (Unix seconds)."""
        handler = _HANDLERS.get(event.get("Event", ""))
        return handler(self, event, at) if handler else []

    def adopt(self, call: TrackedCall, segments: Mapping[str, Segment]) -> None:
        """Take over a call known from the store, after a restart of ours."""
        call.open = dict(segments)
        self._calls[call.call_id] = call

    def announce(self, call_id: str, channel: str, caller: str, at: float) -> None:
        """Know a customer's channel before it joins a queue (it asked for a decision)."""
        self._calls.setdefault(call_id, TrackedCall(call_id, channel, at, caller=caller))

    def reconcile(self, channels: Iterable[Mapping[str, str]], at: float) -> list[CallChange]:
        """Changes missed while the link was down, from the answers to the AMI action Status."""
        living: dict[str, str] = {}
        self._bridges = {}
        for channel in channels:
            uniqueid, name = channel.get("Uniqueid", ""), channel.get("Channel", "")
            living[uniqueid] = name
            if channel.get("BridgeID") and not name.startswith(TAP_PREFIX):
                self._bridges.setdefault(channel["BridgeID"], {})[uniqueid] = name
        changes: list[CallChange] = []
        for call in list(self._calls.values()):
            if call.call_id not in living:
                changes += self._end(call, at, "lost")
                continue
            call.bridge = next((b for b, members in self._bridges.items() if call.call_id in members), None)
            changes += self._settle(call, at, "lost")
        return changes

    def asterisk_restarted(self, at: float) -> list[CallChange]:
        """Asterisk came back as a new process: every call it had is gone."""
        self._bridges = {}
        return [c for call in list(self._calls.values()) for c in self._end(call, at, "asterisk_restart")]

    # Events.

    def _queue_join(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        call_id, queue = event.get("Uniqueid", ""), event.get("Queue", "")
        changes: list[CallChange] = []
        call = self._calls.get(call_id)
        if call is None:
            call = TrackedCall(call_id, event.get("Channel", ""), at, caller=event.get("CallerIDNum", ""))
            self._calls[call_id] = call
        if call.queue is None:
            changes.append(CallStarted(call_id, at, call.channel, queue, call.caller))
        call.queue, call.abandoned = queue, False
        changes.append(QueueJoined(call_id, at, queue, int(event.get("Position") or 0)))
        return changes

    def _abandon(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        if call := self._calls.get(event.get("Uniqueid", "")):
            call.abandoned = True
        return []

    def _agent_connect(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        call = self._calls.get(event.get("Uniqueid", ""))
        if call is None:
            return []
        interface = event.get("Interface", "") or endpoint_of(event.get("DestChannel", ""))
        agent = self._agent_of(event.get("MemberName", ""), interface)
        queue = event.get("Queue", "") or None
        leg = event.get("DestUniqueid", "")
        call.legs[leg] = _Leg(agent, interface, queue, "queue")
        hold_s = float(event.get("HoldTime") or 0)
        connected = AgentConnected(call.call_id, at, agent, interface, queue or "", hold_s, leg)
        return [connected, *self._settle(call, at, "bridge")]

    def _agent_of(self, member: str, interface: str) -> str:
        if self._agent_name:
            for text in (member, interface):
                if match := self._agent_name.search(text):
                    return match[1]
        return member or interface

    def _bridge_enter(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        channel, uniqueid, bridge = (event.get(k, "") for k in ("Channel", "Uniqueid", "BridgeUniqueid"))
        if channel.startswith(TAP_PREFIX):
            return []
        members = self._bridges.setdefault(bridge, {})
        members[uniqueid] = channel
        if call := self._calls.get(uniqueid):
            call.bridge = bridge
            return self._settle(call, at, "bridge")
        changes: list[CallChange] = []
        for member in members:
            if member in self._calls:
                changes += self._settle(self._calls[member], at, "bridge")
        return changes

    def _bridge_leave(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        uniqueid, bridge = event.get("Uniqueid", ""), event.get("BridgeUniqueid", "")
        members = self._bridges.get(bridge, {})
        members.pop(uniqueid, None)
        if not members:
            self._bridges.pop(bridge, None)
        if (call := self._calls.get(uniqueid)) and call.bridge == bridge:
            call.bridge = None
            return self._settle(call, at, "customer_left")
        changes: list[CallChange] = []
        for call in self._calls.values():
            if uniqueid in call.open:
                changes += self._settle(call, at, "agent_left")
        return changes

    def _settle(self, call: TrackedCall, at: float, reason: str) -> list[CallChange]:
        """Close and open segments so that they equal who shares the customer's bridge now."""
        members = self._bridges.get(call.bridge, {}) if call.bridge else {}
        present = {u: name for u, name in members.items() if u != call.call_id}
        changes: list[CallChange] = []
        for uniqueid in [u for u in call.open if u not in present]:
            closed = replace(call.open.pop(uniqueid), ended_at=at, end_reason=reason)
            changes.append(SegmentClosed(closed))
            call.on_hold = False
        if call.queue is None:
            return changes  # not a queue's call: nobody is graded for it
        for uniqueid, name in present.items():
            if uniqueid in call.open:
                continue
            endpoint = endpoint_of(name)
            leg = call.legs.get(uniqueid) or _Leg(endpoint, endpoint, None, "transfer")
            segment = Segment(
                call.call_id, call.segments, leg.agent, leg.interface, leg.queue, leg.via, started_at=at
            )
            call.segments += 1
            call.open[uniqueid] = segment
            changes.append(SegmentOpened(segment))
        return changes

    def _local_optimized(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        """A Local agent channel is about to be replaced by the real one behind it: same agent."""
        for call in self._calls.values():
            for half in ("LocalOneUniqueid", "LocalTwoUniqueid"):
                leg = call.legs.get(event.get(half, ""))
                if leg and (source := event.get("SourceUniqueid")):
                    call.legs[source] = leg
        return []

    def _hold(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        return self._set_hold(event, at, True)

    def _unhold(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        return self._set_hold(event, at, False)

    def _set_hold(self, event: Mapping[str, str], at: float, on_hold: bool) -> list[CallChange]:
        uniqueid = event.get("Uniqueid", "")
        for call in self._calls.values():
            # Music plays to the customer's channel; Hold is told of the agent's leg that asked for it.
            if (uniqueid == call.call_id and call.open) or uniqueid in call.open:
                if call.on_hold == on_hold:
                    return []
                call.on_hold = on_hold
                return [HoldChanged(call.call_id, at, on_hold)]
        return []

    def _hangup(self, event: Mapping[str, str], at: float) -> list[CallChange]:
        call = self._calls.get(event.get("Uniqueid", ""))
        if call is None:
            return []
        return self._end(call, at, "abandoned" if call.abandoned else "hangup")

    def _end(
        self,
        call: TrackedCall,
        at: float,
        reason: Literal["hangup", "abandoned", "lost", "asterisk_restart"],
    ) -> list[CallChange]:
        del self._calls[call.call_id]
        call.bridge = None
        return [*self._settle(call, at, reason), CallEnded(call.call_id, at, reason)]


_HANDLERS = {
    "QueueCallerJoin": CallTracker._queue_join,
    "QueueCallerAbandon": CallTracker._abandon,
    "AgentConnect": CallTracker._agent_connect,
    "BridgeEnter": CallTracker._bridge_enter,
    "BridgeLeave": CallTracker._bridge_leave,
    "LocalOptimizationBegin": CallTracker._local_optimized,
    "MusicOnHoldStart": CallTracker._hold,
    "MusicOnHoldStop": CallTracker._unhold,
    "Hold": CallTracker._hold,
    "Unhold": CallTracker._unhold,
    "Hangup": CallTracker._hangup,
}

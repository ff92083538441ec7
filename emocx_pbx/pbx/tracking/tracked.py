"""One call as the tracker holds it: who is with the customer, and whose part that is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from emocx_pbx.domain import Segment
from emocx_pbx.pbx.tracking.bridges import Bridges, Party
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    CallChange,
    HoldChanged,
    SegmentClosed,
    SegmentOpened,
)

#: An agent between two bridges (moved into a conference) is not gone yet; normally some milliseconds.
TRANSIT_S = 3.0

_ENDPOINT = re.compile(r"^(?P<endpoint>.+?)(?:-[0-9a-f]{8})?(?:;[12])?$")


def endpoint_of(channel: str) -> str:
    """The technology and endpoint of a channel's name: `PJSIP/201-0000002a` is `PJSIP/201`."""
    match = _ENDPOINT.match(channel)
    return match["endpoint"] if match else channel


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel that is an agent's."""

    agent: str
    interface: str
    queue: str | None
    via: Literal["queue", "transfer", "dial"]


class AgentNames:
    """What agents are called: by their queues, or by the site's regular expression."""

    def __init__(self, pattern: re.Pattern[str] | None = None) -> None:
        self._pattern = pattern
        self._known: dict[str, str] = {}

    def of_member(self, member: str, interface: str) -> str:
        """The agent that a queue's member is."""
        if self._pattern:
            for text in (member, interface):
                if match := self._pattern.search(text):
                    return match[1]
        return member or interface

    def of_endpoint(self, endpoint: str) -> str:
        """The agent at an endpoint, of whom a transfer tells nothing else."""
        return self._known.get(endpoint) or self.of_member("", endpoint)

    def learn(self, interface: str, agent: str) -> None:
        """A queue told whose interface this is."""
        self._known[interface] = agent


@dataclass(slots=True)
class TrackedCall:
    """What the tracker holds of one call."""

    call_id: str
    channel: str
    started_at: float
    queue: str | None = None
    caller: str = ""
    uniqueid: str = ""
    """The customer's channel now; the call's id unless the customer moved."""
    on_hold: bool = False
    abandoned: bool = False
    legs: dict[str, Leg] = field(default_factory=dict)
    """Agents by their leg's Uniqueid: all that a queue announced or that had a segment."""
    stands_for: dict[str, str] = field(default_factory=dict)
    """Real channel behind a queue's Local member, to that Local leg."""
    left: dict[str, float] = field(default_factory=dict)
    """Legs that left the customer and are in no bridge yet, and when they left."""
    open: dict[str, Segment] = field(default_factory=dict)
    """Open segments by the agent leg's Uniqueid."""
    segments: int = 0
    """How many segments were ever opened."""
    moving: str | None = None
    """The Local channel that is just being optimised away: who is where is not settled."""

    def __post_init__(self) -> None:
        self.uniqueid = self.uniqueid or self.call_id

    def settle(self, bridges: Bridges, names: AgentNames, at: float, reason: str) -> list[CallChange]:
        """Close and open segments so that they equal who can hear the customer now."""
        if self.moving:
            return []
        agents = self._agents(bridges, names, at)
        changes: list[CallChange] = []
        for leg in [leg for leg in self.open if leg not in agents]:
            closed = replace(self.open.pop(leg), ended_at=at, end_reason=reason)
            changes.append(SegmentClosed(closed))
            self.left[leg] = at
        if self.on_hold and not self.open:
            self.on_hold = False
            changes.insert(0, HoldChanged(self.call_id, at, False))
        for leg, who in agents.items():
            if leg in self.open:
                continue
            if leg not in self.legs:
                self.legs[leg] = who
                changes.append(AgentConnected(self.call_id, at, who.agent, who.interface, "", 0.0, leg))
            segment = Segment(
                self.call_id, self.segments, who.agent, who.interface, who.queue, who.via, started_at=at
            )
            self.segments += 1
            self.open[leg] = segment
            self.left.pop(leg, None)
            changes.append(SegmentOpened(segment))
        return changes

    def _agents(self, bridges: Bridges, names: AgentNames, at: float) -> dict[str, Leg]:
        """The agents in conversation with the customer, by leg."""
        if self.queue is None:
            return {}  # not a queue's call: nobody is graded for it
        known: dict[str, Leg] = {}
        strangers: list[Party] = []
        for party in bridges.heard_by(self.uniqueid):
            leg = self._leg_of(party, names)
            if leg in self.legs:
                known[leg] = self.legs[leg]
            elif leg is not None:
                strangers.append(party)
        in_transit = any(at - left < TRANSIT_S for left in self.left.values())
        if known or in_transit or not strangers:
            return known
        took_over = strangers[0]
        endpoint = endpoint_of(took_over.channel)
        return {took_over.uniqueid: Leg(names.of_endpoint(endpoint), endpoint, None, "transfer")}

    def _leg_of(self, party: Party, names: AgentNames) -> str | None:
        """The agent's leg that somebody in the conversation belongs to; None: nobody is there."""
        member = party.local if party.local in self.legs else None
        if party.bare:
            # A member may be an application; with nobody behind any more, it is a voicemail box.
            return member if member not in self.stands_for.values() else None
        if member and party.uniqueid not in self.stands_for and member not in self.stands_for.values():
            self.stands_for[party.uniqueid] = member
            names.learn(endpoint_of(party.channel), self.legs[member].agent)
        return self.stands_for.get(party.uniqueid, party.uniqueid)

    def set_hold(self, at: float, on_hold: bool) -> list[CallChange]:
        """The customer was put on hold or taken back; nothing if that is known."""
        if self.on_hold == on_hold:
            return []
        self.on_hold = on_hold
        return [HoldChanged(self.call_id, at, on_hold)]

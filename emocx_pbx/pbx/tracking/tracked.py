"""One call as the tracker holds it: who is with the customer, and whose segment that is.

Whose segment it is: of agents whom a queue announced (AgentConnect), or who took over by a transfer.
Whoever joins while such an agent is there (a supervisor in a conference) has no segment until that
agent is gone. Somebody behind a queue's Local member has the member's name, also after the Local was
optimised away; who comes behind it later took over by a transfer; who picked it up is that colleague.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from emocx_pbx.call_ids import uniqueid_of
from emocx_pbx.pbx.tracking.bridges import Bridges, Party
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    AgentJoined,
    AgentLeft,
    CallChange,
    Left,
    QueueJoined,
    QueueLeft,
    SegmentEnd,
    Via,
)
from emocx_pbx.pbx.tracking.names import AgentNames, endpoint_of, telephone_of

__all__ = ["AgentNames", "Consult", "Ending", "Leg", "TrackedCall", "connected", "endpoint_of"]

#: An agent between two bridges (moved into a conference) is not gone yet; normally some milliseconds.
TRANSIT_S = 3.0
#: Technologies whose channels are named exactly as a member's interface.
_EXACT = frozenset({"PJSIP", "SIP", "IAX2"})


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel that is an agent's."""

    agent: str
    interface: str
    queue: str | None
    via: Via
    asked_at: float | None = None
    """When a colleague, not the customer, joined the queue for this agent."""
    hold_s: float = 0.0


def connected(event: Mapping[str, str], queue: str | None, names: AgentNames, picked: Set[str]) -> Leg:
    """Who AgentConnect connected: the member that rang, unless a colleague picked it up."""
    channel = event.get("DestChannel", "")
    endpoint = endpoint_of(channel)
    technology = endpoint.partition("/")[0]
    rang = telephone_of(event.get("Interface", ""))
    # The event Pickup may come later than this one.
    other = technology in _EXACT and rang.startswith(f"{technology}/") and rang != endpoint
    if other or event.get("DestUniqueid", "") in picked:
        return Leg(names.of_endpoint(endpoint), endpoint, queue, "queue")
    name, interface = event.get("MemberName", ""), event.get("Interface", "")
    if not (name and interface) and (member := names.member(queue or "", channel)):
        name, interface = member.name, member.interface
    interface = interface or endpoint
    agent = names.of_member(name, interface) if name else names.of_endpoint(interface)
    return Leg(agent, interface, queue, "queue")


@dataclass(slots=True)
class Consult:
    """An agent's own channel in a queue: somebody to hand a customer over to, perhaps."""

    queue: str
    at: float
    channel: str
    position: int = 0
    waiting: bool = True


@dataclass(frozen=True, slots=True)
class Ending:
    """Why agents leave the customer just now."""

    reason: SegmentEnd
    to: str | None = None
    certain: bool = True


@dataclass(slots=True)
class TrackedCall:
    """What the tracker needs to follow one call through the PBX; what a call is, CallState keeps."""

    call_id: str
    channel: str
    started_at: float
    queue: str | None = None
    """The queue it joined last: events leave it out at times."""
    caller: str = ""
    uniqueid: str = ""
    """The customer's channel now; that of the call's id unless the customer moved."""
    linkedid: str = ""
    callback: bool = False
    """We called the customer."""
    dialled: str = ""
    """How dialling ended, in Asterisk's word."""
    internal: bool = False
    """An agent's own call: nobody is a customer of it."""
    doubtful: bool = False
    """There is, or may be, an agent where the customer should be."""
    place: tuple[str, str] = ("", "")
    """Context and extension of the customer's channel when it joined a queue or a bridge."""
    waiting: bool = False
    """Waits in `queue`."""
    leaves: Left | None = None
    """How the customer is about to leave the queue unanswered."""
    left_queue_at: float | None = None
    """When the customer left the queue unanswered."""
    transfer: Ending | None = None
    """A blind transfer that is just being done."""
    legs: dict[str, Leg] = field(default_factory=dict)
    """Agents by their leg's Uniqueid: all that a queue announced or that had a segment."""
    stands_for: dict[str, str] = field(default_factory=dict)
    """Real channel behind a queue's Local member, to that Local leg."""
    left: dict[str, float] = field(default_factory=dict)
    """Legs that left the customer and are in no bridge yet, and when they left."""
    open: dict[str, Leg] = field(default_factory=dict)
    """Legs with the customer now."""
    unexplained: dict[str, str] = field(default_factory=dict)
    """Legs that left for a reason that is yet to show, to who left first: customer or agent."""
    parted_at: float = 0.0
    """When the last agent left."""
    moving: str | None = None
    """The Local channel that is just being optimised away: who is where is not settled."""
    met: int = 0
    """By how many agents' channels the call can be found (callers.py)."""

    def __post_init__(self) -> None:
        self.uniqueid = self.uniqueid or uniqueid_of(self.call_id)

    def settle(
        self,
        bridges: Bridges,
        names: AgentNames,
        at: float,
        why: Ending,
        announced: Mapping[str, Leg],
        picked: Set[str],
        missed_s: float = 0.0,
    ) -> list[CallChange]:
        """Tell of agents who left and joined, so that they equal who can hear the customer now."""
        if self.moving:
            return []
        agents = self._agents(bridges, names, at, announced, picked)
        changes: list[CallChange] = []
        for leg in [leg for leg in self.open if leg not in agents]:
            del self.open[leg]
            changes.append(AgentLeft(self.call_id, at, leg, why.reason, why.to, why.certain))
            self.left[leg] = self.parted_at = at
        for leg, who in agents.items():
            if leg in self.open:
                continue
            if leg not in self.legs:
                self.legs[leg] = who
                changes += self._announced(leg, who, at)
            self.open[leg] = who
            self.left.pop(leg, None)
            if self.waiting:
                self.waiting = False
                changes.append(QueueLeft(self.call_id, at, self.queue or "", "answered"))
            joined = AgentJoined(
                self.call_id, at, leg, who.agent, who.interface, who.queue, who.via, missed_s
            )
            changes.append(joined)
        return changes

    def _announced(self, leg: str, who: Leg, at: float) -> list[CallChange]:
        """Someone no event of this call told of: took over by a transfer, or was asked through a queue."""
        changes: list[CallChange] = []
        if who.asked_at is not None and who.queue:
            self.queue = who.queue
            changes.append(QueueJoined(self.call_id, who.asked_at, who.queue, 0))
            changes.append(QueueLeft(self.call_id, who.asked_at + who.hold_s, who.queue, "answered"))
        queue = (who.queue or "") if who.via == "queue" else ""
        return [
            *changes,
            AgentConnected(self.call_id, at, who.agent, who.interface, queue, who.hold_s, leg),
        ]

    def real(self, leg: str) -> set[str]:
        """Channels at which the agent of a leg may be: the leg, and who is behind it."""
        return {leg} | {uniqueid for uniqueid, local in self.stands_for.items() if local == leg}

    def _agents(
        self,
        bridges: Bridges,
        names: AgentNames,
        at: float,
        announced: Mapping[str, Leg],
        picked: Set[str],
    ) -> dict[str, Leg]:
        """The agents in conversation with the customer, by leg."""
        if self.queue is None or self.internal:
            return {}  # not a customer's queue call: nobody is graded for it
        known: dict[str, Leg] = {}
        strangers: list[Party] = []
        for party in bridges.connected_with(self.uniqueid):
            leg = self._leg_of(party, names, picked)
            who = self.legs.get(leg or "") or announced.get(leg or "")
            if leg is None:
                continue
            if who is None and (party.uniqueid in picked or self.waiting):
                # A colleague picked it up, or it was answered while we were away.
                who = self._stranger(party, names, "queue")
            if who is not None:
                known[leg] = who
            else:
                strangers.append(party)
        in_transit = any(at - left < TRANSIT_S for left in self.left.values())
        if known or in_transit or not strangers:
            return known
        took_over = strangers[0]
        return {took_over.uniqueid: self._stranger(took_over, names, "transfer")}

    def _stranger(self, party: Party, names: AgentNames, via: Via) -> Leg:
        endpoint = endpoint_of(party.channel)
        queue = self.queue if via == "queue" else None
        member = names.member(queue or "", party.channel) if via == "queue" else None
        interface = member.interface if member else endpoint
        return Leg(names.of_endpoint(endpoint), interface, queue, via)

    def _leg_of(self, party: Party, names: AgentNames, picked: Set[str]) -> str | None:
        """The agent's leg that somebody in the conversation belongs to; None: nobody is there."""
        if party.uniqueid in picked:
            return party.uniqueid  # not the member who rang
        member = party.local if party.local in self.legs else None
        if party.bare:
            # A member may be an application; with nobody behind any more, it is a voicemail box.
            return member if member not in self.stands_for.values() else None
        if member and party.uniqueid not in self.stands_for and member not in self.stands_for.values():
            self.stands_for[party.uniqueid] = member
            names.learn(endpoint_of(party.channel), self.legs[member].agent)
        return self.stands_for.get(party.uniqueid, party.uniqueid)

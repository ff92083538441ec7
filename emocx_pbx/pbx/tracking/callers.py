"""Who is a customer: which call a channel belongs to, and which channels are agents' own. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emocx_pbx.call_ids import call_id_of
from emocx_pbx.pbx.tracking.bridges import Bridges, is_nobody, other_half
from emocx_pbx.pbx.tracking.index import CallIndex
from emocx_pbx.pbx.tracking.names import AgentNames
from emocx_pbx.pbx.tracking.tracked import Consult, Leg, TrackedCall

Event = Mapping[str, str]


@dataclass(slots=True)
class Callers:
    """Calls by the channels that speak for their customers, and agents who ask colleagues."""

    bridges: Bridges
    names: AgentNames
    pbx: str = ""
    """Name of the PBX; "": without."""
    calls: dict[str, TrackedCall] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    """Channel that speaks for a customer, to call_id."""
    consults: dict[str, Consult] = field(default_factory=dict)
    """Agents' own channels in queues, by Uniqueid."""
    announced: dict[str, Leg] = field(default_factory=dict)
    """Colleagues connected to such a channel, by their leg."""
    channels: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name and caller's number of every channel, by Uniqueid."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """Of calls, in the order in which they came."""
    _newest: int = 0
    _spoken_for: CallIndex = field(default_factory=CallIndex)
    """By the channels in `customers`, and those that the customer was in."""
    _agents: CallIndex = field(default_factory=CallIndex)
    """By their agents' legs, and by the channels behind these."""
    _locals: CallIndex = field(default_factory=CallIndex)
    """By the name of the Local channel that the customer is in."""
    _linkedids: CallIndex = field(default_factory=CallIndex)
    _moving: CallIndex = field(default_factory=CallIndex)
    """By the Local channel that is being optimised away."""
    _unseen: set[str] = field(default_factory=set)
    """Calls that are yet to be asked for who is behind them."""
    _known: int = 0
    """Telephones and numbers of agents when all calls were asked last."""

    def add(self, call: TrackedCall) -> None:
        """Know a call."""
        self.calls[call.call_id] = call
        self._newest += 1
        self._numbers.setdefault(call.call_id, self._newest)
        self.speaks_for(call.uniqueid, call)
        self.is_in(call)
        self.served(call)

    def remove(self, call_id: str) -> None:
        """The call is over."""
        self.calls.pop(call_id, None)
        self._numbers.pop(call_id, None)
        self._unseen.discard(call_id)
        for uniqueid in self._spoken_for.keys_of(call_id):
            if self.customers.get(uniqueid) == call_id:
                del self.customers[uniqueid]
        for index in (self._spoken_for, self._agents, self._locals, self._linkedids, self._moving):
            index.remove(call_id)

    def speaks_for(self, uniqueid: str, call: TrackedCall) -> None:
        """A channel stands for the call's customer."""
        self.customers[uniqueid] = call.call_id
        self._spoken_for.add(uniqueid, call.call_id)

    def is_in(self, call: TrackedCall) -> None:
        """The customer is in the channel that the call names, and of its Linkedid."""
        self._linkedids.add(call.linkedid, call.call_id)
        if other_half(call.channel):
            self._locals.add(call.channel, call.call_id)
            self._unseen.add(call.call_id)

    def served(self, call: TrackedCall) -> None:
        """Know the call by its agents' channels, where there are new ones."""
        met = len(call.legs) + len(call.stands_for)
        if met != call.met and self.calls.get(call.call_id) is call:
            call.met = met
            for channel in (*call.legs, *call.stands_for):
                self._agents.add(channel, call.call_id)

    # Calls that an event may be about, in the order in which they came: to be looked at closer.

    def served_at(self, *channels: str) -> list[TrackedCall]:
        """Calls that have or had an agent at one of these."""
        return self._in_order(self._agents.find(channels))

    def spoken_for_at(self, *channels: str) -> list[TrackedCall]:
        """Calls whose customer is in one of these."""
        found = self._in_order(self._spoken_for.find(channels))
        return [call for call in found if call.uniqueid in channels]

    def moving_by(self, local: str) -> list[TrackedCall]:
        """Calls of which this Local channel is being optimised away."""
        return [call for call in self._in_order(self._moving.find([local])) if call.moving == local]

    def perhaps_agents(self, bridge: str) -> list[TrackedCall]:
        """Calls behind whose Local channel an agent may have come to light as somebody joined this bridge.

        Those in conversation with it; those never asked for; and all such as soon as more agents are known.
        """
        if self._known != self.names.known:
            self._known, self._unseen = self.names.known, set()
            return self._in_order(self._locals.all())
        halves = [half for name in self.bridges.linked_names(bridge) if (half := other_half(name))]
        unseen, self._unseen = self._unseen, set()
        return self._in_order(self._locals.find(halves) | unseen)

    def _in_order(self, call_ids: Iterable[str]) -> list[TrackedCall]:
        known = [call_id for call_id in call_ids if call_id in self.calls]
        return [self.calls[call_id] for call_id in sorted(known, key=self._numbers.__getitem__)]

    def begun_in(self, uniqueid: str) -> TrackedCall | None:
        """The call that is named after this channel."""
        return self.calls.get(call_id_of(self.pbx, uniqueid))

    def of(self, event: Event) -> TrackedCall | None:
        """The call of the event's channel."""
        return self.calls.get(self.customers.get(event.get("Uniqueid", ""), ""))

    def behind(self, uniqueid: str, channel: str) -> TrackedCall | None:
        """The call whose customer is at the other end of a Local channel.

        An agent behind a Local member who transfers into a queue sends the Local there, not the customer.
        """
        far = self.bridges.beyond(channel)
        for party in self.bridges.connected_with(far) if far else []:
            if call_id := self.customers.get(party.local or party.uniqueid):
                self.speaks_for(uniqueid, self.calls[call_id])
                return self.calls[call_id]
        return None

    def linked(self, event: Event) -> TrackedCall | None:
        """The call that a Local channel was dialled for, before any agent had to do with it."""
        if not event.get("Channel", "").startswith("Local/"):
            return None
        call = self._linked(event)
        return None if call is None or call.legs else call

    def is_agents(self, event: Event) -> bool:
        """Whether a channel that joined a queue is an agent's: of a telephone that a queue has as a member's,
        a Local channel to such a telephone or with one behind it, or one of a call that an agent is in.
        """
        uniqueid, channel = event.get("Uniqueid", ""), event.get("Channel", "")
        if self.names.is_agent(channel, event.get("CallerIDNum", "")):
            return True
        if not channel.startswith("Local/"):
            return False
        if self.names.rings_agent(channel):
            return True
        if self.agent_behind(channel):
            return True
        if (call := self._linked(event)) is not None and call.legs:
            return True
        linkedid = event.get("Linkedid", "")
        return linkedid != uniqueid and self.names.is_agent(*self.channels.get(linkedid, ("", "")))

    def agent_behind(self, channel: str) -> bool:
        """Whether an agent is at the other end of a Local channel."""
        return any(self.names.is_agent(*named) for named in self._behind(channel))

    def may_be_agents(self, call: TrackedCall) -> bool:
        """Whether there may be an agent where a customer should be, at the call's channel or behind it."""
        named = [(call.channel, call.caller), *self._behind(call.channel)]
        return any([self.names.may_be_agent(*one) for one in named])

    def _behind(self, channel: str) -> list[tuple[str, str]]:
        """Names and numbers of the channels at the other end of a Local one."""
        far = self.bridges.beyond(channel)
        parties = self.bridges.connected_with(far) if far else []
        return [(p.channel, self.channels.get(p.uniqueid, ("", ""))[1]) for p in parties]

    def _linked(self, event: Event) -> TrackedCall | None:
        linkedid = event.get("Linkedid", "")
        if not linkedid or linkedid == event.get("Uniqueid"):
            return None
        known = self.begun_in(linkedid) or self.of({"Uniqueid": linkedid})
        if known:
            return known
        found = self._in_order(self._linkedids.find([linkedid]))
        return next((call for call in found if call.linkedid == linkedid), None)

    def unknown(self, channels: Iterable[Event]) -> list[Event]:
        """Channels in Queue() that no call knows to be in one, the first of their Linkedid first.

        A call may have asked for a decision, which needs no link, and joined its queue unseen.
        """
        found = [
            channel
            for channel in channels
            if channel.get("Application") == "Queue"
            and ((call := self.of(channel)) is None or call.queue is None)
            and channel.get("Uniqueid") not in self.consults
        ]
        return sorted(found, key=lambda channel: channel.get("Uniqueid") != channel.get("Linkedid"))

    def concerned(self, bridge: str) -> list[TrackedCall]:
        """Calls that a change in this bridge may concern."""
        ids = {self.customers.get(uniqueid, "") for uniqueid in self.bridges.linked(bridge)}
        return [self.calls[call_id] for call_id in sorted(ids) if call_id in self.calls]

    def optimising(self, event: Event) -> list[TrackedCall]:
        """A Local channel is being optimised away: who is where is not settled.

        Returns:
            Calls whose customer moved.
        """
        moved: list[TrackedCall] = []
        for half in ("LocalOne", "LocalTwo"):
            uniqueid, channel = event.get(f"{half}Uniqueid", ""), event.get(f"{half}Channel", "")
            far = self.bridges.beyond(channel)
            # Anywhere in the conversation, not only next to the customer.
            for call in self.spoken_for_at(uniqueid, *self.bridges.linked_to(uniqueid)):
                if uniqueid == call.uniqueid and far and (behind := self.bridges.connected_with(far)):
                    call.uniqueid, call.channel = behind[0].uniqueid, behind[0].channel
                    self.speaks_for(call.uniqueid, call)
                    self.is_in(call)
                    moved.append(call)
                elif uniqueid not in self.bridges.linked_to(call.uniqueid):
                    continue
                call.moving = event.get("LocalOneUniqueid")
                self._moving.add(call.moving, call.call_id)
        return moved

    def exists(self, event: Event) -> None:
        """A channel came to be."""
        if not is_nobody(event.get("Channel", "")):
            named = event.get("Channel", ""), event.get("CallerIDNum", "")
            self.channels[event.get("Uniqueid", "")] = named

    def gone(self, uniqueid: str) -> None:
        """A channel is no more."""
        self.channels.pop(uniqueid, None)
        self.customers.pop(uniqueid, None)
        self.consults.pop(uniqueid, None)
        self.announced.pop(uniqueid, None)

    def restart(self, channels: Iterable[Event]) -> None:
        """Know no other channels than these."""
        self._known = -1  # who is with whom may be new everywhere
        self.channels.clear()
        for channel in channels:
            self.exists(channel)
        self.consults = {u: consult for u, consult in self.consults.items() if u in self.channels}
        self.announced = {u: leg for u, leg in self.announced.items() if u in self.channels}

"""Which calls are going on, and who talks with whom: a pure tracker fed with AMI events.

Sources: Asterisk's AMI v2 specification (bridges, channel snapshots) and app_queue's events; every
rule here is one that a real Asterisk made necessary (tests/pbx_real).
A call is a customer's channel that joined a queue (or asked for a decision); its id is made of that
channel's Uniqueid (call_ids.py). An agent's segment lasts while agent and customer can hear each other:
AgentComplete comes late or not at all after transfers, so bridges are the truth.

Who is a customer: whoever joins a queue, but for agents' telephones and for a Local channel that an
agent, not the customer, is behind (callers.py). Such a channel consults a colleague; after a
hand-over the colleague is adopted into the customer's call. A caller who may be an agent (names.py) is
told as a call, and is neither tapped nor graded: doubt never costs a call, and never hears an agent.

What a call is, CallState keeps. Here is only what the next event can't be read without: the queue a channel
is in (events leave it out at times, and without one nobody in a bridge is an agent), the legs in a bridge
with it (to tell who came and who left), and by which channels either side is reached. Asterisk's Hold names
the agent's leg alone, and CallState knows a leg's segment, not the channels behind it. Holds are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from emocx_pbx.call_ids import call_id_of
from emocx_pbx.pbx.tracking.bridges import HOLDING, Bridges, other_half
from emocx_pbx.pbx.tracking.callbacks import dialled, outcome_of
from emocx_pbx.pbx.tracking.callers import Callers
from emocx_pbx.pbx.tracking.changes import (
    AgentConnected,
    CallbackDialled,
    CallChange,
    CallEnded,
    CallStarted,
    CustomerMoved,
    EndReason,
    HoldChanged,
    NotACustomer,
    QueueJoined,
    QueueLeft,
)
from emocx_pbx.pbx.tracking.endings import Endings
from emocx_pbx.pbx.tracking.tracked import AgentNames, Consult, Ending, Leg, TrackedCall, connected

Event = Mapping[str, str]


class Following:
    """Turns AMI events, in their order, into changes of calls."""

    def __init__(self, agent_name: re.Pattern[str] | None = None, pbx: str = "") -> None:
        """`pbx` is the name of the PBX whose events these are; ids of its calls begin with it."""
        self.pbx = pbx
        self.names = AgentNames(agent_name)
        self._bridges = Bridges()
        self._callers = Callers(self._bridges, self.names, pbx)
        self._endings = Endings()
        self._picked: set[str] = set()
        """Channels of colleagues who picked up what rang elsewhere."""

    @property
    def calls(self) -> Mapping[str, TrackedCall]:
        """Calls that have not ended, by call_id."""
        return self._callers.calls

    def feed(self, event: Event, at: float) -> list[CallChange]:
        """Changes that follow from one AMI event received at `at` (Unix seconds)."""
        handler = _HANDLERS.get(event.get("Event", ""))
        return handler(self, event, at) if handler else []

    def speakers(self, call_id: str) -> list[str]:
        """Channels that may know what the customer wants: their own, and who is behind a Local one."""
        call = self.calls.get(call_id)
        if call is None:
            return []
        far = self._bridges.beyond(call.channel)
        return [call.channel, *(p.channel for p in (self._bridges.connected_with(far) if far else []))]

    # Queues.

    def _queue_join(self, event: Event, at: float) -> list[CallChange]:
        uniqueid, channel = event.get("Uniqueid", ""), event.get("Channel", "")
        queue, position = event.get("Queue", ""), int(event.get("Position") or 0)
        call = self._callers.of(event) or self._callers.behind(uniqueid, channel)
        if call is None and (call := self._callers.linked(event)) is not None:
            self._callers.speaks_for(uniqueid, call)
        if call is None and self._callers.is_agents(event):
            self._callers.consults[uniqueid] = Consult(queue, at, channel, position)
            return []
        if call is None:
            call_id = call_id_of(self.pbx, uniqueid)
            call = TrackedCall(call_id, channel, at, caller=event.get("CallerIDNum", ""))
            self._callers.add(call)
        if call.internal:
            return []
        call.linkedid = event.get("Linkedid", "")
        self._callers.is_in(call)
        return [*self._goes_on(call, event), *self._enters(call, queue, position, event, at)]

    def _enters(
        self, call: TrackedCall, queue: str, position: int, event: Event, at: float
    ) -> list[CallChange]:
        changes: list[CallChange] = []
        if call.queue is None:
            if call.callback:
                changes.append(CallbackDialled(call.call_id, "answered"))
            call.channel = call.channel or event.get("Channel", "")
            self._callers.is_in(call)
            changes.append(CallStarted(call.call_id, at, call.channel, queue, call.caller))
            if not call.callback and self._callers.may_be_agents(call):
                changes += self._doubt(call)
        call.queue, call.waiting, call.leaves = queue, True, None
        call.left_queue_at = None
        call.place = event.get("Context", ""), event.get("Exten", "")
        changes.append(QueueJoined(call.call_id, at, queue, position))
        return changes

    def _abandon(self, event: Event, at: float) -> list[CallChange]:
        """Told of every caller who leaves unanswered, whatever the reason."""
        if call := self._callers.of(event):
            call.leaves = self._endings.of_wait(call, event)
        return []

    def _queue_leave(self, event: Event, at: float) -> list[CallChange]:
        if consult := self._callers.consults.get(event.get("Uniqueid", "")):
            consult.waiting = False
        call = self._callers.of(event)
        if call is None or not call.waiting:
            return []
        call.waiting = False
        call.leaves = call.leaves or self._endings.by_exit(call, event)
        if call.leaves is not None:
            call.left_queue_at = at
        queue = event.get("Queue", "") or call.queue or ""
        return [QueueLeft(call.call_id, at, queue, call.leaves or "answered")]

    def _agent_connect(self, event: Event, at: float) -> list[CallChange]:
        self.names.met(event)
        uniqueid, leg = event.get("Uniqueid", ""), event.get("DestUniqueid", "")
        call = self._callers.of(event) or self._callers.behind(uniqueid, event.get("Channel", ""))
        consult = self._callers.consults.get(uniqueid)
        hold_s = float(event.get("HoldTime") or 0)
        known = call.queue if call else consult.queue if consult else None
        who = connected(event, event.get("Queue", "") or known, self.names, self._picked)
        if call is None:
            if consult is not None:
                asked = Leg(who.agent, who.interface, who.queue, "queue", consult.at, hold_s)
                self._callers.announced[leg] = asked
            return []
        if call.internal:
            return []
        call.legs[leg] = who
        found = AgentConnected(call.call_id, at, who.agent, who.interface, who.queue or "", hold_s, leg)
        return [found, *self._settle(call, at)]

    # Bridges.

    def _bridge_enter(self, event: Event, at: float) -> list[CallChange]:
        channel, uniqueid, bridge = (event.get(k, "") for k in ("Channel", "Uniqueid", "BridgeUniqueid"))
        changes: list[CallChange] = []
        if (call := self._callers.of(event)) is not None and call.uniqueid == uniqueid:
            changes += self._goes_on(call, event)
            call.place = event.get("Context", ""), event.get("Exten", "")
        if event.get("BridgeTechnology") != HOLDING:
            self._bridges.enter(bridge, uniqueid, channel)
        changes += [*self._adopted(at), *self._agents_behind(bridge)]
        for call in self._callers.concerned(bridge):
            changes += self._settle(call, at)
        return [*changes, *self._gone(uniqueid, at)]

    def _bridge_leave(self, event: Event, at: float) -> list[CallChange]:
        uniqueid, bridge = event.get("Uniqueid", ""), event.get("BridgeUniqueid", "")
        concerned = self._callers.concerned(bridge)
        self._bridges.leave(bridge, uniqueid)
        changes: list[CallChange] = []
        for call in concerned:
            changes += self._settle(call, at, self._endings.of_segment(call, event))
        return changes

    def _agents_behind(self, bridge: str) -> list[CallChange]:
        """Who is at the other end of a Local channel may show only after it joined a queue."""
        changes: list[CallChange] = []
        for call in self._callers.perhaps_agents(bridge):
            first = not call.parted_at and not call.callback and call.queue is not None
            if first and not call.doubtful and self._callers.agent_behind(call.channel):
                changes += self._doubt(call)
        return changes

    def _doubt(self, call: TrackedCall) -> list[CallChange]:
        """The call is told of, as a customer may be handed over to it, and never heard."""
        call.doubtful = True
        return [NotACustomer(call.call_id)]

    def _adopted(self, at: float) -> list[CallChange]:
        """A customer was handed over to a queue in which an agent waited for a colleague."""
        changes: list[CallChange] = []
        for uniqueid, consult in list(self._callers.consults.items()):
            if not consult.waiting:
                continue
            call = self._callers.behind(uniqueid, consult.channel)
            if call is not None and not call.internal:
                del self._callers.consults[uniqueid]
                changes += self._enters(call, consult.queue, consult.position, {}, at)
        return changes

    def _settle(
        self, call: TrackedCall, at: float, why: Ending | None = None, missed_s: float = 0.0
    ) -> list[CallChange]:
        why = why or Ending("redirected")
        changes = call.settle(
            self._bridges, self.names, at, why, self._callers.announced, self._picked, missed_s
        )
        self._callers.served(call)
        self._answered(call)
        return [*self._endings.settled(call, changes), *changes]

    def _answered(self, call: TrackedCall) -> None:
        """Where agents of this call are is an agent's telephone, whatever the queues say of it.

        Behind a Local member the telephone may come to light only after the segment began.
        """
        for leg in call.open:
            for channel in call.real(leg):
                self.names.answered(self._callers.channels.get(channel, ("", ""))[0])

    def _goes_on(self, call: TrackedCall, event: Event) -> list[CallChange]:
        """The customer is somewhere else: it was not the customer who hung up."""
        return self._endings.explain(call, "customer", Ending("redirected", event.get("Exten") or None))

    def _gone(self, uniqueid: str, at: float) -> list[CallChange]:
        """A channel that was between bridges is no longer: whoever is with the customer may take over."""
        changes: list[CallChange] = []
        for call in self._callers.served_at(uniqueid):
            if call.left.pop(call.stands_for.get(uniqueid, uniqueid), None) is not None:
                changes += self._settle(call, at)
        return changes

    # Transfers.

    def _blind_transfer(self, event: Event, at: float) -> list[CallChange]:
        calls = self._callers.served_at(event.get("TransfererUniqueid", ""))
        self._endings.blind(calls, event)
        return []

    def _attended_transfer(self, event: Event, at: float) -> list[CallChange]:
        if event.get("Result", "Success") != "Success":
            return []
        transferers = {event.get(f"{one}TransfererUniqueid", "") for one in ("Orig", "Second")}
        changes: list[CallChange] = []
        met = self._callers.served_at(*transferers)
        served = [c for c in met if any(c.real(leg) & transferers for leg in c.legs)]
        for call in served:
            changes += self._endings.transferred(call, transferers)
        for call in self._callers.spoken_for_at(*transferers):
            # An agent's second line, from a telephone that no queue told us of, was no customer.
            if any(other is not call for other in served):
                self._callers.announced.update(call.legs)
                call.internal = True
                changes += [NotACustomer(call.call_id), *self._settle(call, at, Ending("attended_transfer"))]
        for call in served:
            changes += self._settle(call, at)
        return changes

    def _parked(self, event: Event, at: float) -> list[CallChange]:
        parkee = event.get("ParkeeUniqueid", "")
        call = self._callers.of({"Uniqueid": parkee})
        call = call or self._callers.behind(parkee, event.get("ParkeeChannel", ""))
        space = event.get("ParkingSpace") or None
        return self._endings.parked(call, Ending("parked", space)) if call else []

    # Local channels optimised away.

    def _optimising(self, event: Event, at: float) -> list[CallChange]:
        moved = self._callers.optimising(event)
        return [CustomerMoved(call.call_id, at, call.channel, call.uniqueid) for call in moved]

    def _optimised(self, event: Event, at: float) -> list[CallChange]:
        changes: list[CallChange] = []
        for call in self._callers.moving_by(event.get("LocalOneUniqueid", "")):
            call.moving = None
            changes += self._settle(call, at)
        return changes

    # The rest.

    def _hold(self, event: Event, at: float) -> list[CallChange]:
        """Music plays to the customer's channel; Hold is told of the agent's leg that asked for it."""
        name, uniqueid = event["Event"], event.get("Uniqueid", "")
        on_hold = name in {"Hold", "MusicOnHoldStart"}
        if name.startswith("Music"):
            call = self._callers.of(event)
            return [HoldChanged(call.call_id, at, on_hold)] if call and call.open else []
        for call in self._callers.served_at(uniqueid):
            if call.stands_for.get(uniqueid, uniqueid) in call.open:
                return [HoldChanged(call.call_id, at, on_hold)]
        return []

    def _noted(self, event: Event, at: float) -> list[CallChange]:
        """What only later events make anything of."""
        match event["Event"]:
            case "Newchannel":
                self._callers.exists(event)
            case "Pickup":
                self._picked.add(event.get("Uniqueid", ""))
            case "HangupRequest":
                self._endings.asked(event.get("Uniqueid", ""))
            case _:
                self.names.met(event)
        return []

    def _dial_end(self, event: Event, at: float) -> list[CallChange]:
        if event.get("DialStatus") == "ANSWER":
            self._bridges.answered(event.get("Channel", ""))
            self._answered_for_another(event)
        call = self._callers.begun_in(event.get("Linkedid") or event.get("DestLinkedid", ""))
        if call is not None and call.callback and call.queue is None:
            call.dialled = dialled(call.call_id, call.dialled, event)
        return []

    def _answered_for_another(self, event: Event) -> None:
        """Who answers a Local member's dialling without having been called for it, picked it up.

        A channel that is called has the caller's Linkedid from its start; a colleague's is its own. The event
        Pickup, of another thread of Asterisk's, may come when both already talk.
        """
        picker, linkedid = event.get("DestUniqueid", ""), event.get("DestLinkedid", "")
        if other_half(event.get("Channel", "")) and picker == linkedid != event.get("Linkedid", ""):
            self._picked.add(picker)

    def _hangup(self, event: Event, at: float) -> list[CallChange]:
        uniqueid = event.get("Uniqueid", "")
        changes = [*self._optimised({"LocalOneUniqueid": uniqueid}, at), *self._gone(uniqueid, at)]
        for call in self._callers.served_at(uniqueid):
            changes += self._endings.hung_up(call, uniqueid)
        for call in self._callers.spoken_for_at(uniqueid):
            if call.callback and call.queue is None:
                changes.append(outcome_of(call.call_id, call.dialled, event))
            changes += self._endings.given_up(call, event, at)
            changes += self._end(call, at, "hangup")
        self._callers.gone(uniqueid)
        self._endings.gone(uniqueid)
        self._picked.discard(uniqueid)
        self._bridges.gone(event.get("Channel", ""))
        return changes

    def _end(self, call: TrackedCall, at: float, reason: EndReason) -> list[CallChange]:
        self._callers.remove(call.call_id)
        by = self._endings.who_hung_up(call, at) if reason == "hangup" else None
        call.queue = call.moving = None  # nobody is an agent of it any more
        why = Ending("customer_hung_up" if by != "system" else "redirected") if reason == "hangup" else None
        changes = self._settle(call, at, why or Ending("lost" if reason == "lost" else "asterisk_restart"))
        if reason == "hangup":
            changes += self._endings.closed(call, self._bridges.linked_to)
        return [*changes, CallEnded(call.call_id, at, reason, by)]


_Handler = Callable[[Following, Event, float], list[CallChange]]
_HANDLERS: dict[str, _Handler] = {
    "Newchannel": Following._noted,
    "QueueCallerJoin": Following._queue_join,
    "QueueCallerAbandon": Following._abandon,
    "QueueCallerLeave": Following._queue_leave,
    "QueueMember": Following._noted,
    "QueueMemberAdded": Following._noted,
    "AgentCalled": Following._noted,
    "AgentConnect": Following._agent_connect,
    "Pickup": Following._noted,
    "BridgeEnter": Following._bridge_enter,
    "BridgeLeave": Following._bridge_leave,
    "BlindTransfer": Following._blind_transfer,
    "AttendedTransfer": Following._attended_transfer,
    "ParkedCall": Following._parked,
    "LocalOptimizationBegin": Following._optimising,
    "LocalOptimizationEnd": Following._optimised,
    "MusicOnHoldStart": Following._hold,
    "MusicOnHoldStop": Following._hold,
    "Hold": Following._hold,
    "Unhold": Following._hold,
    "HangupRequest": Following._noted,
    "DialEnd": Following._dial_end,
    "Hangup": Following._hangup,
}

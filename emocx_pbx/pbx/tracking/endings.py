"""Why segments, waits and calls end: who hung up, who transferred, where the customer went. Pure.

Sources: HangupRequest comes before a telephone's BYE does anything; BridgeLeave of who left first;
BlindTransfer before and AttendedTransfer after the BridgeLeave; Context and Exten of the customer's
channel change before a Redirect or a queue's exit key takes it away. QueueCallerAbandon is told of
every caller who leaves unanswered, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Final, Literal

from emocx_pbx.pbx.tracking.changes import (
    AgentJoined,
    AgentLeft,
    CallChange,
    Left,
    QueueLeft,
    SegmentEnd,
    SegmentExplained,
)
from emocx_pbx.pbx.tracking.tracked import Ending, TrackedCall

#: A caller whose channel goes at once after the queue gave the call up; without a word (no HangupRequest,
#: no cause) the channel itself was hung up.
AT_ONCE_S: Final = 0.05
#: After an agent hung up the dialplan normally ends the call at once.
FOLLOWS_S: Final = 1.0

Event = Mapping[str, str]


class Endings:
    """Remembers who asked to hang up, and tells reasons."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def asked(self, uniqueid: str) -> None:
        """A channel's far end wants to hang up."""
        self._asked.add(uniqueid)

    def gone(self, uniqueid: str) -> None:
        """A channel is no more."""
        self._asked.discard(uniqueid)

    # Waiting.

    def of_wait(self, call: TrackedCall, event: Event) -> Left:
        """How a caller leaves a queue who was not answered."""
        if call.uniqueid in self._asked or event.get("Uniqueid", "") in self._asked:
            return "abandoned"
        return self.by_exit(call, event) or "timeout"

    def by_exit(self, call: TrackedCall, event: Event) -> Left | None:
        """How a caller leaves whose channel was sent elsewhere; for a key no QueueCallerAbandon is told."""
        place = event.get("Context", ""), event.get("Exten", "")
        if not any(call.place) or not any(place) or place == call.place:
            return None
        key = len(place[1]) <= 3 and set(place[1]) <= set("0123456789*#")
        return "key" if key else "redirected"

    def given_up(self, call: TrackedCall, event: Event, at: float) -> list[CallChange]:
        """The customer's channel is gone: whether the queue had let them go, or they gave up."""
        just_left = call.left_queue_at is not None and at - call.left_queue_at <= AT_ONCE_S
        if call.waiting or (call.leaves == "timeout" and just_left and event.get("Cause", "") in {"", "0"}):
            call.leaves, call.waiting = "abandoned", False
            return [QueueLeft(call.call_id, at, call.queue or "", "abandoned")]
        return []

    # Parts.

    def of_segment(self, call: TrackedCall, event: Event) -> Ending:
        """Why agents can't hear the customer any more after somebody left a bridge."""
        if call.transfer is not None:
            return call.transfer
        if event.get("Uniqueid", "") != call.uniqueid:
            return Ending("agent_hung_up", certain=False)
        if call.uniqueid in self._asked:
            return Ending("customer_hung_up")
        place = event.get("Context", ""), event.get("Exten", "")
        if any(call.place) and any(place) and place != call.place:
            return Ending("redirected", place[1] or None)
        return Ending("customer_hung_up", certain=False)

    def settled(self, call: TrackedCall, changes: Iterable[CallChange]) -> list[CallChange]:
        """Take note of who left and who came (back)."""
        explained: list[CallChange] = []
        for change in changes:
            if isinstance(change, AgentLeft):
                call.transfer = None
                if not change.certain:
                    call.unexplained[change.leg] = change.reason.partition("_")[0]
            elif isinstance(change, AgentJoined) and call.unexplained.pop(change.leg, ""):
                explained.append(SegmentExplained(call.call_id, change.leg, "consulted"))
        return explained

    def explain(self, call: TrackedCall, side: str, ending: Ending) -> list[CallChange]:
        """What became clear of segments that `side` ended."""
        legs = [leg for leg, first in call.unexplained.items() if first == side]
        for leg in legs:
            del call.unexplained[leg]
        return [SegmentExplained(call.call_id, leg, ending.reason, ending.to) for leg in legs]

    def blind(self, calls: Iterable[TrackedCall], event: Event) -> None:
        """An agent sends the customer elsewhere; the BridgeLeave follows."""
        if event.get("Result", "Success") != "Success":
            return
        for call in calls:
            if any(event.get("TransfererUniqueid") in call.real(leg) for leg in call.open):
                call.transfer = Ending("blind_transfer", event.get("Extension") or None)

    def transferred(self, call: TrackedCall, transferers: Set[str]) -> list[CallChange]:
        """These channels have handed the customer over to somebody."""
        legs = [leg for leg in call.unexplained if call.real(leg) & transferers]
        for leg in legs:
            del call.unexplained[leg]
        if not legs and any(call.real(leg) & transferers for leg in call.open):
            call.transfer = Ending("attended_transfer")
        return [SegmentExplained(call.call_id, leg, "attended_transfer") for leg in legs]

    def parked(self, call: TrackedCall, ending: Ending) -> list[CallChange]:
        """The customer was parked by who was the last to talk with them."""
        legs = list(call.unexplained) or list(call.left)[-1:]
        call.unexplained.clear()
        if call.open:
            call.transfer = ending
        return [SegmentExplained(call.call_id, leg, ending.reason, ending.to) for leg in legs]

    def hung_up(self, call: TrackedCall, uniqueid: str) -> list[CallChange]:
        """A channel is gone; if it was an agent's who had left, now it is clear why."""
        legs = [
            leg for leg, first in call.unexplained.items() if first == "agent" and uniqueid in call.real(leg)
        ]
        for leg in legs:
            del call.unexplained[leg]
        return [SegmentExplained(call.call_id, leg, "agent_hung_up") for leg in legs]

    # The call.

    def who_hung_up(self, call: TrackedCall, at: float) -> Literal["customer", "agent", "system"] | None:
        """Who ended the call, as its customer's channel is gone."""
        recent = at - call.parted_at <= FOLLOWS_S
        if call.open or "customer" in call.unexplained.values() or call.uniqueid in self._asked:
            return "agent" if recent and "agent" in call.unexplained.values() else "customer"
        if call.waiting or call.leaves == "abandoned":
            return "customer"
        if call.parted_at and recent:
            return "agent"
        return "system"

    def closed(self, call: TrackedCall, away: Callable[[str], object]) -> list[CallChange]:
        """The call is over: nothing more will explain its last segment.

        Args:
            call: the call.
            away: whether a channel is in conversation with somebody else: who went to ask a colleague
                did not hang up.
        """
        explained: list[CallChange] = []
        for leg, first in call.unexplained.items():
            asks = any(away(channel) for channel in call.real(leg))
            reason: SegmentEnd = "agent_hung_up" if first == "agent" and not asks else "customer_hung_up"
            explained.append(SegmentExplained(call.call_id, leg, reason))
        call.unexplained.clear()
        return explained

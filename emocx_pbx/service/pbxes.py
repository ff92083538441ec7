"""The PBXes that this controller acts for now, by name; whatever concerns a call goes to the call's own PBX.

Everything here is synchronous. What arrives for a PBX that is no longer ours is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence

from emocx_pbx.analysis.messages import TapEnded, TapStarted
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import BeginTap
from emocx_pbx.dispatch.dialplan import PbxAsking
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.service.pbx_side import PbxSide
from emocx_pbx.settings.settings import RoutingSettings


class Pbxes:
    """One per service."""

    def __init__(self, policies: Policies, names: Sequence[str] = ("",)) -> None:
        """Prepare.

        Args:
            policies: checked against each PBX that is added.
            names: of all PBXes in the settings, ours or not.
        """
        self._sides: dict[str, PbxSide] = {}
        self._policies, self._names = policies, tuple(names)

    def __iter__(self) -> Iterator[PbxSide]:
        return iter(list(self._sides.values()))

    @property
    def by_name(self) -> Mapping[str, PbxSide]:
        """The PBXes that are ours now."""
        return self._sides

    @property
    def vital(self) -> list[asyncio.Task[None]]:
        """Tasks that must run."""
        return [task for side in self for task in side.vital]

    @property
    def _started(self) -> list[PbxSide]:
        return [side for side in self if side.vital]

    # Added and removed.

    def add(self, side: PbxSide) -> None:
        """Add this PBX; start it once it is ours."""
        self._sides[side.name] = side
        self._policies.watch(side.name, side.queues)

    async def leave(self, name: str) -> None:
        """End one in order because another controller is to act for it."""
        if side := self._sides.get(name):
            await side.leave()
            self._remove(name)

    def drop(self, name: str) -> None:
        """End one at once because another controller already acts for it."""
        if side := self._sides.get(name):
            side.drop()
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._sides.pop(name, None)
        self._policies.unwatch(name)

    async def stop(self) -> None:
        """End all in order because the service is stopping."""
        await asyncio.gather(*(side.stop() for side in self._started))

    # What calls have done (calls.hands.Acting), and what is asked of a call's PBX.

    def of(self, call_id: str) -> PbxSide | None:
        """The PBX that a call is on; None: that PBX is not ours."""
        return self._sides.get(pbx_of(call_id))

    def asking(self, name: str) -> PbxAsking | None:
        """The PBX that a dialplan means by this name; without a name, the only PBX.

        The only PBX in the settings, that is: of several, the last one left must not stand in for the others.
        """
        if not name and len(self._names) == 1:
            name = self._names[0]
        side = self._sides.get(name)
        return side.asking if side else None

    async def ring(self, call: CallToPlace) -> None:
        """Dial a number through the PBX that the call's id names.

        Raises:
            PeerUnavailable: it is not ours; and as CallBack.ring.
        """
        side = self.of(call.call_id)
        if side is None:
            raise PeerUnavailable(f"no PBX {pbx_of(call.call_id)!r} is there to place calls")
        await side.call_back.ring(call)

    def begin_tap(self, effect: BeginTap) -> None:
        """Tap a call, if its customer agrees."""
        if side := self.of(effect.call_id):
            side.hands.begin_tap(effect)

    def end_taps(self, call_id: str, unheard: bool) -> None:
        """End all taps of a call; `unheard`: its customer opted out."""
        if side := self.of(call_id):
            side.hands.end_taps(call_id, unheard)

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes after leaving a queue unanswered."""
        if side := self.of(call.call_id):
            side.hands.ask_where(call)

    def tell_alert(self, alerted: Alerted) -> None:
        """Tell Asterisk's manager interface of an alert."""
        if side := self.of(alerted.call_id):
            side.hands.tell_alert(alerted)

    def trunk_of(self, call_id: str) -> str | None:
        """The Asterisk endpoint that a call came in through; None: unknown, or not an endpoint of
        Asterisk's.
        """
        side = self.of(call_id)
        return side.tracker.trunk_of(call_id) if side else None

    # What workers say of taps, which are known by UUIDs.

    def tap_started(self, message: TapStarted) -> None:
        """A worker got the tap's first audio."""
        for side in self:
            side.taps.on_started(message)

    def tap_ended(self, message: TapEnded) -> None:
        """A worker's tap is over."""
        for side in self:
            side.taps.on_ended(message)

    def worker_lost(self, uuids: list[str]) -> None:
        """A worker died with these taps: tap their calls again."""
        for side in self:
            side.taps.on_worker_lost(uuids)

    def worker_ready(self) -> None:
        """Tap the calls that are waiting for it now."""
        for side in self:
            side.taps.wake()

    # What concerns all of them.

    def ranked(self) -> Collection[str]:
        """Queues whose members are ordered by the ranking, on any PBX."""
        return {queue for side in self for queue in side.penalties.ranked()}

    def graded(self) -> None:
        """Call when grades may have changed."""
        for side in self:
            side.penalties.on_graded()

    def policy_taken(self) -> None:
        """Call when another policy is in force."""
        for side in self:
            side.penalties.poke()

    def routing_taken(self, routing: RoutingSettings) -> None:
        """Call when another section [routing] is in force."""
        for side in self:
            side.penalties.take_over(routing)

    def resync(self) -> None:
        """Changes were lost: synchronise with every PBX that is ours."""
        for side in self._started:
            side.resync()

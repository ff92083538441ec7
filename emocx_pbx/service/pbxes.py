"""The PBXes that this controller acts for now, by name: what concerns a call goes to the call's own PBX.

All of it synchronous. What comes for a PBX that is no longer ours has nobody to act, and is let fall.
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
    """One for the service."""

    def __init__(self, policies: Policies, names: Sequence[str] = ("",)) -> None:
        """Prepare.

        Args:
            policies: held against each PBX that comes.
            names: of all PBXes of the settings, ours or not.
        """
        self._sides: dict[str, PbxSide] = {}
        self._policies, self._names = policies, tuple(names)

    def __iter__(self) -> Iterator[PbxSide]:
        return iter(list(self._sides.values()))

    @property
    def by_name(self) -> Mapping[str, PbxSide]:
        """Those there are now."""
        return self._sides

    @property
    def vital(self) -> list[asyncio.Task[None]]:
        """Tasks that must run."""
        return [task for side in self for task in side.vital]

    @property
    def _started(self) -> list[PbxSide]:
        return [side for side in self if side.vital]

    # They come and go.

    def add(self, side: PbxSide) -> None:
        """From now on this PBX is known; start it once it is ours."""
        self._sides[side.name] = side
        self._policies.watch(side.name, side.queues)

    async def leave(self, name: str) -> None:
        """End one in order, as another controller is to act for it."""
        if side := self._sides.get(name):
            await side.leave()
            self._remove(name)

    def drop(self, name: str) -> None:
        """End one at once, as another controller acts for it already."""
        if side := self._sides.get(name):
            side.drop()
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._sides.pop(name, None)
        self._policies.unwatch(name)

    async def stop(self) -> None:
        """End all in order, as the service stops."""
        await asyncio.gather(*(side.stop() for side in self._started))

    # What calls have done (calls.hands.Acting), and what is asked of a call's PBX.

    def of(self, call_id: str) -> PbxSide | None:
        """The PBX that a call is on; None: it is not ours."""
        return self._sides.get(pbx_of(call_id))

    def asking(self, name: str) -> PbxAsking | None:
        """What a dialplan that calls its PBX so comes to; one that says nothing is the only one's.

        The only one of the settings: of several, one that is left is not taken for those that are gone.
        """
        if not name and len(self._names) == 1:
            name = self._names[0]
        side = self._sides.get(name)
        return side.asking if side else None

    async def ring(self, call: CallToPlace) -> None:
        """Dial a number by the PBX that the call's id names.

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
        """End all taps of a call; `unheard`: it is opted out."""
        if side := self.of(call_id):
            side.hands.end_taps(call_id, unheard)

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes whom a queue did not answer."""
        if side := self.of(call.call_id):
            side.hands.ask_where(call)

    def tell_alert(self, alerted: Alerted) -> None:
        """Tell Asterisk's manager interface of an alert."""
        if side := self.of(alerted.call_id):
            side.hands.tell_alert(alerted)

    def trunk_of(self, call_id: str) -> str | None:
        """The endpoint that a call's customer came by; None: unknown, or none of Asterisk's."""
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
        """A worker died with these taps: their calls are tapped anew."""
        for side in self:
            side.taps.on_worker_lost(uuids)

    def worker_ready(self) -> None:
        """What waits to be tapped is tapped now."""
        for side in self:
            side.taps.wake()

    # What concerns all of them.

    def ranked(self) -> Collection[str]:
        """Queues whose members are ordered by the ranking, on any PBX."""
        return {queue for side in self for queue in side.penalties.ranked()}

    def graded(self) -> None:
        """Grades may have changed."""
        for side in self:
            side.penalties.on_graded()

    def policy_taken(self) -> None:
        """Another policy is in force."""
        for side in self:
            side.penalties.poke()

    def routing_taken(self, routing: RoutingSettings) -> None:
        """Another section [routing] is in force."""
        for side in self:
            side.penalties.take_over(routing)

    def resync(self) -> None:
        """Changes were lost: get in step with every PBX that is ours."""
        for side in self._started:
            side.resync()

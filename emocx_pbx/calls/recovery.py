"""Synchronises with Asterisk after the link or the service was down, from what Asterisk knows now.

Asterisk does not repeat what happened meanwhile. So the channels (Status), the queues' members and callers
(QueueStatus) and the store's open calls are combined: a call that is gone has ended, one that was answered
has an agent, one that arrived meanwhile is followed from now on, and what was missed of it is recorded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from emocx_pbx.call_ids import call_id_of, pbx_of, uniqueid_of
from emocx_pbx.calls import alerts
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import Effect, SetTimer, Show
from emocx_pbx.calls.happenings import GradeDue, OptedOut, TakenOver
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.segments import SETTLE_S
from emocx_pbx.calls.stored import open_legs, stored_state
from emocx_pbx.dispatch.queue_watch import QueueWatch
from emocx_pbx.errors import PeerUnavailable, RefusedError, StoreError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.tracking.names import variables_of
from emocx_pbx.pbx.tracking.tracked import Leg, TrackedCall
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Seconds for which ended calls are known to be over, whatever still arrives.
OVER_S: Final = 86_400.0
#: Events kept while synchronising; beyond that, the rest is lost and we start again.
MAX_HELD: Final = 20_000
#: Attempts in a row; a site with more events at a time than that can't be followed.
MAX_AGAIN: Final = 3
_VARIABLES: Final = "QUEUENAME,MEMBERNAME,MEMBERINTERFACE,EMOCX_OPTOUT"

Event = Mapping[str, str]


class Recovery:
    """Feeds the tracker, and synchronises it after an outage."""

    def __init__(
        self,
        ami: Ami,
        store: Store,
        tracker: CallTracker,
        journeys: Journeys,
        queues: QueueWatch,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            ami: the link.
            store: knows the calls that were open.
            tracker: who talks with whom.
            journeys: gets every change.
            queues: gets the answer to QueueStatus.
            now: Unix seconds.
        """
        self._ami, self._store, self._tracker, self._journeys = ami, store, tracker, journeys
        self._queues, self._now = queues, now
        self._held: list[Event] | None = None
        self._dropped = False
        """Events arrived that were not kept."""
        self._since: float | None = None
        self._lock = asyncio.Lock()
        self._asking = False

    def on_ami(self, event: Event) -> None:
        """Take an AMI event; it waits while we synchronise."""
        if self._held is None:
            self._feed(event)
        elif len(self._held) < MAX_HELD:
            self._held.append(event)
        else:
            self._dropped = True

    def _feed(self, event: Event) -> None:
        for change in self._tracker.feed(event, self._now()):
            self._journeys.put(change)

    def forget(self, call_id: str) -> None:
        """Asterisk does not know this call: treat it as if its channel had hung up."""
        self.on_ami({"Event": "Hangup", "Uniqueid": uniqueid_of(call_id)})

    def link_lost(self) -> None:
        """The link is down: from now on we may miss events."""
        if self._since is None:
            self._since = self._now()

    async def members(self) -> None:
        """An event did not say which member it is about: ask for all members."""
        if self._asking:
            return
        self._asking = True
        try:
            for event in (await self._ami.action("QueueStatus", {})).events:
                if event.get("Event") == "QueueMember":
                    self._tracker.feed(event, self._now())
        except (PeerUnavailable, RefusedError) as error:
            log.warning("members not known", key="ami.members_unknown", why=str(error))
        finally:
            self._asking = False

    async def resync(self, restarted: bool = False) -> bool:
        """Catch up with what happened while the link or we were down; returns whether we are in step."""
        async with self._lock:
            try:
                if restarted:
                    for change in self._tracker.asterisk_restarted(self._now(), self._since):
                        self._journeys.put(change)
                for _ in range(MAX_AGAIN):
                    await self._once()
                    if not self._dropped:
                        return True
                log.error("more events than can be followed", key="ami.too_many", kept=MAX_HELD)
            except (PeerUnavailable, RefusedError, StoreError) as error:
                log.warning("not in step with Asterisk", key="ami.resync_failed", why=str(error))
        return False

    async def _once(self) -> None:
        queues = (await self._ami.action("QueueStatus", {})).events
        for event in queues:
            if event.get("Event") == "QueueMember":
                self._tracker.feed(event, self._now())
        await self._queues.met(queues)
        await self._in_step(queues)

    async def _in_step(self, queues: Sequence[Event]) -> None:
        self._held, self._dropped, asked_at = [], False, self._now()
        try:
            answer = await self._ami.action("Status", {"Variables": _VARIABLES})
            channels = [event for event in answer.events if "Uniqueid" in event]
            await self._take_over(channels)
            now = self._now()
            for change in self._tracker.reconcile(channels, now, self._since, asked_at):
                self._journeys.put(change)
            self._waiting(queues, {c["Uniqueid"]: c for c in channels})
            opted_out = {
                channel.get("Channel", "")
                for channel in channels
                if variables_of(channel.get("Variable", "")).get("EMOCX_OPTOUT") == "1"
            }
            for call in list(self._journeys.calls.values()):
                if not opted_out.isdisjoint(self._tracker.speakers(call.call_id)):
                    self._journeys.put(OptedOut(call.call_id))
                self._journeys.apply(call, call.tap())
            self._since = asked_at if self._dropped else None
        finally:
            held, self._held = self._held, None
            for event in held:
                self._feed(event)

    def _waiting(self, queues: Sequence[Event], channels: Mapping[str, Event]) -> None:
        """Callers in queues that we did not know were there."""
        for entry in queues:
            channel = channels.get(entry.get("Uniqueid", ""))
            if entry.get("Event") != "QueueEntry" or channel is None:
                continue
            known = self._tracker.calls.get(call_id_of(self._tracker.pbx, entry["Uniqueid"]))
            if known is None or not known.waiting or known.queue != entry.get("Queue"):
                self._feed({**channel, **entry, "Event": "QueueCallerJoin"})

    async def _take_over(self, channels: Sequence[Event]) -> None:
        """Go on with the calls of this PBX that the store says are open."""
        self._journeys.settled(await self._store.calls.ended_since(self._now() - OVER_S))
        for known in await self._store.calls.open():
            call_id = known.call.call_id
            if pbx_of(call_id) != self._tracker.pbx:
                continue
            if call_id in self._journeys.calls or self._journeys.is_over(call_id):
                continue
            detail = await self._store.call(call_id)
            if detail is None or call_id in self._journeys.calls:
                continue
            uniqueid = uniqueid_of(call_id)
            call = stored_state(detail, self._journeys.rules)
            tracked = TrackedCall(
                call_id,
                channel=next((c["Channel"] for c in channels if c.get("Uniqueid") == uniqueid), ""),
                started_at=known.call.started_at,
                queue=call.visits[-1].queue if call.visits else None,
                caller=known.call.caller or "",
                waiting=call.waiting,
                callback=call.callback is not None,
            )
            legs = open_legs(tracked, call.open_segments, channels)
            call.legs = {leg: segment.index for leg, segment in legs.items()}
            agents = {leg: Leg(s.agent, s.interface, s.queue, s.via) for leg, s in legs.items()}
            self._tracker.adopt(tracked, agents)
            self._journeys.adopt(call)
            self._journeys.apply(call, resumed(call))
            alive = bool(tracked.channel)
            log.warning("call taken over", key="call.recovered", call_id=call_id, alive=alive)


def resumed(call: CallState) -> list[Effect]:
    """The effects of taking over a stored call."""
    due = [SetTimer(GradeDue(call.call_id, index), SETTLE_S) for index in sorted(call.ungraded)]
    return [*due, *alerts.recover(call), Show(TakenOver(call.call_id))]

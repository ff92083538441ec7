"""One PBX and all that belongs to it alone: built, started, and ended in order or at once, as a whole.

Its link, its channels and queues, its taps and its penalties. What all PBXes share is `Shared`. A controller
that takes over a PBX while running builds one of these and starts it (`pbxes.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.calls.consent import Consent
from emocx_pbx.calls.hands import Hands
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.placed import PlacedCalls
from emocx_pbx.calls.recovery import Recovery
from emocx_pbx.calls.taps import TapKeeper
from emocx_pbx.calls.whereabouts import Whereabouts
from emocx_pbx.calls.writing import calls_of
from emocx_pbx.dispatch.announced import Announced
from emocx_pbx.dispatch.callback import CallBack
from emocx_pbx.dispatch.dialplan import PbxAsking
from emocx_pbx.dispatch.line_keeper import LineKeeper
from emocx_pbx.dispatch.penalty_keeper import PenaltyKeeper, RankedPbx
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queue_watch import QueueWatch
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import of_pbx
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState
from emocx_pbx.pbx.ami.user_events import UserEvents
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.pbx.versions import tap_mode
from emocx_pbx.service.office import Office
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import AsteriskSettings
from emocx_pbx.store.database import Store

if TYPE_CHECKING:
    from emocx_pbx.service.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Shared:
    """What all PBXes of a controller have in common."""

    in_force: SettingsInForce
    store: Store
    tasks: Tasks
    count: Callable[..., None]
    health: HealthBoard
    pool: WorkerPool
    policies: Policies
    lines: LineKeeper
    ledger: Ledger
    journeys: Journeys
    cluster: Cluster | None
    """What is shared with other hosts; None: this is the only host."""
    office: Office


class PbxSide:
    """One for each PBX that this controller acts for."""

    def __init__(self, settings: AsteriskSettings, shared: Shared) -> None:
        """Build the parts in the order in which they need each other; `start` begins them.

        Raises:
            SettingsError: asterisk.tls_ca can't be read.
        """
        self.name, self._settings, self._shared = settings.name, settings, shared
        tasks, journeys = shared.tasks, shared.journeys
        count = partial(shared.count, **of_pbx(self.name))
        may_act = partial(shared.office.may_act, self.name)
        self.ami = AmiGateway(settings, self._on_ami, self._on_link, count=count, may_act=may_act)
        self.user_events = UserEvents(self.ami, count)
        pattern = re.compile(settings.agent_name_regex) if settings.agent_name_regex else None
        self.tracker = CallTracker(pattern, self.name)
        names = AgentNames(pattern)
        self.queues = QueueWatch(self.ami, shared.policies, names, self.name)

        # Its calls.
        self.taps = TapKeeper(self.ami, shared.pool, shared.lines, tasks, count)
        self.consent = Consent(self.ami, self.tracker, self.taps, tasks, shared.ledger, journeys.put)
        self.whereabouts = Whereabouts(self.ami, tasks, self.tracker, journeys.put)
        self.hands = Hands(self.consent, self.taps, self.whereabouts, self.user_events)
        self.recovery = Recovery(self.ami, shared.store, self.tracker, journeys, self.queues)

        # Where they go.
        routing = shared.in_force.settings.routing
        rows = shared.store.ranking
        ranked = RankedPbx(self.ami, names, self.name, partial(shared.office.fence, self.name))
        self.penalties = PenaltyKeeper(ranked, rows, shared.policies, routing, count)
        self.announced = Announced(self.ami, self.tracker, self.recovery.forget, count)
        named = shared.in_force.settings.agi.allow
        allow = AllowList([settings.host], named)
        acts = partial(shared.office.holds, self.name)
        self.asking = PbxAsking(self.name, self.announced, self.tracker, allow, acts)
        placed = PlacedCalls(self.tracker, journeys)
        self.call_back = CallBack(self.ami, settings.callback_channel, placed)
        self._running: list[asyncio.Task[None]] = []
        self._catching_up: set[asyncio.Task[None]] = set()
        if not shared.office.shared:  # else nobody expects a link before it is ours to keep
            self._not_connected()

    def anew(self) -> PbxSide:
        """A new, empty one for the same PBX: for when it is ours again."""
        return PbxSide(self._settings, self._shared)

    @property
    def component(self) -> str:
        """The name of its link on the health board."""
        return f"asterisk {self.name}" if self.name else "asterisk"

    @property
    def vital(self) -> list[asyncio.Task[None]]:
        """Tasks that must run for as long as it is started."""
        return self._running

    # Life.

    def start(self) -> None:
        """Start: connect, synchronise, and act."""
        self._not_connected()
        parts = {
            "ami": self.ami.run,
            "ranking": self.penalties.run,
            "queues": self.queues.watch,
            "user events": self.user_events.run,
            "announced calls": self.announced.run,
        }
        of = f" of {self.name}" if self.name else ""
        self._running += [self._shared.tasks.keep(run, name=f"{name}{of}") for name, run in parts.items()]

    async def stop(self) -> None:
        """End in order when the service stops: the workers end taps when they stop; penalties are put
        back.
        """
        self.taps.stop()
        await self._put_back()

    async def leave(self) -> None:
        """End in order while the service runs on: taps are ended, penalties put back, its calls given up."""
        self.taps.end_all()
        await self._put_back()
        self._let_go()

    def drop(self) -> None:
        """End at once: nothing more is asked of Asterisk or written about its calls."""
        self.taps.end_all()
        self._cancel()
        self._let_go()
        # After leaving the stream: what is dropped here must not count as written there.
        self._shared.ledger.let_go(lambda write: any(pbx_of(call) == self.name for call in calls_of(write)))

    def _not_connected(self) -> None:
        self._shared.health.set(self.component, False, "not connected yet")

    async def _put_back(self) -> None:
        for task in self._running:
            if task.get_name().startswith("ranking"):
                task.cancel()
        await self.penalties.restore()
        self._cancel()

    def _cancel(self) -> None:
        for task in (*self._running, *self._catching_up):
            task.cancel()
        self._running = []

    def _let_go(self) -> None:
        self._shared.health.remove(self.component)
        if self._shared.cluster:
            self._shared.cluster.leave(self.name)
        self._shared.journeys.let_go(self.name)

    # What its parts tell.

    def _on_ami(self, event: Mapping[str, str]) -> None:
        if self.tracker.names.leaves_out(event):
            self._shared.tasks.create_task(self.recovery.members(), name="members")
        self.recovery.on_ami(event)
        self.taps.on_ami(event)
        self.penalties.on_ami(event)

    def _on_link(self, state: LinkState) -> None:
        self._shared.health.set(self.component, state.up, state.reason)
        self.penalties.on_link(state.up)
        if not state.up:
            self.recovery.link_lost()
            return
        self.consent.link_up(tap_mode(self._settings.tap, state.version))
        self.taps.wake()
        self.resync(state.restarted)

    def resync(self, restarted: bool = False) -> None:
        """Synchronise with Asterisk again."""
        task = self._shared.tasks.create_task(self._in_step(restarted), name="resync")
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _in_step(self, restarted: bool) -> None:
        # The stream's messages are about calls that must be known first.
        if await self.recovery.resync(restarted) and self._running and self._shared.cluster:
            self._shared.cluster.act_for(self.name, self._shared.office.epoch(self.name))

"""READ FIRST: the controller. Builds every part and wires them; run.py runs them in one task group.

    dialplan --FastAGI--> doors --> analysis workers --> decision --> channel variables
    Asterisk --AMI------> call tracker --> taps (AMI Originate) --> analysis workers
    workers --readings--> journeys --> store (grade + webhook deliveries at once) --> sender --> CRM

Nothing here runs a model or reads audio: that is done by the workers (emocx_pbx/analysis).
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from emocx_pbx.analysis.messages import (
    ListenResult,
    ModelsLoaded,
    NoPort,
    ReadingMade,
    Ready,
    SpeechHeard,
    TapEnded,
    TapStarted,
    TextResult,
    WorkerStats,
)
from emocx_pbx.analysis.pool import ToService, WorkerLost, WorkerPool
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.consent import Consent
from emocx_pbx.calls.happenings import CallbackBegun, CustomerErased, Told
from emocx_pbx.calls.journeys import Hands, Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.recovery import Recovery
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.taps import TapKeeper
from emocx_pbx.calls.whereabouts import Whereabouts
from emocx_pbx.calls.writing import carry_out, carry_out_small
from emocx_pbx.deeds.doing import Deeds
from emocx_pbx.deeds.erasure import TRACES, purge
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.announced import Announced
from emocx_pbx.dispatch.callback import CallBack
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.dialplan import Dialplan
from emocx_pbx.dispatch.line_keeper import LineKeeper
from emocx_pbx.dispatch.penalty_keeper import Ranker
from emocx_pbx.dispatch.policy_in_force import Policies, Reloaded
from emocx_pbx.dispatch.queries import Doors
from emocx_pbx.errors import StoreError
from emocx_pbx.events.event import wants
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.watch import watching
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.logs import configure
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.server import AgiServer
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState
from emocx_pbx.pbx.ami.user_events import UserEvents
from emocx_pbx.pbx.tracking.changes import CallbackDialled, CallEnded
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.pbx.versions import tap_mode
from emocx_pbx.routing.policy import Policy
from emocx_pbx.service.web_host import Behind, WebHost
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.store.snapshot import old_copies
from emocx_pbx.webhooks.sender import Sender

log = structlog.get_logger()

DAY_S = 86_400.0
#: Between two tries to free the database's log of what was erased; nothing is done where nothing was.
SETTLE_AGAIN_S = 60.0
#: Time for reading and setting variables beside the decision itself; under the dialplan's guard.
AGI_MARGIN_S = 0.2


class Service:
    """All parts of one controller."""

    def __init__(self, settings: Settings, store: Store, tasks: Tasks, metrics: Metrics) -> None:
        self.settings, self.store, self._tasks = settings, store, tasks
        self.metrics, self.health = metrics, HealthBoard(now=time.time)
        # Not ready until told otherwise.
        self.health.set("asterisk", False, "not connected yet")
        self.health.set("analysis", False, "models are loading")
        self._problems: set[str] = set()
        """What workers said of models, each told once."""
        self._full_workers: set[int] = set()
        """Workers that read no new calls."""
        self._no_port = ""
        """Why a worker could not open its port; empty again when one could."""
        count = self.metrics.count
        self.ami = AmiGateway(settings.asterisk, self._on_ami, self._on_link, count=count)
        pattern = settings.asterisk.agent_name_regex
        names = AgentNames(re.compile(pattern) if pattern else None)
        self.policies = Policies(self.ami, settings.policy_path(), lambda: self.ranker.poke(), names)
        models = settings.models_path()
        analysis = msgspec.structs.replace(settings.analysis, models_dir=str(models) if models else "")
        self.user_events = UserEvents(self.ami, count)
        self.pool = WorkerPool(analysis, self._on_worker, self.policies.policy.topics, settings.log)
        self.tracker = CallTracker(re.compile(pattern) if pattern else None)
        self.lines = LineKeeper(store, settings.analysis, self.tracker.trunk_of)
        self.taps = TapKeeper(
            self.ami, self.pool.pick, settings.analysis.host, tasks, time.time, uuid.uuid4, count,
            self.lines.zeros,
        )  # fmt: skip
        self.rubric = rubric = load_rubric(settings.rubric_path())
        self.ledger = Ledger(
            lambda write: carry_out(store, write),
            lambda up, why: self.health.set("store", up, why),
            count,
            write_small=lambda writes: carry_out_small(store, writes),
        )
        self.consent = Consent(
            self.ami,
            self.tracker,
            self.taps,
            tasks,
            lambda told: self.journeys.put(told),
            self.ledger.written,
        )
        self.whereabouts = Whereabouts(
            self.ami,
            tasks,
            self._channel_of,
            lambda call_id: self.journeys.calls.get(call_id),
            lambda told: self.journeys.put(told),
        )
        rules = Rules(
            rubric,
            lambda: self.policies.policy.alerts,
            lambda: any(wants(e.events, "call.reading") for e in store.receivers.current()),
            lambda: self.settings.privacy.store_query_text,
            self.lines.lines,
            lambda trunk, rule, model: self.lines.level(trunk, model, rule.when, rule.percentile or 0.0),
        )
        hands = Hands(self.consent.begin, self.taps.unwant, self.whereabouts.ask, self._on_alert)
        self.journeys = Journeys(rules, self.ledger, hands, time.time, count)
        self.recovery = Recovery(self.ami, store, self.tracker, self.journeys, self.policies.met, time.time)
        self.ledger.on_loss = lambda: self._resync(False)
        self.board = LiveBoard(rubric.evidence.stay_s)
        self._watch_board = watching(self.board, time.time)
        self._web: WebHost | None = None
        self.journeys.watch = self._watch
        self.doors = Doors(
            self.pool,
            lambda: self.policies.policy,
            settings.routing.mode,
            settings.routing.holdout,
            settings.agi.deadline_s,
            time.time,
            lambda: f"dec_{uuid.uuid4().hex}",
            self.journeys.put,
            count,
            lambda: self.policies.queues,
            lambda: self.ranker.ranked(),
            lambda: self.policies.widening,
            settings.routing.upset_threshold,
            self.lines.zeros,
        )
        self.call_back = CallBack(
            self.ami, settings.asterisk.callback_channel, uuid.uuid4, self._announce_call_back
        )
        dialling = Dialling(settings.dialling, time.monotonic)
        self.placing = Placing(dialling, self.call_back, store.audit, time.monotonic)
        routing = settings.routing
        self.ranker = Ranker(
            self.ami,
            store.ranking,
            lambda: self.policies.policy,
            names,
            routing.rank and routing.mode == "active",
            count,
        )
        self.announced = Announced(self.ami, self._waits, self._forget, time.time, count)
        self.dialplan = Dialplan(self.doors, self.announced, self._announce, settings.analysis.host)
        self.agi = AgiServer(
            settings.agi.host,
            settings.agi.port,
            self.dialplan.answer,
            deadline_s=settings.agi.deadline_s + AGI_MARGIN_S,
            count=count,
            allow=AllowList(settings.asterisk.host, settings.agi.allow),
        )

    # What the parts tell.

    def _on_ami(self, event: Mapping[str, str]) -> None:
        if self.tracker.names.leaves_out(event):
            self._tasks.create_task(self.recovery.members(), name="members")
        self.recovery.on_ami(event)
        self.ranker.on_ami(event)

    def _on_link(self, state: LinkState) -> None:
        self.health.set("asterisk", state.up, state.reason)
        self.ranker.on_link(state.up)
        if not state.up:
            self.recovery.link_lost()
            return
        self.consent.mode = tap_mode(self.settings.asterisk.tap, state.version)
        self.taps.wake()
        self._resync(state.restarted)

    def _resync(self, restarted: bool) -> None:
        self._tasks.create_task(self.recovery.resync(restarted), name="resync")

    def _channel_of(self, call_id: str) -> str | None:
        call = self.tracker.calls.get(call_id)
        return call.channel if call else None

    def _on_worker(self, message: ToService) -> None:
        match message:
            case ListenResult():
                self.doors.on_heard(message)
            case TapStarted():
                self.taps.on_started(message)
                self.journeys.put(message)
            case TapEnded():
                self.taps.on_ended(message)
                self.journeys.put(message)
            case WorkerLost():
                self.taps.on_worker_lost(list(message.uuids))
                self.journeys.taps_lost(message.uuids)
                self.health.set("analysis", self.pool.ready, self._no_port or "a worker died")
            case NoPort(why):
                self._no_port = why
            case Ready():
                self._no_port = ""
                self.health.set("analysis", True, "; ".join(message.problems))
                self.taps.wake()
                for problem in set(message.problems) - self._problems:
                    log.warning("model not loaded", key="model.missing", why=problem)
                self._problems |= set(message.problems)
            case WorkerStats():
                self.metrics.worker(message)
                self._tell_overload(message)
            case ReadingMade() | SpeechHeard():
                self.journeys.put(message)
            case TextResult() | ModelsLoaded():
                pass  # the pool answers whoever asked

    def _tell_overload(self, stats: WorkerStats) -> None:
        """Health says while a worker has no time to read new calls."""
        full, before = self._full_workers, set(self._full_workers)
        (full.add if stats.voice_only else full.discard)(stats.worker)
        if full != before:
            names = ", ".join(map(str, sorted(full)))
            why = f"new calls are not read, only followed by voice activity: worker {names} has no time"
            self.health.set("analysis", self.pool.ready, why if full else "")
            log.warning(
                "overload" if full else "no overload any more", key="analysis.overload", workers=names
            )

    def _watch(self, told: Told, call: CallState) -> None:
        self._watch_board(told, call)
        if self._web is not None:
            self._web.watch(told)

    def _on_alert(self, alerted: Alerted) -> None:
        self.user_events.tell("EmocxAlert", alerted.user_event())

    # Life.

    def reload(self) -> asyncio.Task[list[ModelsLoaded]]:
        """Read the policy again, and let workers swap in what models' names now stand for."""
        self.reload_policy()
        topics = self.policies.policy.topics
        return self._tasks.create_task(self.pool.load_models(topics), name="load models")

    def reload_policy(self) -> Reloaded:
        """Read the policy file again; a wrong one is refused and the old one stays."""
        return self.policies.reload()

    def take_over(self, settings: Settings, policy: Policy) -> None:
        """From now on these settings, checked, hold, with this policy; what needs a restart is unchanged.

        Calls under way go on: only what is decided, told and kept from now on differs.
        """
        before, self.settings = self.settings, settings
        routing = settings.routing
        self.doors.take_over(routing.mode, routing.holdout, routing.upset_threshold)
        self.ranker.take_over(routing.rank and routing.mode == "active")
        self.lines.take_over(settings.analysis)
        self.policies.put_in_force(settings.policy_path(), policy)
        if settings.log != before.log:
            configure(settings.log)
            self.pool.log_as(settings.log)
        if self._web is not None:
            self._web.take_over(settings)
        if settings.webhooks != before.webhooks:
            self.store.receivers.take_over(settings.webhooks)
        self._tasks.create_task(self.pool.load_models(policy.topics), name="load models")

    async def forget_old_calls(self) -> None:
        """Erase what is older than the settings say, once at the start and then daily.

        What an erasure left in the database's log, here or in a crash, is tried again until it is gone.
        """
        due_at = time.monotonic()
        while True:
            settled = False
            try:
                if time.monotonic() >= due_at:
                    purged = await purge(self.store, self.settings, time.time())
                    due_at, settled = time.monotonic() + DAY_S, purged.settled
                    log.info("old calls forgotten", key="store.purged", counts=purged.counts)
                    for copy in old_copies(self.settings.store_path(), time.time()):
                        await asyncio.to_thread(copy.unlink, missing_ok=True)
                        log.info("copy of an older schema removed", key="store.copy_removed", path=str(copy))
                else:
                    settled = await self.store.erasure.settle()
                if not settled:
                    log.warning("erased rows are still in the log", key="store.traces", why=TRACES)
            except (StoreError, OSError) as error:
                log.error("old calls not forgotten", key="store.purge_failed", why=str(error))
            await asyncio.sleep(min(SETTLE_AGAIN_S, max(0.0, due_at - time.monotonic())))

    async def remember_call_backs(self) -> None:
        """Let limits of dialling go on from before a restart."""
        now, dialling = time.time(), self.settings.dialling
        since = now - max(3600.0, dialling.number_cooldown_s)
        self.placing.remember((number, now - at) for number, at in await self.store.calls.callbacks(since))

    def calls_that_name_customers(self) -> list[str]:
        """Ids of calls that go on, whose customer's key or number is held."""
        return [call_id for call_id, call in self.journeys.calls.items() if call.customer or call.caller]

    def start_web(self, sending: Sender) -> WebHost:
        """The web process over these parts; the caller runs it."""
        deeds = Deeds(
            self.store,
            lambda: self.settings,
            lambda: self.policies.queues,
            time.time,
            self.forget_customers,
            sending.test,
        )
        self._web = WebHost(
            self.settings,
            Behind(
                queries=self.doors,
                placing=self.placing,
                deeds=deeds,
                board=self.board,
                health=self.health,
                metrics=self.metrics,
                policies=self.policies,
                store=self.store,
                reload=self.reload,
                workers=lambda: tuple(w.ready for w in self.pool.workers if w.ready is not None),
            ),
            uuid.uuid4().hex[:8],
        )
        return self._web

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        """The customers of these calls were erased."""
        for call_id in call_ids:
            self.journeys.put(CustomerErased(call_id))

    @property
    def web_pid(self) -> int | None:
        """The web process; None while there is none."""
        return self._web.pid if self._web else None

    # Calls that the dialplan names.

    def _announce(self, call_id: str, channel: str, caller: str) -> None:
        self.tracker.announce(call_id, channel, caller, time.time())

    def _waits(self, call_id: str) -> bool:
        call = self.tracker.calls.get(call_id)
        return call is not None and call.queue is None

    def _forget(self, call_id: str) -> None:
        """As if its channel had hung up: Asterisk knows none."""
        self._on_ami({"Event": "Hangup", "Uniqueid": call_id})

    def _announce_call_back(self, call_id: str, number: str, why_not: str | None) -> None:
        now = time.time()
        if why_not is not None:
            self.journeys.put(CallbackDialled(call_id, "failed", why_not))
            self.tracker.forget(call_id)
            self.journeys.put(CallEnded(call_id, now, "hangup", "system"))
        else:
            self.tracker.announce(call_id, "", number, now, callback=True)
            self.journeys.put(CallbackBegun(call_id, now, number))

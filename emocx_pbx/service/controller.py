"""READ FIRST: the controller. Builds every part and wires them; life.py starts and ends them.

    dialplan --FastAGI--> queries --> analysis workers --> decision --> channel variables
    Asterisk --AMI------> call tracker --> taps (AMI Originate) --> analysis workers
    workers --readings--> journeys --> store (grade + webhook deliveries at once) --> sender --> CRM

Nothing here runs a model or reads audio: the workers do that (emocx_pbx/analysis).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from emocx_pbx.analysis.cluster.messages import DecidedAlone
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.pool import ToService, WorkerPool
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules_in_force import RulesInForce
from emocx_pbx.calls.spool import Spool
from emocx_pbx.calls.spooling import Spooling
from emocx_pbx.calls.writing import Writing
from emocx_pbx.chat.moves import passing_on
from emocx_pbx.deeds.doing import Deeds
from emocx_pbx.deeds.learning import Learning
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.dialplan import Dialplan
from emocx_pbx.dispatch.grounds import Grounds
from emocx_pbx.dispatch.line_keeper import LineKeeper
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import Queries
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.watch import watching
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.logs import configure
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.service.office import Office
from emocx_pbx.service.pbx_side import PbxSide, Shared
from emocx_pbx.service.pbxes import Pbxes
from emocx_pbx.service.reloading import Reloading
from emocx_pbx.service.web_answers import Behind, WebAnswers
from emocx_pbx.service.web_host import WebHost
from emocx_pbx.service.worker_news import WorkerNews
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import AnalysisSettings, Settings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.sender import Sender

if TYPE_CHECKING:
    from emocx_pbx.analysis.cluster.remote import RemoteWorker
    from emocx_pbx.service.cluster import Cluster

#: Seconds for reading and setting variables, besides the decision itself; within the dialplan's own time
#: limit.
AGI_MARGIN_S = 0.2


class Service:
    """All parts of one controller, in the order in which they need each other.

    Parts notify each other through the listeners that `_connect` sets up; where two parts need each other,
    the earlier one gets a method from the section "What the parts tell".
    """

    def __init__(self, settings: Settings, store: Store, tasks: Tasks, metrics: Metrics) -> None:
        # What all parts share.
        self.in_force = SettingsInForce(settings)
        self.store, self.metrics, self._tasks = store, metrics, tasks
        node = settings.cluster.node or socket.gethostname()
        metrics.of_node(node, settings.cluster.site, version("emocx-pbx"))
        self.health = _not_ready_yet()
        leases = store.leases if store.shared else None
        self.office = Office(leases, node, self.health)
        count = metrics.count

        # What decisions rest on, and the analysis workers.
        names = [pbx.name for pbx in settings.each_pbx()]
        self.policies = Policies(settings.policy_path(), names)
        self.cluster: Cluster | None = None
        self.pool = WorkerPool(
            WorkerConfig(
                settings=_analysis(settings),
                topics=self.policies.policy.topics,
                log=settings.log,
                store_words=settings.privacy.store_words,
            ),
            self.worker_says,
            elsewhere=self.workers_elsewhere,
            site=settings.cluster.site,
            count=count,
        )
        self.rubric = load_rubric(settings.rubric_path())
        self.pbxes = Pbxes(self.policies, names)
        self.lines = LineKeeper(store, settings.analysis, self.pbxes)

        # Every call from its first to its terminal event.
        office = self.office if self.office.shared else None
        self.writing = Writing(store, office)
        self.spool = _spool(settings, count) if office else None
        self.ledger = Ledger(
            self.writing,
            partial(self.health.set, "store"),
            count,
            keeping=None if self.spool is None else Spooling(self.spool, self.writing, self.office.term_of),
        )
        rules = RulesInForce(self.rubric, self.in_force, self.policies, store.receivers, self.lines)
        self.journeys = Journeys(
            rules, self.ledger, self.pbxes, count, acts=self.office.follows, behind=self.behind
        )
        if settings.cluster.servers:
            self.cluster = _cluster(self, settings, tasks)

        # Asterisk.
        self.shared = Shared(
            in_force=self.in_force,
            store=store,
            tasks=tasks,
            count=count,
            health=self.health,
            pool=self.pool,
            policies=self.policies,
            lines=self.lines,
            ledger=self.ledger,
            journeys=self.journeys,
            cluster=self.cluster,
            office=self.office,
        )
        for asterisk in settings.each_pbx():
            self.pbxes.add(PbxSide(asterisk, self.shared))

        # What decides where a call goes.
        grounds = Grounds(self.in_force, self.policies, self.pbxes, on=self.pbxes.by_name.get)
        self.queries = Queries(self.pool, grounds, self.lines, self.journeys.put, count)
        self.dialplan = Dialplan(self.queries, self.pbxes.asking, count)
        self.agi = AgiServer(
            settings.agi,
            self.dialplan.answer,
            margin_s=AGI_MARGIN_S,
            count=count,
            allow=AllowList([pbx.host for pbx in settings.each_pbx()], settings.agi.allow),
        )

        # What people and programs can see and do.
        dialling = Dialling(settings.dialling, time.monotonic)
        self.placing = Placing(dialling, self.pbxes, store.audit)
        poster = Poster(Networks(settings.delivery.allow_networks), settings.ca_path())
        self.sender = Sender(store.outbox, store.receivers.current, poster, on_outcome=self._on_delivery)
        spread = self.cluster.spreading if self.cluster else None
        self.learning = Learning(store, self.in_force, tasks, "service", spread=spread)
        self.deeds = Deeds(
            store, self.in_force, self.policies, self.journeys, self.sender, self.learning, spread=spread
        )
        self.board = LiveBoard(self.rubric.evidence.stay_s)
        self.reloading = Reloading(self.in_force, self.policies, self.pool, tasks, self.health, count)
        behind = Behind(
            queries=self.queries,
            placing=self.placing,
            deeds=self.deeds,
            board=self.board,
            health=self.health,
            metrics=metrics,
            policies=self.policies,
            store=store,
            reloading=self.reloading,
            pool=self.pool,
        )
        answers = WebAnswers(behind)
        self.web = WebHost(self.in_force, behind, answers=answers)
        if self.cluster:
            web_nodes = self.cluster.serve_web_nodes(answers, self.board, self._acts)
            self.journeys.news.subscribe(passing_on(web_nodes.watch))
            store.receivers.changes.subscribe(web_nodes.receivers_changed)
        self.worker_news = WorkerNews(
            self.pool, self.queries, self.pbxes, self.journeys, self.health, metrics
        )
        self._connect()

    def _connect(self) -> None:
        """Subscribe parts to each other's news."""
        self.journeys.news.subscribe(watching(self.board, time.time))
        self.journeys.news.subscribe(passing_on(self.web.watch))
        self.ledger.losses.subscribe(self.pbxes.resync)
        self.store.outbox.news.subscribe(self.sender.notify)
        self.store.outbox.news.subscribe(self.pbxes.graded)
        self.store.receivers.changes.subscribe(self.sender.receivers_changed)
        self.store.receivers.changes.subscribe(self.web.receivers_changed)
        self.reloading.policy_taken.subscribe(self.pbxes.policy_taken)
        self.reloading.settings_taken.subscribe(self._on_settings)
        self.learning.promoted.subscribe(self._on_promoted)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.in_force.settings

    async def remember_call_backs(self) -> None:
        """Let dialling limits count the calls placed before a restart."""
        now, dialling = time.time(), self.settings.dialling
        since = now - max(3600.0, dialling.number_cooldown_s)
        self.placing.remember((number, now - at) for number, at in await self.store.calls.callbacks(since))

    def _acts(self) -> dict[str, int]:
        """The PBXes that we act for, each with the number of our term."""
        return {
            side.name: self.office.epoch(side.name) for side in self.pbxes if self.office.holds(side.name)
        }

    # What the parts tell.

    def _on_promoted(self) -> None:
        self.reloading.policy_and_models()

    def worker_says(self, message: ToService | DecidedAlone) -> None:
        """Pass on a worker's message, whichever host it runs on."""
        self.worker_news.take(message)

    def workers_elsewhere(self) -> Sequence[RemoteWorker]:
        """Those on other hosts that are there."""
        return self.cluster.workers if self.cluster else ()

    def behind(self, call_id: str) -> bool:
        """Whether what was heard of a call on other hosts may still be on its way."""
        return self.cluster is not None and self.cluster.behind(pbx_of(call_id))

    async def answer(self, asked: AgiRequest) -> Mapping[str, str]:
        """Decide a dialplan's request that came through a door on another host."""
        return await self.dialplan.answer(asked)

    def _on_delivery(self, receiver: str, outcome: str) -> None:
        self.metrics.count(f"webhooks_{outcome}")

    def _on_settings(self, before: Settings, settings: Settings) -> None:
        """Parts that keep a copy of their section get the new one; the others look it up each time."""
        if settings.log != before.log:
            configure(settings.log)
            self.pool.log_as(settings.log)
        self.pool.keep_words(settings.privacy.store_words)
        self.lines.take_over(settings.analysis)
        self.pbxes.routing_taken(settings.routing)
        self.store.receivers.take_over(settings.webhooks)
        self.web.settings_changed()


def _cluster(service: Service, settings: Settings, tasks: Tasks) -> Cluster:
    from emocx_pbx.service.cluster import Cluster  # imported here: a single host needs no NATS

    return Cluster(
        settings,
        service.worker_says,
        service.ledger,
        service.health,
        tasks,
        service.metrics.count,
        service.answer,
        service.pool,
    )


def _spool(settings: Settings, count: Callable[..., None]) -> Spool | None:
    """Where changes wait while the shared database is unreachable; None: in memory only."""
    most = settings.store.spool_mb * 1_000_000
    return Spool(settings.spool_path(), most, count) if most else None


def _not_ready_yet() -> HealthBoard:
    """A health board that says what we are waiting for."""
    health = HealthBoard(time.time)
    health.set("analysis", False, "models are loading")
    return health


def _analysis(settings: Settings) -> AnalysisSettings:
    """The section as workers need it, since they do not know where the settings file is."""
    models = settings.models_path()
    return msgspec.structs.replace(settings.analysis, models_dir=str(models) if models else "")

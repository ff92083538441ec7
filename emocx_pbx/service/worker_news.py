"""Passes the analysis workers' messages to the parts that they concern, and keeps the workers' health."""

from __future__ import annotations

import structlog

from emocx_pbx.analysis.cluster.messages import DecidedAlone
from emocx_pbx.analysis.messages import (
    CallerPlaced,
    ListenResult,
    ModelsLoaded,
    NoPort,
    ReadingMade,
    Ready,
    TapEnded,
    TapStarted,
    TextResult,
    UtteranceEnded,
    WordsSaid,
    WorkerStats,
)
from emocx_pbx.analysis.pool import ToService, WorkerLost, WorkerPool
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.dispatch.queries import Queries
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.service.pbxes import Pbxes

log = structlog.get_logger()


class WorkerNews:
    """One per service; everything here is synchronous."""

    def __init__(
        self,
        pool: WorkerPool,
        queries: Queries,
        pbxes: Pbxes,
        journeys: Journeys,
        health: HealthBoard,
        metrics: Metrics,
    ) -> None:
        self._pool, self._queries, self._pbxes, self._journeys = pool, queries, pbxes, journeys
        self._health, self._metrics = health, metrics
        self._problems: set[str] = set()
        """What workers reported about models, each logged once."""
        self._full_workers: set[int] = set()
        """Workers that take no new calls."""
        self._no_port = ""
        """Why a worker could not open its port; empty again once one could."""

    def take(self, message: ToService | DecidedAlone) -> None:
        """Pass on a message."""
        match message:
            case DecidedAlone():
                self._decided_alone(message)
            case ListenResult():
                self._queries.on_listened(message)
            case TapStarted():
                self._pbxes.tap_started(message)
                self._journeys.put(message)
            case TapEnded():
                self._pbxes.tap_ended(message)
                self._journeys.put(message)
            case WorkerLost():
                self._pbxes.worker_lost(list(message.uuids))
                self._journeys.taps_lost(message.uuids)
                self._health.set("analysis", self._pool.ready, self._no_port or "a worker died")
            case NoPort(why):
                self._no_port = why
            case Ready():
                self._ready(message)
            case WorkerStats():
                self._metrics.worker(message)
                self._tell_overload(message)
            case ReadingMade() | UtteranceEnded() | WordsSaid() | CallerPlaced():
                self._journeys.put(message)
            case TextResult() | ModelsLoaded():
                pass  # the pool answers the request

    def _decided_alone(self, alone: DecidedAlone) -> None:
        """From a while ago, when NATS was unreachable: about a call that goes on, is over, or is another
        controller's.
        """
        caller = Caller(alone.call_id, alone.customer_key, opted_out=alone.opted_out)
        self._metrics.count("decisions_alone")
        self._journeys.put_late(DecidedQuery(alone.decision, caller, alone.text or None))

    def _ready(self, message: Ready) -> None:
        self._no_port = ""
        self._health.set("analysis", True, "; ".join(message.problems))
        self._pbxes.worker_ready()
        for problem in set(message.problems) - self._problems:
            log.warning("model not loaded", key="model.missing", why=problem)
        self._problems |= set(message.problems)

    def _tell_overload(self, stats: WorkerStats) -> None:
        """Health shows when a worker has no time to read new calls."""
        full, before = self._full_workers, set(self._full_workers)
        (full.add if stats.voice_only else full.discard)(stats.worker)
        if full != before:
            names = ", ".join(map(str, sorted(full)))
            why = f"new calls are not read, only followed by voice activity: worker {names} has no time"
            self._health.set("analysis", self._pool.ready, why if full else "")
            log.warning(
                "overload" if full else "no overload any more", key="analysis.overload", workers=names
            )

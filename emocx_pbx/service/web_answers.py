"""Answers the HTTP requests that the controller's own web process and the web nodes pass on.

The limits here hold for all of them together: only a few decisions are in progress at once, so that however
much comes in by HTTP, the text model is free for a caller's decision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import Queries
from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.observe.metrics import Metrics, of_pbx
from emocx_pbx.store.database import Store
from emocx_pbx.web import messages as m
from emocx_pbx.web.failures import failure_of

log = structlog.get_logger()

R = TypeVar("R")

#: Decisions in progress at once; each occupies the text model for about two milliseconds.
DECIDING: Final = 4
#: Requests at once; more are refused and answered with 503.
MAX_ASKED: Final = 128


class Reload(Protocol):
    """The part of reloading that can be requested over HTTP."""

    def policy_and_models(self) -> asyncio.Task[list[ModelsLoaded]]:
        """Reread the policy, and have workers load the versions that the models' names now stand for."""


class ReadyWorkers(Protocol):
    """The part of the worker pool that pages show."""

    def models(self) -> tuple[Ready, ...]:
        """What each ready worker reported about its models."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The parts that answer what comes in by HTTP."""

    queries: Queries
    placing: Placing
    deeds: Doer
    board: LiveBoard
    health: HealthBoard
    metrics: Metrics
    policies: Policies
    store: Store
    reloading: Reload
    pool: ReadyWorkers


class WebAnswers:
    """One per service."""

    def __init__(self, behind: Behind, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._behind, self._clock = behind, clock
        self._deciding = asyncio.Semaphore(DECIDING)
        self._asked = 0
        self._doing: set[asyncio.Task[Any]] = set()
        self.state_changed: Listeners[[]] = Listeners()
        """Listeners are called when whoever shows the state should refresh it at once."""

    def state(self) -> m.StateNow:
        """The state of the service."""
        behind = self._behind
        return m.StateNow(
            behind.health.components(),
            behind.policies.queues,
            behind.policies.policy,
            behind.pool.models(),
            behind.policies.queues_by_pbx,
        )

    def became_call(self, became: m.BecameCall) -> None:
        """A query that was decided has become a call."""
        self._behind.queries.became_call(became.decision, became.caller)

    async def answer(self, asked: m.Asking) -> m.Answering:
        """One of the outermost loops: a request that fails must not end the others."""
        number = asked.request_id
        if self._asked >= MAX_ASKED:
            return failure_of(number, PeerUnavailable("too many requests are in work already"))
        self._asked += 1
        try:
            return await self._answered(asked)
        except EmocxError as error:
            return failure_of(number, error)
        except Exception:
            self._behind.metrics.count("web_questions_failed")
            log.exception("question of the web failed", key="web.failed", what=type(asked).__name__)
            return m.Failed(number, "", "the controller failed")
        finally:
            self._asked -= 1

    async def settle(self) -> None:
        """Return when everything already begun is done."""
        await asyncio.gather(*self._doing, return_exceptions=True)

    async def _to_its_end(self, work: Coroutine[Any, Any, R]) -> R:
        """What has begun is finished, even if the process that asked for it ends meanwhile."""
        doing = asyncio.create_task(work, name="deed")
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            doing.add_done_callback(_unanswered)
            raise

    async def _answered(self, asked: m.Asking) -> m.Answering:
        behind = self._behind
        match asked:
            case m.Decide(number, text, caller):
                async with self._deciding:
                    return m.Decided(number, await behind.queries.by_text(text, caller))
            case m.TryOut(number, text, caller):
                async with self._deciding:
                    return m.TriedOut(number, *await behind.queries.preview(text, caller))
            case m.MayDial(number, text):
                return m.Admitted(number, behind.placing.admit(text))
            case m.Ring(number, call, by, until):
                self._in_time(until)
                await self._to_its_end(behind.placing.ring(call, by))
                return m.CallPlaced(number)
            case m.DoDeed(number, deed, by, until):
                self._in_time(until)
                result = await self._to_its_end(behind.deeds.do(deed, by))
                return m.DeedDone(number, msgspec.Raw(msgspec.msgpack.encode(result)))
            case m.ReloadAll(number, wait):
                loading = behind.reloading.policy_and_models()
                self.state_changed.tell()
                loaded = await asyncio.shield(loading) if wait else []
                self.state_changed.tell()
                return m.ReloadedAll(number, tuple(loaded))
            case m.ReadMetrics(number):
                await self._look_around()
                return m.MetricsText(number, *behind.metrics.render())

    def _in_time(self, until: float | None) -> None:
        """What waited for us while we stood still is not done: whoever asked was told that it failed, and may
        have asked again.
        """
        if until is not None and (late_s := self._clock() - until) > 0:
            self._behind.metrics.count("deeds_late")
            log.warning("asked too late, not done", key="web.late", late_s=round(late_s, 1))
            raise PeerUnavailable("this came too late to be done")

    async def _look_around(self) -> None:
        """Set the gauges of values that are not counted as they happen."""
        behind = self._behind
        for pbx in behind.metrics.pbxes or (None,):
            for state, number in behind.board.counts(pbx).items():
                behind.metrics.set("calls", number, state, **of_pbx(pbx or ""))
        for name, component in behind.health.components().items():
            behind.metrics.set("component_up", float(component.up), name)
        pending = await behind.store.outbox.pending()
        for receiver in behind.store.receivers.current():
            behind.metrics.set("deliveries_pending", pending.get(receiver.name, 0), receiver.name)


def _unanswered(doing: asyncio.Task[Any]) -> None:
    """Whoever asked is gone, so its errors are logged here."""
    if not doing.cancelled() and (error := doing.exception()) is not None:
        log.error("deed failed after the process that asked had ended", key="web.deed_failed", why=str(error))

"""A controller's side of a cluster: its connection to NATS, the workers on other hosts, the stream's
messages.

Imported only if [cluster] names servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.fleet import Fleet, ToService
from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.model_taker import ModelTaker
from emocx_pbx.analysis.cluster.plan import login_of, new_life, node_of, stream_of
from emocx_pbx.analysis.cluster.remote import RemoteWorker
from emocx_pbx.analysis.cluster.spreading import Spreading
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.dispatch.door_messages import AnsweredToDoor, AskedAtDoor
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.agi.forwarded import ForwardedRequest
from emocx_pbx.pbx.agi.server import AgiRequest
from emocx_pbx.service.web_answers import WebAnswers
from emocx_pbx.service.web_nodes import WebNodes
from emocx_pbx.settings.settings import Settings
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.inflow import Inflow, Superseded

log = structlog.get_logger()

_ASKED: Final = msgspec.msgpack.Decoder(AskedAtDoor)
#: Seconds to wait for the first connection; then the service starts without it and keeps trying.
CONNECT_S: Final = 2.0
#: Seconds between two tries while the store refuses the workers' messages.
WRITTEN_S: Final = 1.0
#: Seconds to wait after another controller took over the messages of one of our PBXes.
SUPERSEDED_S: Final = 1.0
#: Seconds from the moment when the stream is read for workers to send what they kept meanwhile.
SENT_S: Final = 2.0
#: Longest wait in seconds for what was heard while the stream could not be read; then calls are graded as
#: they are.
UNREAD_S: Final = 60.0


class PoolLoads:
    """The models of our own workers, loaded and swapped together with the cluster's."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def hold(self, versions: Mapping[str, str]) -> str:
        """As Loads.hold."""
        return "; ".join(dict.fromkeys(await self._pool.hold_models(versions)))

    async def swap(self) -> str:
        """As Loads.swap."""
        return "; ".join(dict.fromkeys(await self._pool.swap_models()))


class Cluster:
    """One per controller."""

    def __init__(
        self,
        settings: Settings,
        deliver: Callable[[ToService], None],
        ledger: Ledger,
        health: HealthBoard,
        tasks: Tasks,
        count: Callable[..., None],
        answer: Callable[[AgiRequest], Awaitable[Mapping[str, str]]],
        pool: WorkerPool,
    ) -> None:
        """Prepare.

        Args:
            settings: [cluster], and where its files lie.
            deliver: gets the messages of workers on other hosts, as from a WorkerPool.
            ledger: writes what the messages report.
            health: told whether NATS is reachable.
            tasks: owns what runs.
            count: adds one to a counter.
            answer: decides the requests of a dialplan.
            pool: our own workers, which use the cluster's models as well.
        """
        self._ledger, self._tasks, self._count, self._answer = ledger, tasks, count, answer
        self._node = node_of(settings)
        self.life = new_life(node_of(settings))
        """Names this process."""
        own_workers = settings.analysis.workers > 0

        def on_state(up: bool, why: str) -> None:
            # With workers of our own we carry on, so a readiness probe must not send callers elsewhere.
            health.set("nats", up or own_workers, why)

        self.bus = Bus(login_of(settings, "controller"), on_state, count)
        self._plan = stream_of(settings)
        self._taking: dict[str, asyncio.Task[None]] = {}
        """By PBX."""
        self._inflows: dict[str, Inflow] = {}
        """By PBX."""
        self._behind_since: dict[str, float] = {}
        """By PBX: when (monotonic seconds) somebody first had to wait for its messages."""
        self.web_nodes: WebNodes | None = None
        shelf = ModelShelf(self.bus, self._plan.replicas)
        self.spreading = Spreading(self.bus, shelf)
        """Puts models into use in the whole cluster."""
        loads, node = PoolLoads(pool), node_of(settings)
        registry = Registry(settings.models_path())

        def on_models() -> None:
            health.set("models", True, self._taker.behind)

        self._taker = ModelTaker(self.bus, shelf, registry, node, self.life, loads, on_models)
        self.fleet = Fleet(
            self.bus, self.life, deliver, lambda: self._taking, tasks.create_task, time.monotonic
        )

    @property
    def workers(self) -> Sequence[RemoteWorker]:
        """The workers on other hosts that are reachable."""
        return self.fleet.workers

    def serve_web_nodes(
        self, answers: WebAnswers, board: LiveBoard, acts: Callable[[], Mapping[str, int]]
    ) -> WebNodes:
        """From `start` on, serve pages and API of other hosts.

        Args:
            answers: answers their requests.
            board: the live board.
            acts: the PBXes that we act for, with the number of our term.
        """
        self.web_nodes = WebNodes(self.bus, self.life, self._node, answers, board, acts, time.monotonic)
        return self.web_nodes

    async def start(self) -> None:
        """Connect, or keep trying in the background.

        Raises:
            PeerUnavailable: a certificate can't be read.
        """
        await self.bus.start(CONNECT_S)
        await self.fleet.start()
        await self.bus.answer(subjects.spoken_answers(self.life), _ASKED, self._decide)
        await self.bus.answer(subjects.DECIDE, _ASKED, self._decide, queue=subjects.DECIDERS)
        if self.web_nodes:
            await self.web_nodes.start(self._tasks)
        await self._taker.start()
        self._tasks.keep(self.fleet.run, name="echo")
        self._tasks.keep(self._taker.run, name="models")

    async def stop(self) -> None:
        """Disconnect in order."""
        for pbx in list(self._taking):
            self.leave(pbx)
        await self.bus.close()

    def act_for(self, pbx: str, epoch: int = 0) -> None:
        """Take the workers' messages about a PBX's calls from now on; its calls must be known already.

        Args:
            pbx: its name.
            epoch: number of our term; a taker of an earlier term is cut off.
        """
        if pbx not in self._taking:
            name = f"taps of {pbx}" if pbx else "taps"
            self._taking[pbx] = self._tasks.keep(partial(self._take, pbx, epoch), name=name)

    def leave(self, pbx: str) -> None:
        """Another controller takes its messages."""
        self._inflows.pop(pbx, None)
        self._behind_since.pop(pbx, None)
        if taking := self._taking.pop(pbx, None):
            taking.cancel()

    def behind(self, pbx: str) -> bool:
        """Whether what workers heard of a PBX's calls a while ago may still arrive: the stream is not read to
        its end, or can't be read; for UNREAD_S seconds at most.
        """
        inflow, at = self._inflows.get(pbx), time.monotonic()
        since = inflow.caught_up_since if inflow and self.bus.up else None
        if since is not None and asyncio.get_running_loop().time() - since >= SENT_S:
            self._behind_since.pop(pbx, None)
            return False
        return at - self._behind_since.setdefault(pbx, at) < UNREAD_S

    async def _decide(self, asked: AskedAtDoor) -> AnsweredToDoor:
        """A door's request: handled by the same code as those that reach us by FastAGI."""
        variables = await self._answer(ForwardedRequest(asked.env, asked.variables, asked.question))
        return AnsweredToDoor(dict(variables), self.life)

    async def _take(self, pbx: str, epoch: int) -> None:
        """Act for a PBX until cancelled: answer its requests, and take its workers' messages."""
        await self.fleet.act_for(pbx)
        deciding = await self.bus.answer(subjects.decide(pbx), _ASKED, self._decide)
        try:
            await self._take_on(pbx, epoch)
        finally:
            await deciding.end()
            await self.fleet.leave(pbx)

    async def _take_on(self, pbx: str, epoch: int) -> None:
        name, life = subjects.pbx_part(pbx), self.life.replace("_", "-")
        while True:
            inflow = Inflow(
                self.bus, self._plan, name, subjects.taps(pbx), epoch, life, self._one, self._written
            )
            self._inflows[pbx] = inflow
            try:
                await inflow.run()
            except Superseded as error:
                log.warning(
                    "another controller takes what is heard", key="cluster.superseded", why=str(error)
                )
            await asyncio.sleep(SUPERSEDED_S)

    def _one(self, body: bytes) -> None:
        try:
            self.fleet.take(body)
        except Exception:
            # The outermost loop of the workers' messages: one batch must not hold up those after it.
            log.exception("message about a tap not handled", key="cluster.bad_batch")
            self._count("bus_failed")

    async def _written(self) -> None:
        """Until everything taken is written: before that the stream must keep it."""
        while True:
            if await self._ledger.written(WRITTEN_S):
                return
            await asyncio.sleep(WRITTEN_S)

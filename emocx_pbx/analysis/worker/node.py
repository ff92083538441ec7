"""The process of a worker of the cluster: `emocx-pbx worker`, on any host.

What it hears and how is as with a worker that `serve` started; only whom it speaks with is another matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.model_taker import ModelTaker
from emocx_pbx.analysis.cluster.nats_link import LOAD_S, NatsLink
from emocx_pbx.analysis.cluster.place import OfModels, WorkerIdentity
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import LoadModels, ModelsLoaded, Ready, SwapModels
from emocx_pbx.analysis.worker.life import serve
from emocx_pbx.analysis.worker.process import steady_clock
from emocx_pbx.emotion.card import CARD, checksum
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import ModelError, PeerUnavailable
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.stream import StreamPlan

#: For the first connection; without one the worker waits for it, its models warm.
CONNECT_S = 5.0


#: What goes on beside a worker's work, by its link.
Beside = Callable[[NatsLink], contextlib.AbstractAsyncContextManager[None]]


async def work(
    config: WorkerConfig,
    login: BusLogin,
    plan: StreamPlan,
    place: WorkerIdentity,
    beside: Beside | None = None,
) -> int:
    """Hear calls until SIGTERM, Ctrl-C, or drained; the exit status.

    Args:
        config: what it hears, and how.
        login: where NATS is.
        plan: of the stream.
        place: which worker it is.
        beside: what else it does with its models; None: nothing.

    Raises:
        PeerUnavailable: a certificate can't be read.
        SettingsError: what is beside it can't begin.
    """
    bus = Bus(login)
    registry = Registry(Path(config.settings.models_dir) if config.settings.models_dir else None)

    def checksums(ready: Ready) -> dict[str, str]:
        return card_checksums(config.settings.models_dir, ready)

    def of_models() -> OfModels:
        return OfModels(taker.number, taker.behind)

    try:
        await bus.start(CONNECT_S)
        link = NatsLink(
            bus, plan, place, time.monotonic, checksums, of_models=of_models, topics=config.topics
        )
        shelf = ModelShelf(bus, plan.replicas)
        loads = LinkLoads(link)
        taker = ModelTaker(bus, shelf, registry, place.worker, place.life, loads, link.beat_now)
        await taker.start()
        await link.start()
        async with beside(link) if beside else contextlib.nullcontext(), asyncio.TaskGroup() as group:
            running = [group.create_task(work()) for work in (link.run, taker.run)]
            status = await serve(config, link, steady_clock(), alone=True)
            for task in running:
                task.cancel()
    finally:
        await bus.close()
    return status


class LinkLoads:
    """Models of this process, as its taker has them swapped: asked as controllers ask."""

    def __init__(self, link: NatsLink) -> None:
        self._link = link

    async def hold(self, versions: Mapping[str, str]) -> str:
        """As Loads.hold."""
        return await self._asked(LoadModels("hold", None, dict(versions), hold=True))

    async def swap(self) -> str:
        """As Loads.swap."""
        return await self._asked(SwapModels("swap"))

    async def _asked(self, asked: LoadModels | SwapModels) -> str:
        ready = self._link.ready
        if ready is None:
            raise PeerUnavailable("models are loading")
        answer = await self._link.ask(asked, LOAD_S)
        assert isinstance(answer, ModelsLoaded)
        return "; ".join(problem for problem in answer.problems if problem not in ready.problems)


def card_checksums(models_dir: str, ready: Ready) -> dict[str, str]:
    """SHA-256 of the card of each model in use, by `name/version`; a card holds those of its files."""
    registry = Registry(Path(models_dir) if models_dir else None)
    found = {}
    for kind, name in (("speech", ready.speech_model), ("text", ready.text_model)):
        if name is not None:
            with contextlib.suppress(ModelError, OSError):
                found[name] = checksum(registry.find(kind, name).path / CARD)
    return found

"""The process of a worker of the cluster: `emocx-pbx worker`, on any host.

What it hears and how is as with a worker that `serve` started; only whom it speaks with is another matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from emocx_pbx.analysis.cluster.nats_link import NatsLink, WorkerIdentity
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import Ready
from emocx_pbx.analysis.worker.life import serve
from emocx_pbx.analysis.worker.process import steady_clock
from emocx_pbx.emotion.card import CARD, checksum
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import ModelError
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.stream import StreamPlan

#: For the first connection; without one the worker waits for it, its models warm.
CONNECT_S = 5.0


async def work(config: WorkerConfig, login: BusLogin, plan: StreamPlan, place: WorkerIdentity) -> int:
    """Hear calls until SIGTERM, Ctrl-C, or drained; the exit status.

    Raises:
        PeerUnavailable: a certificate can't be read.
    """
    bus = Bus(login)

    def checksums(ready: Ready) -> dict[str, str]:
        return card_checksums(config.settings.models_dir, ready)

    try:
        await bus.start(CONNECT_S)
        link = NatsLink(bus, plan, place, time.monotonic, checksums)
        await link.start()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(link.run())
            status = await serve(config, link, steady_clock(), alone=True)
            running.cancel()
    finally:
        await bus.close()
    return status


def card_checksums(models_dir: str, ready: Ready) -> dict[str, str]:
    """SHA-256 of the card of each model in use, by `name/version`; a card holds those of its files."""
    registry = Registry(Path(models_dir) if models_dir else None)
    found = {}
    for kind, name in (("speech", ready.speech_model), ("text", ready.text_model)):
        if name is not None:
            with contextlib.suppress(ModelError, OSError):
                found[name] = checksum(registry.find(kind, name).path / CARD)
    return found

"""Workers on other hosts over a real NATS server, and taps on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import numpy as np
from analysis.analysis_helpers import Asterisk
from analysis.cluster_site import DEADLINE_S, Node, Site

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.messages import (
    CallerPlaced,
    ReadingMade,
    TapEnded,
)
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire.bus import Bus, BusLogin

SILENCE = np.zeros(1600, np.int16)
MadeNode = Callable[..., Node]
Tapped = Callable[[AnyWorker, UUID], Awaitable[Asterisk]]


def of_tap(site: Site, uuid: UUID) -> list[object]:
    """What comes by the stream, in its order."""
    return [
        m
        for m in site.inbox.messages
        if getattr(m, "uuid", "") == str(uuid) and not isinstance(m, CallerPlaced)
    ]


async def kept(server: PrivateNats, number: int) -> None:
    """Until the stream keeps so many batches that nobody took."""
    bus = Bus(BusLogin((server.url,)))
    assert await bus.start(DEADLINE_S)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if (await bus.stream.stream_info(subjects.STREAM)).state.messages >= number:
                break
    await bus.close()


async def read(site: Site, uuid: UUID) -> None:
    """Until the tap's first reading."""
    await site.inbox.until(lambda: [m for m in of_tap(site, uuid) if isinstance(m, ReadingMade)])


async def answered(site: Site) -> tuple[float, ...] | None:
    return (await site.pool.classify_text("I am angry", 20.0)).probabilities


async def over(site: Site, uuid: UUID) -> TapEnded:
    def ends() -> list[TapEnded]:
        return [m for m in site.inbox.of(TapEnded) if m.uuid == str(uuid)]

    return (await site.inbox.until(ends))[0]

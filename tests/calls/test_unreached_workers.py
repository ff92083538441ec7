"""A tap that reached nobody goes to another worker, as soon as Asterisk reports it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from fixed_grounds import NoLines

from emocx_pbx.analysis.messages import AnnounceTap, EndSession, TapStarted
from emocx_pbx.analysis.unreached import Unreached
from emocx_pbx.calls import taps as module
from emocx_pbx.calls.taps import TapKeeper, TapWorker, Workers
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.ami import Ami


class Worker:
    """Takes what it is sent."""

    alive = responsive = True

    def __init__(self, address: str) -> None:
        self.address = address
        self.inbox: asyncio.Queue[AnnounceTap | EndSession] = asyncio.Queue()

    def send(self, message: EndSession) -> None:
        self.inbox.put_nowait(message)

    async def announce(self, message: AnnounceTap) -> None:
        self.inbox.put_nowait(message)

    async def announced(self) -> AnnounceTap:
        async with asyncio.timeout(5):
            while not isinstance(message := await self.inbox.get(), AnnounceTap):
                pass
        return message


class Pool:
    """Chooses as the real one: the first, unless this PBX does not reach it."""

    def __init__(self, *workers: Worker) -> None:
        self.workers, self.unreached = workers, Unreached()

    def pick(self, pbx: str = "") -> TapWorker:
        return min(self.workers, key=lambda worker: self.unreached.by(pbx, worker.address))


def failure(uuid: str, address: str) -> Mapping[str, str]:
    channel = f"AudioSocket/{address}/{uuid}/c(slin)"
    return {"Event": "OriginateResponse", "Response": "Failure", "Channel": channel, "Reason": "0"}


async def quiet(name: str, fields: Mapping[str, Any]) -> None:
    """Asterisk takes every Originate."""


async def test_what_asterisk_could_not_connect_goes_to_another_worker_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "START_DEADLINE_S", 3600.0)
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
    away, there = Worker("10.0.0.1:9092"), Worker("10.0.0.2:9092")
    pool, ids = Pool(away, there), (UUID(int=n) for n in range(1, 9))
    async with asyncio.TaskGroup() as group:
        taps = TapKeeper(
            cast(Ami, SimpleNamespace(action=quiet)), cast(Workers, pool), NoLines(), cast(Tasks, group),
            lambda name: None, lambda: 100.0, lambda: next(ids),
        )  # fmt: skip
        taps.want("berlin/1.1", "1.1", "stereo")
        first = await away.announced()
        taps.on_ami(failure("another", away.address))
        taps.on_ami({"Event": "OriginateResponse", "Response": "Failure", "Channel": "Local/x@y"})
        taps.on_ami(failure(first.uuid, away.address))
        second = await there.announced()
        taps.on_started(TapStarted(second.uuid, "berlin/1.1", 100.2))
        taps.want("berlin/1.2", "1.2", "stereo")
        third = await there.announced()
        taps.on_started(TapStarted(third.uuid, "berlin/1.2", 100.3))
        taps.want("vienna/1.3", "1.3", "stereo")
        fourth = await away.announced()
        taps.on_started(TapStarted(fourth.uuid, "vienna/1.3", 100.4))
        for call in ("berlin/1.1", "berlin/1.2", "vienna/1.3"):
            taps.unwant(call)

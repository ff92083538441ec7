"""Taps are kept: a failed start, an early end and a dead worker lead to another try; a hangup to none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import msgspec
import pytest
from fixed_grounds import NoLines

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.messages import AnnounceTap, EndSession, TapEnded, TapStarted
from emocx_pbx.analysis.unreached import Unreached
from emocx_pbx.calls import taps as module
from emocx_pbx.calls.taps import TapKeeper, originate_fields
from emocx_pbx.domain import LineZero
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.message import AmiResponse


class Worker:
    """Takes messages; whoever awaits `next` gets them in order."""

    address = "127.0.0.1:9092"
    alive = True
    responsive = True

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[AnnounceTap | EndSession] = asyncio.Queue()

    def send(self, message: AnnounceTap | EndSession) -> None:
        self.inbox.put_nowait(message)

    async def announce(self, message: AnnounceTap) -> None:
        self.send(message)

    async def next(self) -> AnnounceTap | EndSession:
        async with asyncio.timeout(5):
            return await self.inbox.get()

    async def announced(self) -> AnnounceTap:
        message = await self.next()
        assert isinstance(message, AnnounceTap)
        return message


class Ami:
    """Answers each Originate with what is queued for it; else with success."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, Mapping[str, str | list[str]]]] = []

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        assert fields is not None
        self.sent.append((name, fields))
        if self.errors:
            raise self.errors.pop(0)
        return AmiResponse({})


@pytest.fixture
async def group() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


def keeper(
    group: asyncio.TaskGroup,
    ami: Ami,
    worker: Worker,
    counted: list[str] | None = None,
    zeros: Callable[[str], tuple[LineZero, ...]] = lambda call_id: (),
) -> TapKeeper:
    ids = (UUID(int=n) for n in range(1, 100))
    count = (counted if counted is not None else []).append
    workers = SimpleNamespace(pick=lambda pbx: worker, unreached=Unreached())
    lines = SimpleNamespace(zeros=zeros)
    tasks = cast(Tasks, group)
    return TapKeeper(ami, workers, lines, tasks, count, lambda: 100.0, lambda: next(ids))


def test_the_originate_is_the_one_of_the_reference() -> None:
    fields = originate_fields("u-1", "127.0.0.1:9092", "1.1", "stereo")
    assert fields["Channel"] == "AudioSocket/127.0.0.1:9092/u-1/c(slin)"
    assert (fields["Application"], fields["Data"]) == ("ChanSpy", "1.1,uDqsSE")


async def test_a_tap_is_announced_with_the_zero_of_the_calls_line(group: asyncio.TaskGroup) -> None:
    ami, worker = Ami(), Worker()

    def zeros(call_id: str) -> tuple[LineZero, ...]:
        return (LineZero(f"trunk of {call_id}", "voice/5", 60, (0.0, 0.0, 0.5, -0.5)),)

    taps = keeper(group, ami, worker, zeros=zeros)
    taps.want("1.1", "1.1", "stereo")
    announced = await worker.announced()
    assert announced.zeros == zeros("1.1")
    taps.unwant("1.1")


async def test_a_tap_is_announced_with_the_rules_that_its_call_is_watched_by(
    group: asyncio.TaskGroup,
) -> None:
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    rules = (AlertRule(name="angry", when="angry"), AlertRule(name="down", when="falling"))
    taps.want("1.1", "1.1", "stereo", alerts=rules)
    announced = await worker.announced()
    assert announced.alerts == rules
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(announced), type=AnnounceTap) == announced
    taps.unwant("1.1")


async def test_a_call_is_tapped_once_and_ended_when_over(group: asyncio.TaskGroup) -> None:
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    taps.want("1.1", "1.1", "stereo")
    taps.want("1.1", "1.1", "stereo")
    announced = await worker.next()
    assert isinstance(announced, AnnounceTap)
    taps.on_started(TapStarted(announced.uuid, "1.1", 100.2))
    taps.unwant("1.1")
    assert await worker.next() == EndSession(announced.uuid)
    taps.on_ended(TapEnded(announced.uuid, "1.1", 101.0, "ended", 0.8, 0.02, 0.0))
    assert len(ami.sent) == 1


async def test_another_target_takes_the_place_of_the_one_before(group: asyncio.TaskGroup) -> None:
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    taps.want("1.1", "1.2", "agent")
    first = await worker.announced()
    taps.on_started(TapStarted(first.uuid, "1.1", 100.2))
    taps.want("1.1", "1.3", "agent")
    ended, second = sorted([await worker.next(), await worker.next()], key=lambda m: m.uuid)
    assert ended == EndSession(first.uuid) and isinstance(second, AnnounceTap)
    assert [fields["Data"] for _, fields in ami.sent] == ["1.2,uoqsSE", "1.3,uoqsSE"]
    taps.unwant("1.1")


async def test_a_refused_originate_is_tried_again_under_a_new_uuid(group: asyncio.TaskGroup) -> None:
    counted: list[str] = []
    ami, worker = Ami(RefusedError("no"), PeerUnavailable("gone")), Worker()
    taps = keeper(group, ami, worker, counted)
    taps.want("1.1", "1.1", "stereo")
    uuids = {message.uuid for message in [await worker.next() for _ in range(5)]}
    assert len(uuids) == 3  # two failed tries, each announced and withdrawn, and the third
    assert counted == ["taps_failed", "taps_failed"]
    taps.unwant("1.1")


async def test_a_dead_workers_tap_goes_on_elsewhere_at_the_right_call_time(group: asyncio.TaskGroup) -> None:
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    taps.want("1.1", "1.1", "stereo")
    first = await worker.announced()
    taps.on_started(TapStarted(first.uuid, "1.1", 70.0))
    await asyncio.sleep(0)
    worker.alive = False
    taps.on_worker_lost([first.uuid])
    second = await worker.announced()
    assert (second.uuid != first.uuid, second.offset_s) == (True, 30.0)
    taps.unwant("1.1")


async def test_for_want_of_the_link_a_tap_is_tried_for_as_long_as_it_takes(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    away = [PeerUnavailable("link down")] * (3 * module.MAX_TRIES)
    counted: list[str] = []
    ami, worker = Ami(*away), Worker()
    taps = keeper(group, ami, worker, counted)
    taps.want("1.1", "1.1", "stereo")
    announced = [await worker.next() for _ in range(2 * len(away) + 1)]
    assert isinstance(announced[-1], AnnounceTap)
    assert counted == ["taps_failed"] * len(away)
    taps.unwant("1.1")


@pytest.mark.parametrize("missing", ["worker", "link"])
async def test_a_tap_waits_no_longer_when_what_it_wants_is_back(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 3600.0)
    ami, worker = Ami(PeerUnavailable("link down")) if missing == "link" else Ami(), Worker()
    tried, there = asyncio.Event(), missing == "link"

    def pick(pbx: str) -> Worker:
        tried.set()
        if not there:
            raise PeerUnavailable("no analysis worker is ready")
        return worker

    ids = (UUID(int=n) for n in range(1, 100))
    workers = SimpleNamespace(pick=pick, unreached=Unreached())
    tasks = cast(Tasks, group)
    taps = TapKeeper(ami, workers, NoLines(), tasks, lambda name: None, lambda: 100.0, lambda: next(ids))
    taps.want("1.1", "1.1", "stereo")
    await tried.wait()
    if missing == "link":
        assert [type(await worker.next()) for _ in range(2)] == [AnnounceTap, EndSession]
    there = True
    taps.wake()
    again = await worker.announced()
    taps.on_started(TapStarted(again.uuid, "1.1", 100.0))
    taps.unwant("1.1")
    assert await worker.next() == EndSession(again.uuid)


async def test_a_frozen_worker_uses_up_no_tries(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("START_DEADLINE_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(module, name, 0.0)
    counted: list[str] = []
    worker = Worker()
    worker.responsive = False
    taps = keeper(group, Ami(), worker, counted)
    taps.want("1.1", "1.1", "stereo")
    for _ in range(4 * module.MAX_TRIES):
        await worker.next()
    assert "taps_given_up" not in counted
    taps.unwant("1.1")


async def test_a_tap_that_was_given_up_can_be_wanted_again(
    group: asyncio.TaskGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    given_up = asyncio.Event()
    ami, worker = Ami(*[RefusedError("no")] * module.MAX_TRIES), Worker()
    taps = keeper(group, ami, worker)

    def count(name: str) -> None:
        if name == "taps_given_up":
            given_up.set()

    taps._count = count
    taps.want("1.1", "1.1", "stereo")
    await given_up.wait()
    for _ in range(2 * module.MAX_TRIES):
        await worker.next()
    taps.want("1.1", "1.1", "stereo")
    assert isinstance(await worker.next(), AnnounceTap)
    taps.unwant("1.1")

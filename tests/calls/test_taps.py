"""Taps are kept: a failed start, an early end and a dead worker lead to another try; a hangup to none."""

import asyncio
from uuid import UUID

import pytest

from emocx_pbx.analysis.messages import AnnounceTap, EndSession, TapEnded, TapStarted
from emocx_pbx.calls.taps import TapKeeper, originate_fields
from emocx_pbx.errors import PeerUnavailable, RefusedError


class Worker:
    """Takes messages; whoever awaits `next` gets them in order."""

    port = 9092
    alive = True

    def __init__(self):
        self.inbox = asyncio.Queue()

    def send(self, message):
        self.inbox.put_nowait(message)

    async def next(self):
        async with asyncio.timeout(5):
            return await self.inbox.get()


class Ami:
    """Answers each Originate with what is queued for it; else with success."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.sent = []

    async def action(self, name, fields):
        self.sent.append((name, fields))
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
async def group():
    async with asyncio.TaskGroup() as group:
        yield group


def keeper(group, ami, worker, counted=None):
    ids = (UUID(int=n) for n in range(1, 100))
    count = (counted if counted is not None else []).append
    return TapKeeper(ami, lambda: worker, "127.0.0.1", group, lambda: 100.0, lambda: next(ids), count)


def test_the_originate_is_the_one_of_the_reference():
    fields = originate_fields("u-1", "127.0.0.1", 9092, "1.1", "stereo")
    assert fields["Channel"] == "AudioSocket/127.0.0.1:9092/u-1/c(slin)"
    assert (fields["Application"], fields["Data"]) == ("ChanSpy", "1.1,uDqsSE")


async def test_a_call_is_tapped_once_and_ended_when_over(group):
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    taps.want("1.1", "1.1", "stereo")
    taps.want("1.1", "1.1", "stereo")
    announced = await worker.next()
    assert isinstance(announced, AnnounceTap)
    taps.on_started(TapStarted(announced.uuid, "1.1", 100.2))
    assert taps.is_tapped("1.1")
    taps.unwant("1.1")
    assert await worker.next() == EndSession(announced.uuid)
    taps.on_ended(TapEnded(announced.uuid, "1.1", 101.0, "ended", 0.8, 0.02, 0.0))
    assert not taps.is_tapped("1.1")
    assert len(ami.sent) == 1


async def test_a_refused_originate_is_tried_again_under_a_new_uuid(group):
    counted = []
    ami, worker = Ami(RefusedError("no"), PeerUnavailable("gone")), Worker()
    taps = keeper(group, ami, worker, counted)
    taps.want("1.1", "1.1", "stereo")
    uuids = {message.uuid for message in [await worker.next() for _ in range(5)]}
    assert len(uuids) == 3  # two failed tries, each announced and withdrawn, and the third
    assert counted == ["taps_failed", "taps_failed"]
    taps.unwant("1.1")


async def test_a_dead_workers_tap_goes_on_elsewhere_at_the_right_call_time(group):
    ami, worker = Ami(), Worker()
    taps = keeper(group, ami, worker)
    taps.want("1.1", "1.1", "stereo")
    first = await worker.next()
    taps.on_started(TapStarted(first.uuid, "1.1", 70.0))
    await asyncio.sleep(0)
    worker.alive = False
    taps.on_worker_lost([first.uuid])
    second = await worker.next()
    assert (second.uuid != first.uuid, second.offset_s) == (True, 30.0)
    taps.unwant("1.1")

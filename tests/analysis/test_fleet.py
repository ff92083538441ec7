"""Workers on other hosts, as real processes over a real NATS server: found, used, lost, back, drained."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from analysis.analysis_helpers import Asterisk, Samples
from analysis.cluster_site import DEADLINE_S, Node, Site
from wire.cuttable import Cuttable
from wire.nats_helpers import connected

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.handle import WorkerLost
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    EndSession,
    ListenResult,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
)
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

SILENCE = np.zeros(1600, np.int16)
MadeNode = Callable[..., Node]
Tapped = Callable[[AnyWorker, UUID], Awaitable[Asterisk]]


@pytest.fixture
def server() -> Iterator[PrivateNats]:
    with PrivateNats() as server:
        yield server


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def node(server: PrivateNats, tmp_path: Path, closing: AsyncExitStack) -> MadeNode:
    def make(name: str = "n1", site: str = "", url: str = "") -> Node:
        node = Node(tmp_path, url or server.url, name, site)
        closing.push_async_callback(node.close)
        return node

    return make


@pytest.fixture
async def site(server: PrivateNats, closing: AsyncExitStack) -> Site:
    site = Site(server)
    closing.push_async_callback(site.close)
    return await site.start()


@pytest.fixture
def tapped(closing: AsyncExitStack) -> Tapped:
    """Taps as TapKeeper and Asterisk do."""

    async def tap(worker: AnyWorker, uuid: UUID) -> Asterisk:
        await worker.announce(AnnounceTap(str(uuid), "1.1", "stereo"))
        asterisk = await Asterisk.connect(int(worker.address.rpartition(":")[2]), uuid)
        closing.callback(asterisk.drop)
        return asterisk

    return tap


def of_tap(site: Site, uuid: UUID) -> list[object]:
    return [m for m in site.inbox.messages if getattr(m, "uuid", "") == str(uuid)]


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


async def test_a_call_is_heard_elsewhere_and_all_of_it_comes_in_order(
    site: Site, node: MadeNode, tapped: Tapped, call: tuple[Samples, Samples]
) -> None:
    (worker,) = await site.found(await node().start())
    assert site.pool.pick() is worker and worker.address.startswith("127.0.0.1:")
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(*call)
    await asterisk.hang_up()
    ended = await over(site, uuid)
    heard = of_tap(site, uuid)
    readings = [m for m in heard if isinstance(m, ReadingMade)]
    assert isinstance(heard[0], TapStarted) and heard[-1] is ended
    assert len(readings) >= 3 and [r.t1 for r in readings] == sorted(r.t1 for r in readings)
    assert {m.side for m in heard if isinstance(m, UtteranceEnded)} == {"agent", "customer"}
    assert worker.uuids == set()


async def test_texts_and_callers_are_understood_elsewhere(site: Site, node: MadeNode) -> None:
    (worker,) = await site.found(await node().start())
    assert (await site.pool.classify_text("I am angry", 20.0)).probabilities == pytest.approx(
        (0.7, 0.1, 0.1, 0.1)
    )
    uuid = uuid4()
    await worker.announce(AnnounceListen(str(uuid), "1.1"))
    asterisk = await Asterisk.connect(int(worker.address.rpartition(":")[2]), uuid)
    await asterisk.hang_up()
    heard = (await site.inbox.until(lambda: site.inbox.of(ListenResult)))[0]
    assert (heard.uuid, heard.reason) == (str(uuid), "hangup")
    assert worker.uuids == set()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_lost_workers_taps_are_told(
    site: Site, node: MadeNode, tapped: Tapped, how: signal.Signals
) -> None:
    started = await node().start()
    (worker,) = await site.found(started)
    uuid = uuid4()
    await tapped(worker, uuid)
    started.signal(how)
    lost = (await site.inbox.until(lambda: site.inbox.of(WorkerLost)))[0]
    assert lost == WorkerLost(worker.index, (str(uuid),))
    with pytest.raises(PeerUnavailable):
        site.pool.pick()


async def test_a_worker_that_thaws_is_told_which_taps_are_no_longer_its_own(
    site: Site, node: MadeNode, tapped: Tapped, call: tuple[Samples, Samples]
) -> None:
    started = await node().start()
    (worker,) = await site.found(started)
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(*(side[:16000] for side in call))
    await site.inbox.until(lambda: site.inbox.of(TapStarted))
    started.signal(signal.SIGSTOP)
    await site.inbox.until(lambda: site.inbox.of(WorkerLost))
    before = len(of_tap(site, uuid))
    started.signal(signal.SIGCONT)
    assert 0x00 in await asterisk.until_end()  # it ended the session in order
    await site.found(started)
    assert site.pool.pick() is worker  # and takes calls again
    other = uuid4()
    await (await tapped(worker, other)).hang_up()
    await over(site, other)
    assert len(of_tap(site, uuid)) == before  # nothing more of what others hear now


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_while_nats_is_away_taps_go_on_and_nothing_is_lost(
    server: PrivateNats, site: Site, node: MadeNode, tapped: Tapped, call: tuple[Samples, Samples], how: str
) -> None:
    (worker,) = await site.found(await node().start())
    quiet, disturbed = uuid4(), uuid4()
    for uuid in (quiet, disturbed):
        asterisk = await tapped(worker, uuid)
        half = len(call[0]) // 2
        await asterisk.play(*(side[:half] for side in call))
        await read(site, uuid)
        if uuid is disturbed:
            getattr(server, how)()
        await asterisk.play(*(side[half:] for side in call))
        await asterisk.hang_up()
        if uuid is disturbed:
            async with asyncio.timeout(DEADLINE_S):
                await site.down.wait()
            (server.start if how == "kill" else server.thaw)()
        await over(site, uuid)
    heard = {
        uuid: [(type(m), getattr(m, "t0", None), getattr(m, "t1", None)) for m in of_tap(site, uuid)
               if isinstance(m, ReadingMade | UtteranceEnded)]
        for uuid in (quiet, disturbed)
    }  # fmt: skip
    # Fast audio makes voice activity run ahead of readings, never readings ahead of each other.
    assert sorted(heard[disturbed], key=str) == sorted(heard[quiet], key=str)
    readings = [m.t1 for m in of_tap(site, disturbed) if isinstance(m, ReadingMade)]
    assert readings == sorted(readings)
    assert not site.inbox.of(WorkerLost)


async def test_a_worker_started_again_is_another_and_the_same_number(
    site: Site, node: MadeNode, tapped: Tapped
) -> None:
    started = node()
    (first,) = await site.found(await started.start())
    uuid = uuid4()
    await tapped(first, uuid)
    started.signal(signal.SIGKILL)
    await started.ended()
    await started.start()
    lost = (await site.inbox.until(lambda: site.inbox.of(WorkerLost)))[0]
    assert lost.uuids == (str(uuid),)
    (second,) = await site.found(started)
    assert second is not first and second.index == first.index


async def test_a_worker_that_drains_ends_with_its_last_call(
    site: Site, node: MadeNode, tapped: Tapped
) -> None:
    started = await node().start()
    (worker,) = await site.found(started)
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(SILENCE, SILENCE)
    await site.inbox.until(lambda: site.inbox.of(TapStarted))
    draining = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "emocx_pbx.cli",
            "worker",
            "drain",
            started.name,
            "--config",
            str(started.config),
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await draining.communicate()
    assert b"n1-0 takes nothing new; it ends with the last of 1 calls" in said
    with pytest.raises(PeerUnavailable, match="draining"):
        await worker.announce(AnnounceTap(str(uuid4()), "1.2", "stereo"))
    await site.inbox.until(lambda: not site.pool.everywhere)
    with pytest.raises(PeerUnavailable):
        site.pool.pick()
    await asterisk.hang_up()
    await over(site, uuid)
    assert await started.ended() == 0
    assert not site.inbox.of(WorkerLost) or not site.inbox.of(WorkerLost)[0].uuids


async def test_the_nearest_site_first_then_the_least_loaded(
    server: PrivateNats, node: MadeNode, closing: AsyncExitStack
) -> None:
    site = Site(server, site="berlin")
    closing.push_async_callback(site.close)
    await site.start()
    near, nearer, far = (node(n, s) for n, s in (("n1", "berlin"), ("n2", "berlin"), ("n3", "munich")))
    for one in (near, nearer, far):
        await one.start()
    workers = await site.found(near, nearer, far)
    picked = []
    for _ in range(4):
        worker = site.pool.pick()
        picked.append(worker)
        await worker.announce(AnnounceTap(str(uuid4()), "1.1", "stereo", ttl_s=60.0))
    assert set(picked) == set(workers[:2]) and picked.count(workers[0]) == 2
    for one in (near, nearer):
        one.signal(signal.SIGKILL)
    await site.inbox.until(lambda: len(site.inbox.of(WorkerLost)) == 2)
    assert site.pool.pick() is workers[2]


async def test_another_controller_takes_what_is_heard_over(
    server: PrivateNats,
    site: Site,
    node: MadeNode,
    tapped: Tapped,
    call: tuple[Samples, Samples],
    closing: AsyncExitStack,
) -> None:
    (worker,) = await site.found(await node().start())
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(*(side[: len(side) // 2] for side in call))
    await site.inbox.until(lambda: site.inbox.of(ReadingMade))
    await site.crash()
    await asterisk.play(*(side[len(side) // 2 :] for side in call))
    await kept(server, 3)
    second = Site(server, life="controller-2")
    closing.push_async_callback(second.close)
    await second.start(epoch=2)
    assert 0x00 in await asterisk.until_end()  # not known to the second, which taps the call anew
    ended = await over(second, uuid)
    heard = of_tap(second, uuid)
    assert isinstance(heard[0], TapStarted) and heard[-1] is ended
    assert [m for m in heard if isinstance(m, ReadingMade)]  # what was heard meanwhile


async def test_without_nats_our_own_worker_goes_on(server: PrivateNats, closing: AsyncExitStack) -> None:
    server.stop()
    site = Site(server, workers=1)
    closing.push_async_callback(site.close)
    started = asyncio.create_task(site.start())
    await site.inbox.until(lambda: site.pool.ready)
    assert (await site.pool.classify_text("I am angry", 20.0)).probabilities == pytest.approx(
        (0.7, 0.1, 0.1, 0.1)
    )
    assert site.pool.pick().local
    await started


async def test_a_worker_that_was_cut_off_ends_what_others_hear_now(
    server: PrivateNats,
    site: Site,
    node: MadeNode,
    tapped: Tapped,
    call: tuple[Samples, Samples],
    closing: AsyncExitStack,
) -> None:
    way = await closing.enter_async_context(Cuttable(server.port))
    started = await node(url=way.url).start()
    (worker,) = await site.found(started)
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    half = len(call[0]) // 2
    await asterisk.play(*(side[:half] for side in call))
    await read(site, uuid)
    way.cut()
    lost = (await site.inbox.until(lambda: site.inbox.of(WorkerLost)))[0]
    assert lost.uuids == (str(uuid),)
    heard = len(of_tap(site, uuid))
    await asterisk.play(*(side[half:] for side in call))  # it hears on, and keeps it
    way.mend()
    assert 0x00 in await asterisk.until_end()
    await site.found(started)
    other = uuid4()
    await (await tapped(worker, other)).hang_up()
    await over(site, other)
    assert len(of_tap(site, uuid)) == heard  # others hear this call: nothing of it twice


async def test_a_full_stream_is_waited_for(
    server: PrivateNats,
    node: MadeNode,
    tapped: Tapped,
    call: tuple[Samples, Samples],
    closing: AsyncExitStack,
) -> None:
    bus = await connected(server.url)
    small = StreamPlan(subjects.STREAM, subjects.STREAM_SUBJECTS, max_bytes=2_000)
    await ensure_stream(bus, small)
    await bus.close()
    site = Site(server)
    closing.push_async_callback(site.close)
    await site.start(taking=False)
    started = await node().start()
    (worker,) = await site.found(started)
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(*call)
    await asterisk.hang_up()
    await site.inbox.until(lambda: worker.beat.waiting > 3)  # the stream takes no more: it says so itself
    site.take()
    await over(site, uuid)
    readings = [m for m in of_tap(site, uuid) if isinstance(m, ReadingMade)]
    assert len(readings) >= 3 and [r.t1 for r in readings] == sorted(r.t1 for r in readings)
    assert worker.beat.dropped == 0


async def test_an_end_is_told_again_until_it_is_heard(
    server: PrivateNats, site: Site, node: MadeNode, tapped: Tapped
) -> None:
    (worker,) = await site.found(await node().start())
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(SILENCE, SILENCE)
    await site.inbox.until(lambda: site.inbox.of(TapStarted))
    server.kill()
    worker.send(EndSession(str(uuid)))
    server.start()
    assert 0x00 in await asterisk.until_end()
    assert (await over(site, uuid)).reason == "ended"


def test_silence_of_all_is_our_own_deafness() -> None:
    from emocx_pbx.analysis.cluster.presence import GRACE_S, LOST_S, Presence

    presence = Presence()
    assert presence.beat("a") and not presence.beat("a")
    times = np.arange(0.0, LOST_S + 0.5, 0.25)
    assert [life for t in times for life in presence.echoed(float(t))] == ["a"]
    assert presence.beat("a")  # it is back
    assert presence.echoed(100.0) == []  # we heard nothing for a minute: nobody is lost for that
    after = np.arange(100.25, 100.0 + GRACE_S + LOST_S, 0.25)
    assert [life for t in after for life in presence.echoed(float(t))] == []
    assert presence.echoed(100.25 + GRACE_S + LOST_S) == ["a"]

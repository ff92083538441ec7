"""Workers on other hosts, as real processes over a real NATS server: found, used, lost, drained."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from analysis.analysis_helpers import Asterisk, Samples
from analysis.cluster_site import DEADLINE_S, Site
from analysis.fleet import SILENCE, MadeNode, Tapped, of_tap, over

from emocx_pbx.analysis.handle import WorkerLost
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    CallerPlaced,
    ListenResult,
    ReadingMade,
    TapStarted,
    UtteranceEnded,
)
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire.bus import Bus, BusLogin


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
    (placed,) = await site.inbox.until(lambda: site.inbox.of(CallerPlaced))
    assert (placed.uuid, placed.place.mean) == (str(uuid), (0.5,))
    assert worker.uuids == set()


async def test_the_stream_keeps_nothing_of_one_voice(
    site: Site, server: PrivateNats, node: MadeNode, tapped: Tapped, call: tuple[Samples, Samples]
) -> None:
    (worker,) = await site.found(await node().start())
    bus = Bus(BusLogin((server.url,)))
    assert await bus.start(DEADLINE_S)
    kept: list[bytes] = []

    async def keep(message: Any) -> None:
        kept.append(message.data)

    await bus._client.subscribe("emocx.tap.>", cb=keep)
    await bus._client.flush()
    uuid = uuid4()
    asterisk = await tapped(worker, uuid)
    await asterisk.play(*call)
    await asterisk.hang_up()
    await over(site, uuid)
    await bus._client.flush()
    await bus.close()
    assert any(b"ReadingMade" in data for data in kept)
    assert not any(b"CallerPlaced" in data for data in kept)


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

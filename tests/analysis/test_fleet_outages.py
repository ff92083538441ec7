"""Workers on other hosts while NATS is away, full or cut off, and when another controller takes over."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import numpy as np
import pytest
from analysis.analysis_helpers import Samples
from analysis.cluster_site import DEADLINE_S, Site
from analysis.fleet import SILENCE, MadeNode, Tapped, kept, of_tap, over, read
from wire.cuttable import Cuttable
from wire.nats_helpers import connected

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.handle import WorkerLost
from emocx_pbx.analysis.messages import (
    EndSession,
    ReadingMade,
    TapStarted,
    UtteranceEnded,
)
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.wire.stream import StreamPlan, ensure_stream


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
    small = StreamPlan(subjects.STREAM, subjects.STREAM_SUBJECTS, max_bytes=1_700)
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

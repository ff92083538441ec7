"""Taps of a real worker process, by raw AudioSocket."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt
import pytest
from analysis.analysis_helpers import Asterisk, Inbox, announce_tap
from analysis.stub_worker import Loud

from emocx_pbx.analysis.messages import (
    EndSession,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
    WorkerStats,
)
from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.pool import WorkerLost, WorkerPool
from emocx_pbx.domain import Reading, Span
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
Call = tuple[Samples, Samples]


def expected(call: Call, offset_s: float = 0.0) -> tuple[list[Reading], list[Span]]:
    analyser = CallAnalyser(Loud(), AnalysisSettings(), offset_s)
    items = analyser.feed(*call) + analyser.finish()
    return [i for i in items if isinstance(i, Reading)], [i for i in items if isinstance(i, Span)]


async def test_a_stereo_tap_reads_as_the_recording_does(
    pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call
) -> None:
    worker = announce_tap(pool, uuid, "call-1", offset_s=30.0)
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(*call)
    await tap.hang_up()
    ended = (await inbox.until(lambda: inbox.of(TapEnded)))[0]
    readings, spans = expected(call, 30.0)
    assert [(r.t0, r.t1, r.speech_s, r.probabilities) for r in inbox.of(ReadingMade)] == [
        (r.t0, r.t1, r.speech_s, r.scores.probabilities) for r in readings
    ]
    assert [(s.side, s.t0, s.t1) for s in inbox.of(UtteranceEnded)] == [(s.side, s.t0, s.t1) for s in spans]
    assert (ended.reason, ended.audio_s, ended.missing_s) == ("eof", 26.0, 0.0)
    assert {m.uuid for m in inbox.of(ReadingMade)} == {str(uuid)}
    kinds = [type(m) for m in inbox.messages if not isinstance(m, WorkerStats)]
    assert kinds.index(TapStarted) < kinds.index(ReadingMade)
    assert kinds[-1] is TapEnded
    assert not worker.uuids


async def test_a_tap_ended_by_the_controller(pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call) -> None:
    worker = announce_tap(pool, uuid, "call-1")
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(call[0][:32000], call[1][:32000])
    await inbox.until(lambda: inbox.of(UtteranceEnded))
    worker.send(EndSession(str(uuid)))
    kinds = await tap.until_end()
    assert kinds[0] == 0x10 and kinds[-1] == 0x00
    ended = (await inbox.until(lambda: inbox.of(TapEnded)))[0]
    assert ended.reason == "ended"
    assert inbox.of(ReadingMade)  # what was heard is not lost


async def test_a_uuid_opens_once_and_only_when_announced(pool: WorkerPool, inbox: Inbox, uuid: UUID) -> None:
    worker = announce_tap(pool, uuid, "call-1")
    stranger = await Asterisk.connect(worker.port, uuid4())
    assert await stranger.until_end() == [0x00]
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(np.zeros(320, np.int16), np.zeros(320, np.int16))
    await inbox.until(lambda: inbox.of(TapStarted))
    second = await Asterisk.connect(worker.port, uuid)
    assert await second.until_end() == [0x00]
    await tap.hang_up()
    await inbox.until(lambda: inbox.of(TapEnded))


async def test_a_tap_that_never_comes_is_told(pool: WorkerPool, inbox: Inbox, uuid: UUID) -> None:
    worker = pool.pick_own()
    from emocx_pbx.analysis.messages import AnnounceTap

    worker.send(AnnounceTap(str(uuid), "call-1", "stereo", ttl_s=0.05))
    ended = (await inbox.until(lambda: inbox.of(TapEnded)))[0]
    assert (ended.uuid, ended.reason, ended.audio_s) == (str(uuid), "handshake", 0.0)
    late = await Asterisk.connect(worker.port, uuid)
    assert await late.until_end() == [0x00]


async def test_wideband_or_half_samples_end_their_tap_alone(
    pool: WorkerPool, inbox: Inbox, call: Call
) -> None:
    wrong, half, good = uuid4(), uuid4(), uuid4()
    for uuid in (wrong, half, good):
        worker = announce_tap(pool, uuid, f"call-{uuid}")
    running = await Asterisk.connect(worker.port, good)
    await running.play(call[0][:8000], call[1][:8000])
    first = await Asterisk.connect(worker.port, wrong)
    first.send(0x12, bytes(640))
    second = await Asterisk.connect(worker.port, half)
    second.send(0x10, bytes(642))
    assert (await first.until_end())[-1] == 0x00
    assert (await second.until_end())[-1] == 0x00
    await running.play(call[0][8000:], call[1][8000:])
    await running.hang_up()
    await inbox.until(lambda: len(inbox.of(TapEnded)) == 3)
    reasons = {ended.uuid: ended.reason for ended in inbox.of(TapEnded)}
    assert reasons == {str(wrong): "protocol", str(half): "protocol", str(good): "eof"}
    assert len(inbox.of(ReadingMade)) == len(expected(call)[0])


async def test_stop_lets_the_last_readings_out(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, uuid: UUID, call: Call
) -> None:
    pool = make_pool()
    assert await pool.start()
    worker = announce_tap(pool, uuid, "call-1")
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(call[0][:32000], call[1][:32000])
    await inbox.until(lambda: inbox.of(UtteranceEnded))
    stopping = asyncio.create_task(pool.stop())
    assert (await tap.until_end())[-1] == 0x00
    async with asyncio.timeout(10):
        await stopping
    assert [ended.reason for ended in inbox.of(TapEnded)] == ["ended"]
    assert inbox.of(ReadingMade)
    assert not inbox.of(WorkerLost)
    with pytest.raises(PeerUnavailable):
        pool.pick_own()


async def test_a_killed_worker_is_replaced_and_its_taps_told(
    pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call
) -> None:
    worker = announce_tap(pool, uuid, "call-1")
    tap = await Asterisk.connect(worker.port, uuid)
    await tap.play(call[0][:8000], call[1][:8000])
    await inbox.until(lambda: inbox.of(TapStarted))
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    lost = (await inbox.until(lambda: inbox.of(WorkerLost)))[0]
    assert lost == WorkerLost(0, (str(uuid),))
    assert not worker.alive
    await tap.until_end()
    with pytest.raises(PeerUnavailable):
        worker.send(None)  # type: ignore[arg-type]
    await inbox.until(lambda: pool.ready)
    again = pool.pick_own()
    assert again is not worker
    announce_tap(pool, uuid, "call-1", offset_s=1.0)
    tap = await Asterisk.connect(again.port, uuid)
    await tap.play(*call)
    await tap.hang_up()
    await inbox.until(lambda: inbox.of(ReadingMade))

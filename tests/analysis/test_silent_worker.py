"""A worker that is frozen: what is new goes to others, and soon another takes its place."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable

import msgspec
import pytest
from analysis.analysis_helpers import Inbox

from emocx_pbx.analysis import handle
from emocx_pbx.analysis.handle import SILENT_S, WorkerHandle, WorkerLost
from emocx_pbx.analysis.messages import TapStarted, ToController, WorkerStats
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.wire import link as wire
from emocx_pbx.wire.link import Link
from emocx_pbx.wire.progress import ProcessProgress, standing


def freeze(worker: WorkerHandle) -> int:
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    return worker.pid


async def test_nothing_new_goes_to_a_frozen_worker(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    pool = make_pool(workers=2)
    await pool.start()
    await inbox.until(lambda: len(pool.workers) == 2)
    frozen, other = pool.workers
    pid = freeze(frozen)
    try:
        for _ in range(4):
            frozen.last_message_at -= 60
            assert pool.pick_own() is other
            assert (await pool.classify_text("angry", 10.0)).probabilities is not None
        # Nobody speaks: then one is as good as the other.
        frozen.last_message_at = other.last_message_at = other.last_message_at - 60
        assert pool.pick_own() in (frozen, other)
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_frozen_worker_is_replaced(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handle, "SILENT_S", 2.5)
    monkeypatch.setattr(wire, "SECOND_LOOK_S", 0.1)
    pool = make_pool()
    await pool.start()
    pid = freeze(pool.pick_own())
    await inbox.until(lambda: inbox.of(WorkerLost))
    monkeypatch.setattr(handle, "SILENT_S", SILENT_S)
    await inbox.until(lambda: pool.ready)
    assert pool.pick_own().pid != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_controller_that_was_frozen_itself_reads_what_came_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = socket.socketpair()
    link = Link(*await asyncio.open_unix_connection(sock=ours), msgspec.msgpack.Decoder(ToController))
    worker = Link(*await asyncio.open_unix_connection(sock=theirs), msgspec.msgpack.Decoder(ToController))
    loop = asyncio.get_running_loop()
    clock, said = loop.time, TapStarted("u", "c", 1.0)
    receiving = asyncio.create_task(link.receive_within(SILENT_S))
    await asyncio.sleep(0)  # it begins to wait
    # In one step: a message is there, and the time for it is over.
    worker.send(said)
    monkeypatch.setattr(loop, "time", lambda: clock() + SILENT_S + 5)
    assert await receiving == said
    monkeypatch.undo()
    await link.close()
    await worker.close()


async def test_a_worker_that_is_merely_slow_is_not_ended(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool()
    await pool.start()
    worker = pool.pick_own()
    pid = worker.pid
    monkeypatch.setattr(handle, "SILENT_S", 0.1)
    monkeypatch.setattr(wire, "SECOND_LOOK_S", 0.01)
    looked: list[bool] = []

    def moved(progress: ProcessProgress) -> bool:
        looked.append(True)
        return True

    monkeypatch.setattr("emocx_pbx.wire.progress.ProcessProgress.moved", moved)
    # By the clock it may take as long as others keep it from the core.
    worker.last_message_at -= 1000
    # Its next report is 2 s away: it is silent for 20 times as long as it may.
    count = len(inbox.of(WorkerStats))
    await inbox.until(lambda: len(inbox.of(WorkerStats)) >= count + 2)
    assert len(looked) > 3
    assert pool.pick_own() is worker and worker.pid == pid


async def test_a_worker_that_works_on_and_on_without_a_word_is_replaced(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool()
    await pool.start()
    pid = pool.pick_own().pid
    monkeypatch.setattr(wire, "SECOND_LOOK_S", 0.01)
    monkeypatch.setattr(handle, "SILENT_S", 0.1)
    monkeypatch.setattr("emocx_pbx.wire.progress.ProcessProgress.moved", lambda progress: True)
    monkeypatch.setattr(handle, "SILENT_WORK_S", -1.0)
    await inbox.until(lambda: inbox.of(WorkerLost))
    monkeypatch.undo()
    await inbox.until(lambda: pool.ready)
    assert pool.pick_own().pid != pid


def test_a_worker_that_works_or_waits_for_a_core_is_not_silent() -> None:
    progress = ProcessProgress(os.getpid())
    assert progress.moved()  # this very process runs
    ours, theirs = socket.socketpair()
    # cat is there, and waits to be told something, once it has passed a byte on.
    with ours, theirs, subprocess.Popen(["cat"], stdin=theirs.fileno(), stdout=theirs.fileno()) as cat:
        ours.send(b"?")
        assert ours.recv(1) == b"?"
        try:
            os.kill(cat.pid, signal.SIGSTOP)
            os.waitpid(cat.pid, os.WUNTRACED)  # it may be on a core for a moment more
            stopped = ProcessProgress(cat.pid)
            stopped.moved()
            assert not stopped.moved()
        finally:
            cat.kill()
    assert standing(cat.pid).state == ""
    assert not stopped.moved()

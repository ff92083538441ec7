"""Real worker processes with stub models."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import soundfile
from analysis.analysis_helpers import Inbox, Samples

from emocx_pbx.analysis.messages import Ready
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings

HERE = Path(__file__).parent
STUB = (sys.executable, str(HERE / "stub_worker.py"))


@pytest.fixture(scope="session")
def call() -> tuple[Samples, Samples]:
    """A recorded call's customer and agent, int16 at 8 kHz."""
    data = HERE.parent / "data" / "audio"
    customer, agent = (
        soundfile.read(data / f"call_{side}.flac", dtype="int16")[0] for side in ("customer", "agent")
    )
    return np.asarray(customer), np.asarray(agent)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def make_pool(inbox: Inbox) -> AsyncIterator[Callable[..., WorkerPool]]:
    """Makes pools of stub workers; stopped at the end."""
    pools: list[WorkerPool] = []

    def make(command: tuple[str, ...] = STUB, spare_after_s: float = 10.0, **settings: object) -> WorkerPool:
        chosen = AnalysisSettings(**{"base_port": 0, "listen_start_s": 1.0, **settings})  # type: ignore[arg-type]
        topics = {"billing": ["my invoice"], "other": ["hello"]}
        pools.append(WorkerPool(chosen, inbox, topics, LogSettings(level="error"), command, spare_after_s))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.stop()


@pytest.fixture
async def pool(make_pool: Callable[..., WorkerPool], inbox: Inbox) -> WorkerPool:
    """A ready pool of one stub worker, its transcriber loaded."""
    pool = make_pool()
    assert await pool.start()
    await inbox.until(lambda: [ready for ready in inbox.of(Ready) if ready.transcriber])
    return pool


@pytest.fixture
def uuid() -> UUID:
    return uuid4()

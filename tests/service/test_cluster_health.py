"""A controller of a cluster whose NATS is away is ready all the same, if it has workers of its own."""

from __future__ import annotations

from typing import Any, cast

import pytest

from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service import cluster as module
from emocx_pbx.service.cluster import Cluster
from emocx_pbx.settings.settings import AnalysisSettings, ClusterSettings, Settings


@pytest.mark.parametrize("workers", [0, 1])
async def test_without_nats_it_is_ready_if_it_hears_calls_itself(
    monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.05)
    with PrivateNats() as server:
        url = server.url  # nobody is there from here on
    settings = Settings(cluster=ClusterSettings(nats=url), analysis=AnalysisSettings(workers=workers))
    health = HealthBoard(lambda: 0.0)
    async with Tasks() as tasks:
        nobody = cast(Any, None)
        cluster = Cluster(settings, nobody, nobody, health, tasks, lambda *_: None, nobody, nobody)
        await cluster.start()
        state = health.components()["nats"]
        await cluster.stop()
    assert state.up is bool(workers) and state.why

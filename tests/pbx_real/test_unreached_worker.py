"""A worker that answers the controller, and that Asterisk does not reach: its calls go to another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

# Service and two workers start, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(300)

LIGHT: dict[str, Any] = {"transcriber": "off", "speech_model": "mlp"}


def worker(folder: Path, nats: PrivateNats, host: str) -> NodeProcess:
    """One that says that Asterisk reaches it at this address."""
    folder.mkdir()
    analysis = {**LIGHT, "base_port": free_port(), "host": host}
    return NodeProcess(
        folder, ("worker",), {"cluster": {"nats": nats.url, "node": folder.name}, "analysis": analysis}
    )


async def test_calls_are_tapped_elsewhere_and_the_next_ones_at_once(
    pbx: PrivateAsterisk, crm: Receiver, probe: AmiProbe, tmp_path: Path
) -> None:
    with PrivateNats() as nats:
        settings = {"cluster": {"nats": nats.url}, "analysis": {**LIGHT, "workers": 0}}
        hooks = [Hook(crm.url, crm.secret, EVENTS)]
        async with (
            # First there, and never busy: it would always be the one to choose.
            worker(tmp_path / "away", nats, "127.0.0.99"),
            ServiceProcess(tmp_path / "c1", pbx, hooks, settings) as service,
            worker(tmp_path / "there", nats, "127.0.0.1") as there,
        ):
            await there.says("worker.carries")
            for _ in range(3):
                customer = await call_in(probe, "queue-support")
                _, spying = await probe.event("ChanSpyStart", 40, SpyeeUniqueid=customer.uniqueid)
                assert "AudioSocket/127.0.0.1:" in spying["SpyerChannel"]
                await hang_up(probe, customer)
                await crm.wait(partial(crm.of, "call.ended", customer.uniqueid), 20)
            log = service.log()
    assert log.count('"tap.failed"') == 1, "each later call would lose its first seconds, too"
    assert "no audio reached the worker" in log

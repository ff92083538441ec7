"""Two real Asterisks; one controller knows both, another only one of them, and takes that one over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import SippAgents

TOLD = ("query.routed", "call.started", "call.graded", "call.ended")


@pytest.fixture(scope="module")
def both_write_here() -> Iterator[PrivatePostgres]:
    with PrivatePostgres() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def vienna(
    installation: Installation, speech: recordings.TwoSided, ul: dict[str, Path]
) -> AsyncIterator[PrivateAsterisk]:
    async with PrivateAsterisk(installation) as pbx, SippAgents(pbx.agent_port, ul["agent"], answer_s=0.1):
        recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
        yield pbx


async def talking(probe: AmiProbe, service: ServiceProcess, uniqueid: str, call_id: str) -> Customer:
    """A customer who talks to an agent and was heard."""
    customer = await call_in(probe, "route", {"EMOCX_QUERY": "this is outrageous"}, uniqueid=uniqueid)
    await probe.event("AgentConnect", 20, Uniqueid=customer.uniqueid)
    await service.until_call(call_id, lambda call: bool(call["readings"]), 60)
    return customer


async def ended_once(probe: AmiProbe, crm: Receiver, customer: Customer, call_id: str) -> None:
    await hang_up(probe, customer)
    await crm.wait(lambda: crm.of("call.ended", call_id), 40)
    events = sorted((e for e in crm.events if e.call_id == call_id), key=lambda e: e.data["sequence"])
    assert tuple(e.type for e in events) == TOLD, "each once, in order"


async def test_a_pbx_that_is_lost_leaves_the_other_ones_calls_alone_and_comes_back(
    pbx: PrivateAsterisk,
    probe: AmiProbe,
    vienna: PrivateAsterisk,
    crm: Receiver,
    both_write_here: PrivatePostgres,
    tmp_path: Path,
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "store": {"url": both_write_here.url()},
        "analysis": {"transcriber": "off", "speech_model": "mlp", "spare_worker": False},
    }
    hooks = [Hook(crm.url, crm.secret, TOLD)]

    def controller(name: str, pbxes: dict[str, PrivateAsterisk]) -> ServiceProcess:
        named = {**settings, "cluster": {"node": name}}
        return ServiceProcess(tmp_path / name, next(iter(pbxes.values())), hooks, named, pbxes=pbxes)

    wide = controller("wide", {"berlin": pbx, "vienna": vienna})
    narrow = controller("narrow", {"vienna": vienna})
    try:
        async with AmiProbe().connected(vienna.ami_port, "demo", vienna.secret) as there:
            await wide.start()
            await narrow.start(standby=True)
            here = await talking(probe, wide, "two-1795512480.1", "berlin/two-1795512480.1")
            moved = await talking(there, wide, "two-1795512480.1", "vienna/two-1795512480.1")
            wide.freeze()
            await narrow.ready(30)
            wide.thaw()
            # It has lost vienna alone, and goes on with berlin's call where it was.
            components = await wide.until_component("controller vienna", "standby: narrow acts")
            assert components["controller berlin"].endswith("acts, term 1")
            assert "asterisk vienna" not in components
            await wide.ready(30)
            before = await wide.until_call("berlin/two-1795512480.1", lambda call: bool(call["readings"]))
            heard = len(before["readings"])
            await wide.until_call("berlin/two-1795512480.1", lambda call: len(call["readings"]) > heard, 60)
            await ended_once(probe, crm, here, "berlin/two-1795512480.1")
            # And it takes vienna again, with its call, when the other one dies.
            await narrow.kill()
            components = await wide.until_component("controller vienna", "wide acts, term 3", 30)
            await wide.ready(30)
            await ended_once(there, crm, moved, "vienna/two-1795512480.1")
        assert wide.log().count('"service.up"') == 1, "it was one life"
        assert wide.log().count('"lease.lost"') == 1 and '"journey.failed"' not in wide.log()
    finally:
        for one in (wide, narrow):
            await one.stop()
        await probe.action(Action="Setvar", Variable="EMOCX_PBX", Value="")

"""Two real Asterisks and one service: calls in channels of the same Uniqueid, told apart to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Customer, call_in, hang_up

from emocx_pbx.check.check import check
from emocx_pbx.demo.run import EVENTS, QUERIES
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import SippAgents
from emocx_pbx.settings.settings import load

POLICY = """
[[rules]]
name = "angry callers of berlin"
pbx = "berlin"
emotion = ["angry"]
queue = "care"

[[rules]]
name = "angry callers anywhere else"
emotion = ["angry"]
queue = "retention"
"""


@dataclass
class Site:
    """A PBX with its eyes and hands."""

    name: str
    pbx: PrivateAsterisk
    probe: AmiProbe

    async def call(self, uniqueid: str, extension: str = "route") -> Customer:
        """An angry customer comes in the channel of that Uniqueid."""
        return await call_in(self.probe, extension, {"EMOCX_QUERY": QUERIES[0]}, uniqueid=uniqueid)


@dataclass
class World:
    """Two sites and what serves them."""

    berlin: Site
    vienna: Site
    service: ServiceProcess
    crm: Receiver

    async def told(self, kind: str, call_id: str, deadline_s: float = 40.0) -> Received:
        """The first event of a kind of a call."""
        await self.crm.wait(lambda: self.crm.of(kind, call_id), deadline_s)
        return self.crm.of(kind, call_id)[0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def second(
    installation: Installation, speech: recordings.TwoSided, ul: dict[str, Path]
) -> AsyncIterator[PrivateAsterisk]:
    async with PrivateAsterisk(installation) as pbx, SippAgents(pbx.agent_port, ul["agent"], answer_s=0.1):
        recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
        yield pbx


@pytest_asyncio.fixture(loop_scope="session")
async def world(
    pbx: PrivateAsterisk, probe: AmiProbe, second: PrivateAsterisk, tmp_path: Path
) -> AsyncIterator[World]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    light = {"analysis": {"transcriber": "off", "speech_model": "mlp"}}
    async with (
        Receiver() as crm,
        AmiProbe().connected(second.ami_port, "demo", second.secret) as there,
        ServiceProcess(
            tmp_path,
            pbx,
            [Hook(crm.url, crm.secret, EVENTS)],
            light,
            policy,
            {"berlin": pbx, "vienna": second},
        ) as service,
    ):
        yield World(Site("berlin", pbx, probe), Site("vienna", second, there), service, crm)
    # Other tests' services call it nothing; the command line can't set a global to nothing.
    await probe.action(Action="Setvar", Variable="EMOCX_PBX", Value="")


def kinds(world: World, call_id: str) -> list[str]:
    """Types of a call's events in their order."""
    events = [e for e in world.crm.events if e.call_id == call_id]
    return [e.type for e in sorted(events, key=lambda e: e.data["sequence"])]


async def test_calls_of_the_same_uniqueid_are_routed_tapped_graded_and_told_apart(world: World) -> None:
    sites = (world.berlin, world.vienna)
    customers = await asyncio.gather(*(site.call("twin-1795512460.12") for site in sites))
    answered = [
        (await site.probe.event("AgentConnect", 20, Uniqueid=customer.uniqueid))[1]
        for site, customer in zip(sites, customers, strict=True)
    ]
    assert [event["Uniqueid"] for event in answered] == ["twin-1795512460.12"] * 2
    assert [event["Queue"] for event in answered] == ["care", "retention"]  # each by its PBX's rule
    for site in sites:
        await world.told("call.reading", f"{site.name}/twin-1795512460.12")
    await asyncio.gather(*(hang_up(site.probe, c) for site, c in zip(sites, customers, strict=True)))
    for site in sites:
        call_id = f"{site.name}/twin-1795512460.12"
        await world.told("call.ended", call_id)
        told = kinds(world, call_id)
        assert told[:2] == ["query.routed", "call.started"]
        assert told[-2:] == ["call.graded", "call.ended"]
        assert {e.data["pbx"] for e in world.crm.events if e.call_id == call_id} == {site.name}
    async with aiohttp.ClientSession() as http:
        url = f"{world.service.url}/api/v1/calls"
        async with http.get(url, params={"pbx": "vienna"}) as answer:
            (listed,) = (await answer.json())["calls"]
        assert (listed["call_id"], listed["pbx"]) == ("vienna/twin-1795512460.12", "vienna")
        for written in ("vienna%2Ftwin-1795512460.12", "vienna/twin-1795512460.12"):
            async with http.get(f"{url}/{written}") as answer:
                assert (await answer.json())["call"]["call_id"] == "vienna/twin-1795512460.12"


async def test_calls_that_ask_for_nothing_are_told_apart_by_their_events_alone(world: World) -> None:
    sites = (world.berlin, world.vienna)
    customers = await asyncio.gather(*(site.call("twin-1795512463.3", "queue-sales") for site in sites))
    for site in sites:
        started = await world.told("call.started", f"{site.name}/twin-1795512463.3")
        assert (started.data["pbx"], started.data["queue"]) == (site.name, "sales")
    await hang_up(world.vienna.probe, customers[1])
    await world.told("call.ended", "vienna/twin-1795512463.3")
    assert not world.crm.of("call.ended", "berlin/twin-1795512463.3")
    await hang_up(world.berlin.probe, customers[0])
    await world.told("call.ended", "berlin/twin-1795512463.3")
    assert not world.crm.of("call.started", "twin-1795512463.3")


async def test_the_check_looks_at_each_and_tells_a_wrong_name(world: World) -> None:
    settings = load(world.service.config, {})
    await world.berlin.pbx.cli("dialplan set global EMOCX_PBX vienna")
    found = {finding.topic: finding for finding in await check(settings, self_tap=False)}
    for name in ("berlin", "vienna"):
        assert found[f"asterisk ({name})"].level == "ok" and f"dialplan ({name})" in found
    assert found["name (vienna)"].level == "ok"
    wrong = found["name (berlin)"]
    assert wrong.level == "fail" and "EMOCX_PBX is vienna" in wrong.what and "berlin" in wrong.remedy


async def test_one_that_dies_leaves_the_others_calls_alone(world: World) -> None:
    berlin, vienna = await asyncio.gather(
        *(site.call("twin-1795512461.7") for site in (world.berlin, world.vienna))
    )
    for site, customer in ((world.berlin, berlin), (world.vienna, vienna)):
        await site.probe.event("AgentConnect", 20, Uniqueid=customer.uniqueid)
        await world.told("call.started", f"{site.name}/twin-1795512461.7")
    await world.vienna.pbx.kill()
    health = await world.service.until_health("asterisk vienna", up=False)
    assert health["asterisk berlin"] and health["analysis"]
    await world.told("call.reading", "berlin/twin-1795512461.7")
    assert not world.crm.of("call.ended", "berlin/twin-1795512461.7")
    later = await world.berlin.call("twin-1795512462.8")  # and callers are still decided on
    assert (await world.berlin.probe.event("AgentConnect", 20, Uniqueid=later.uniqueid))[1]["Queue"] == "care"
    for customer in (berlin, later):
        await hang_up(world.berlin.probe, customer)
    await world.told("call.graded", "berlin/twin-1795512461.7")
    await world.vienna.pbx.start()
    await world.service.until_health("asterisk vienna", up=True)
    ended = await world.told("call.ended", "vienna/twin-1795512461.7")
    assert ended.data["reason"] == "asterisk_restart"
    assert kinds(world, "berlin/twin-1795512461.7").count("call.ended") == 1

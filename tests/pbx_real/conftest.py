"""A real Asterisk for the whole session; see pbx_stubs for what stands in for the service."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, StubAgi
from pbx_real.queue_case import Case, prepared

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import SippAgents

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One Asterisk, one event loop for all of these tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.pbx)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    # Last of all tests: the session's event loop stands still during others', and what its service sends
    # meanwhile would be read, and verified, minutes later. Among these, tests with a service of their own
    # come first: the session's service taps every call, and tells of it by the same ids (docs/webhooks.md).
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    elsewhere = [item for item in items if Path(__file__).parent not in item.path.parents]
    items[:] = [*elsewhere, *sorted(here, key=lambda item: "session_service" in _fixtures(item))]


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def installation() -> Installation:
    """Asterisk on disk; made by the installer when it is not there yet."""
    subprocess.run([ROOT / "scripts/install-asterisk.sh"], check=True, timeout=600)
    return find(cache_directory(os.environ))


@pytest.fixture(scope="session")
def speech() -> recordings.TwoSided:
    """A human call: the long recording where the data is at hand, else the shipped one."""
    calls = ROOT / "../shared/data/calls"
    customer, agent = calls / "auto_repairs_40_caller.flac", calls / "auto_repairs_40_agent.flac"
    return recordings.load(customer, agent) if customer.exists() else recordings.load()


@pytest.fixture(scope="session")
def ul(speech: recordings.TwoSided, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw mu-law for sipp: customer and agent."""
    folder = tmp_path_factory.mktemp("ul")
    return {
        "customer": recordings.write_mulaw(folder / "customer.ul", speech.customer),
        "agent": recordings.write_mulaw(folder / "agent.ul", speech.agent),
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pbx(
    installation: Installation, speech: recordings.TwoSided, ul: dict[str, Path]
) -> AsyncIterator[PrivateAsterisk]:
    """The session's Asterisk with answering agents; `speech` can be played by light customers."""
    async with PrivateAsterisk(installation) as pbx, SippAgents(pbx.agent_port, ul["agent"], answer_s=0.1):
        recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
        keeping = asyncio.create_task(revived(pbx))
        yield pbx
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def revived(pbx: PrivateAsterisk) -> None:
    """Let a crash of Asterisk fail the test that it falls in, and not all those after it."""
    async for status in pbx.revivals():
        print(f"Asterisk ended by itself with {status}, and was started again", file=sys.stderr)


@pytest_asyncio.fixture(loop_scope="session")
async def probe(pbx: PrivateAsterisk) -> AsyncIterator[AmiProbe]:
    """Eyes and hands at the manager interface; hangs up every call at the end."""
    async with AmiProbe().connected(pbx.ami_port, "demo", pbx.secret) as probe:
        yield probe
        await pbx.cli("channel request hangup all")


@pytest_asyncio.fixture(loop_scope="session")
async def case(pbx: PrivateAsterisk, probe: AmiProbe) -> AsyncIterator[Case]:
    """Set-ups of queues, members and extensions as administrators have them."""
    async with prepared(pbx, probe) as case:
        yield case


@pytest_asyncio.fixture(loop_scope="session")
async def agi(pbx: PrivateAsterisk) -> AsyncIterator[StubAgi]:
    """A FastAGI server that Asterisk asks; a test fills in `behave`."""
    async with StubAgi().running() as stub:
        await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{stub.port}")
        yield stub


def unsigned(crm: Receiver) -> list[str]:
    """Deliveries with a wrong signature: what each was, of which call and time, and what was wrong."""
    return [
        f"{d.type} {d.id} of call {d.call_id}, of {d.timestamp}, number {number} of {len(crm.deliveries)}: "
        f"{d.why_invalid}"
        for number, d in enumerate(crm.deliveries, 1)
        if not d.signature_valid
    ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crm() -> AsyncIterator[Receiver]:
    """A CRM that verifies every webhook."""
    async with Receiver() as crm:
        yield crm
        assert unsigned(crm) == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_service(
    pbx: PrivateAsterisk, crm: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    hooks = [Hook(crm.url, crm.secret, EVENTS)]
    async with ServiceProcess(tmp_path_factory.mktemp("service"), pbx, hooks) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def service(pbx: PrivateAsterisk, session_service: ServiceProcess, probe: AmiProbe) -> ServiceProcess:
    """The session's real service, with the dialplan pointed at it; not to be killed."""
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{session_service.agi_port}")
    return session_service


@pytest_asyncio.fixture(loop_scope="session")
async def own_service(
    pbx: PrivateAsterisk, crm: Receiver, probe: AmiProbe, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    """A service of one test's own, to be frozen and killed; light, without speech-to-text."""
    light = {"analysis": {"transcriber": "off", "speech_model": "mlp"}}
    async with ServiceProcess(tmp_path, pbx, [Hook(crm.url, crm.secret, EVENTS)], light) as service:
        yield service

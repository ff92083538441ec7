"""Two web nodes and a controller as processes: a real call, with and without a controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.node import NodeProcess
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.service import ServiceProcess

# Four processes start, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(300)
DEADLINE_S = 60.0


@dataclass
class Site:
    """A controller and the addresses of two web nodes."""

    service: ServiceProcess
    nodes: tuple[str, str]
    http: aiohttp.ClientSession

    async def until(self, node: str, found: Callable[[int, Any], bool]) -> Any:
        """The node's answer for live calls, once it is so; asked few times a second."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                async with self.http.get(f"{node}/api/v1/live") as response:
                    answer = await response.json()
                if found(response.status, answer):
                    return answer
                await asyncio.sleep(0.2)

    async def status(self, url: str) -> int:
        async with self.http.get(url) as response:
            return response.status


def shows(call_id: str, state: str) -> Callable[[int, Any], bool]:
    """Whether a live view has the call so."""
    return lambda status, answer: (
        status == 200 and (call_id, state) in {(call["call_id"], call["state"]) for call in answer["calls"]}
    )


@pytest_asyncio.fixture(loop_scope="session")
async def site(pbx: PrivateAsterisk, probe: AmiProbe, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        server = stack.enter_context(PrivatePostgres())
        nats = stack.enter_context(PrivateNats())
        shared = {"store": {"url": server.url()}}
        settings: dict[str, Mapping[str, Any]] = {
            **shared,
            "cluster": {"nats": nats.url, "node": "north"},
            "analysis": {"transcriber": "off", "speech_model": "mlp", "base_port": 0, "spare_worker": False},
        }
        service = await stack.enter_async_context(ServiceProcess(tmp_path / "c", pbx, (), settings))
        nodes: list[str] = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            port = free_port()
            own: dict[str, Mapping[str, Any]] = {
                **shared,
                "cluster": {"nats": nats.url, "node": name},
                "http": {"port": port, "open_to_this_machine": True, "check_minutes": 0},
            }
            node = NodeProcess(tmp_path / name, ("serve", "--role", "web"), own)
            await stack.enter_async_context(node)
            await node.says("web.up")
            nodes.append(f"http://127.0.0.1:{port}")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Site(service, (nodes[0], nodes[1]), http)


async def test_both_nodes_show_a_call_and_go_on_when_the_controller_is_killed(
    site: Site, probe: AmiProbe
) -> None:
    customer = await call_in(probe, "queue-support")
    call_id = customer.uniqueid
    for node in site.nodes:
        await site.until(node, shows(call_id, "talking"))
    a, b = site.nodes
    # A decision asked of a node is the controller's.
    async with site.http.post(f"{b}/api/v1/queries", json={"text": "this is outrageous"}) as response:
        assert (response.status, (await response.json())["emotion"]) != (200, None)
    await site.service.kill()
    for node in site.nodes:
        gone = await site.until(node, lambda status, answer: status == 503)
        assert "no controller answers" in gone["detail"]
        assert await site.status(f"{node}/readyz") == 200
        assert await site.status(f"{node}/api/v1/calls?limit=5") == 200
    await site.service.start()
    for node in site.nodes:
        await site.until(node, shows(call_id, "talking"))
    await hang_up(probe, customer)
    for node in site.nodes:
        await site.until(
            node, lambda status, answer: call_id in {call["call_id"] for call in answer["recent"]}
        )
    assert await site.status(f"{a}/api/v1/calls/{call_id}") == 200

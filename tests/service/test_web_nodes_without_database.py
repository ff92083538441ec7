"""A web node whose PostgreSQL is away says so at every address that needs it, and serves when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from service.test_web_nodes import House, Node, logged_in, status_of
from web.web_site import Browser
from wire.nats_helpers import DEADLINE_S

from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.postgres import PrivatePostgres

#: Of pages and API.
ADDRESSES = ("/calls", "/agents", "/account", "/api/v1/calls", "/api/v1/grades")


@pytest.fixture
def server() -> Iterator[PrivatePostgres]:
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
async def house(server: PrivatePostgres, tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(PrivateNats())
        yield House(nats, server.url(), tmp_path, stack)


async def statuses(node: Node, browser: Browser) -> dict[str, int]:
    found = {}
    for path in ADDRESSES:
        of_program = path.startswith("/api")
        found[path] = (await node.got(path))[0] if of_program else await status_of(browser, path)
    return found


async def told(node: Node, status: int) -> None:
    """Until a load balancer is told so."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if (await node.got("/readyz"))[0] == status:
                return


async def test_it_answers_503_and_serves_again(house: House, server: PrivatePostgres) -> None:
    north = await house.controller("north", {"": 1})
    north.world.waits("1.1", "care")
    node = await house.node()
    await node.until_live(lambda ids: ids == ["1.1"])
    browser = await logged_in(house, node)
    assert await statuses(node, browser) == dict.fromkeys(ADDRESSES, 200)
    server.kill()
    assert await statuses(node, browser) == dict.fromkeys(ADDRESSES, 503)
    await told(node, 503)
    assert (await node.got("/healthz"))[0] == 200, "the process itself is well"
    login = await node.browser()
    async with await login.post("/login", name="ann", password="a wrong one") as refused:
        assert refused.status in {403, 503}, "nobody gets in by it"
    server.start()
    await told(node, 200)
    assert await statuses(node, browser) == dict.fromkeys(ADDRESSES, 200), "with the session of before"

"""The receiver that tests of webhooks send to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from webhooks.webhook_receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    observed = Receiver()
    app = web.Application()
    app.router.add_post("/hook", observed.handle)
    server = TestServer(app)
    await server.start_server()
    observed.url = str(server.make_url("/hook"))
    yield observed
    observed.release.set()
    await server.close()

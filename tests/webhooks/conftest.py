"""The receiver that tests of webhooks send to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from webhooks.webhook_receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    told = Receiver()
    app = web.Application()
    app.router.add_post("/hook", told.handle)
    server = TestServer(app)
    await server.start_server()
    told.url = str(server.make_url("/hook"))
    yield told
    told.release.set()
    await server.close()

"""The receiver that tests of webhooks send to, and a sender at work with its store, clock and outcomes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from webhooks.sender_bench import POSTER, Clock, Outcomes, Sending, settings
from webhooks.webhook_receiver import Receiver

from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.sender import Sender


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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(place: Path | str, receiver: Receiver, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(place, [settings(receiver)], clock)
    yield opened
    await opened.close()


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


@pytest.fixture
def sending(store: Store, clock: Clock, outcomes: Outcomes) -> Sending:
    """A sender at work, ended at the end."""

    @asynccontextmanager
    async def at_work(*receivers: WebhookSettings, of: Store = store) -> AsyncIterator[Sender]:
        sender = Sender(
            of.outbox, lambda: receivers, POSTER, clock, rng=random.Random(1), on_outcome=outcomes
        )
        of.outbox.news.subscribe(sender.notify)
        task = asyncio.create_task(sender.run())
        yield sender
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return at_work

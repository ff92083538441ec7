"""The live feed over HTTP, as a browser reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from live_helpers import Told

from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.web.live_api import LiveApi


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def client(told: Told) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    feed = LiveFeed(told.board, "life", lambda: 500.0)
    api, app = LiveApi(feed), web.Application()
    app.add_routes([web.get("/live", api.snapshot), web.get("/events", api.events)])
    async with TestClient(TestServer(app)) as client:
        yield client
        feed.stop()


async def event(response: ClientResponse) -> dict[str, str]:
    raw = await response.content.readuntil(b"\n\n")
    return dict(line.split(": ", 1) for line in raw.decode().strip().split("\n"))


async def test_the_snapshot(client: TestClient[web.Request, web.Application], told: Told) -> None:
    told.waits()
    async with client.get("/live") as response:
        assert response.headers["Cache-Control"] == "no-store"
        body = await response.json()
    assert (body["now"], body["calls"][0]["state"], body["recent"]) == (500.0, "waiting", [])


async def test_events_come_at_once_and_resume(
    client: TestClient[web.Request, web.Application], told: Told
) -> None:
    async with client.get("/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert await event(response) == {"retry": "1000"}
        assert (await event(response))["event"] == "snapshot"
        told.waits()
        seen = await event(response)
        assert (seen["event"], seen["id"]) == ("call", "life-1")
    told.ends()
    async with client.get("/events", headers={"Last-Event-ID": "life-1"}) as response:
        await event(response)
        assert (await event(response))["event"] == "ended"


async def test_too_many_watchers_are_told_to_come_later(
    client: TestClient[web.Request, web.Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.live.feed.MAX_WATCHERS", 0)
    async with client.get("/events") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "10")

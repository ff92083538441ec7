"""The live feed over HTTP: a snapshot as JSON, and server-sent events that resume."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Final

import msgspec
from aiohttp import web

from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.web.access import scoped

#: A watcher who takes nothing for so long is gone, or too slow to be of use.
WRITE_DEADLINE_S: Final = 10.0
#: How long a browser waits before it comes again.
RETRY_MS: Final = 1000

#: Neither browsers nor proxies may keep or hold back events.
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class LiveApi:
    """Handlers of /api/v1/live."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed

    @scoped("live:read", "admin", "supervisor")
    async def snapshot(self, request: web.Request) -> web.Response:
        """All calls that wait and talk now, and those that ended last."""
        body = msgspec.json.encode(self._feed.snapshot(None))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    @scoped("live:read", "admin", "supervisor")
    async def events(self, request: web.Request) -> web.StreamResponse:
        """The same as server-sent events, beginning with a snapshot or after Last-Event-ID."""
        if self._feed.crowded:
            raise web.HTTPServiceUnavailable(
                text="too many connections watch the live feed already", headers={"Retry-After": "10"}
            )
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        last_id = request.headers.get("Last-Event-ID", "") or request.query.get("last_event_id", "")
        # A watcher who went away or takes nothing just ends; his browser comes again by itself.
        with suppress(ConnectionResetError, TimeoutError):
            await self._write(response, b"retry: %d\n\n" % RETRY_MS)
            async with aclosing(self._feed.events(last_id)) as events:
                async for event in events:
                    await self._write(response, event)
        return response

    def routes(self) -> list[web.RouteDef]:
        """Where the feed is."""
        return [
            web.get("/api/v1/live", self.snapshot),
            web.get("/api/v1/live/events", self.events),
        ]

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_DEADLINE_S):
            await response.write(data)

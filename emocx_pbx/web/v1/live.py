"""The live feed over HTTP: a snapshot as JSON, and server-sent events that resume."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Final

import msgspec
from aiohttp import web

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.live.calls import Snapshot
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import visitor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.feeds import feeds_of
from emocx_pbx.web.v1.table import EVENTS, Answer, Endpoint, get
from emocx_pbx.web.v1.who import only_agent, only_queues

#: Seconds after which a watcher who reads nothing is gone, or too slow to be of use.
WRITE_DEADLINE_S: Final = 10.0
#: How long a browser waits before it reconnects.
RETRY_MS: Final = 1000

#: Neither browsers nor proxies may keep or hold back events.
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


@scoped("live:read", "admin", "supervisor", "agent")
async def get_live(request: web.Request) -> web.Response:
    """All calls that wait and talk now, and those that ended last; agents get their own."""
    body = msgspec.json.encode(parts_of(request).live.snapshot(only_agent(request), only_queues(request)))
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


@scoped("live:read", "admin", "supervisor", "agent")
async def live_events(request: web.Request) -> web.StreamResponse:
    """The same as server-sent events, beginning with a snapshot or after Last-Event-ID: see docs/api.md."""
    feed = parts_of(request).live
    feed.look()
    if feed.crowded:
        raise web.HTTPServiceUnavailable(
            text="too many connections watch the live feed already", headers={"Retry-After": "10"}
        )
    with feeds_of(request).one_of(request):
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        work = [
            asyncio.create_task(_write_all(request, response, feed), name="live feed"),
            # Logged out, disabled, given another role, or the token was revoked.
            asyncio.create_task(feeds_of(request).until_over(visitor_of(request)), name="live session"),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            ended = await asyncio.gather(*work, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
    return response


async def _write_all(request: web.Request, response: web.StreamResponse, feed: LiveFeed) -> None:
    """Write events until the feed ends, or the watcher is gone or stops reading; browsers reconnect."""
    last_id = request.headers.get("Last-Event-ID", "") or request.query.get("last_event_id", "")
    with suppress(ConnectionResetError, TimeoutError, PeerUnavailable):
        await _write(response, b"retry: %d\n\n" % RETRY_MS)
        seen = feed.events(last_id, only_agent(request), team=only_queues(request))
        async with aclosing(seen) as events:
            async for event in events:
                await _write(response, event)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_DEADLINE_S):
        await response.write(data)


ENDPOINTS: tuple[Endpoint, ...] = (
    get("/api/v1/live", get_live, "live", Answer("The calls in progress.", Snapshot)),
    get(
        "/api/v1/live/events",
        live_events,
        "live",
        Answer("An endless stream of server-sent events.", media=EVENTS),
        headers={"Last-Event-ID": "Id of the last event seen."},
    ),
)

"""The live view: an empty frame that the feed fills."""

from __future__ import annotations

import json

from aiohttp import web

from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.words import word

_STATES = ("routing", "waiting", "talking", "hold", "between")


@allow("admin", "supervisor")
async def live(request: web.Request) -> web.StreamResponse:
    """Waiting and active calls; everything in it comes from /api/v1/live/events."""
    states = json.dumps({state: word("state", state) for state in _STATES})
    return render(request, "live.html", states=states)


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/live", live)]

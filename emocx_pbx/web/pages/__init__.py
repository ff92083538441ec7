"""Pages about calls: live, calls and one call, agents, queues, benefit; each module names its routes."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.pages import agents, benefit, call, calls, live, queues, recording, review, revise, sheets


def routes() -> list[web.RouteDef]:
    """All of them."""
    areas = (live, calls, call, revise, recording, agents, queues, benefit, review, sheets)
    return [route for area in areas for route in area.routes()]

"""The administration's first page: the service's health, and the way to the other pages."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.access import allow
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render


@allow("admin")
async def overview(request: web.Request) -> web.StreamResponse:
    """Health, and the way to the other pages."""
    return render(request, "admin/overview.html", health=parts_of(request).health.report())


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin", overview)]

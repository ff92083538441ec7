"""Administration: pages for administrators alone, one module each."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.admin import overview


def routes() -> list[web.RouteDef]:
    """Where the administration's pages are."""
    return [*overview.routes()]

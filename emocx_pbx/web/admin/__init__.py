"""Administration: pages for administrators only, one module each."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.admin import (
    accuracy,
    audit,
    check,
    models,
    overview,
    policy,
    retention,
    sheets,
    tokens,
    users,
    webhooks,
)

_PAGES = (overview, sheets, users, tokens, webhooks, policy, models, accuracy, check, retention, audit)


def routes() -> list[web.RouteDef]:
    """Where the administration's pages are."""
    return [route for page in _PAGES for route in page.routes()]

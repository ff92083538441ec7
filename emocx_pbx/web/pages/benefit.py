"""The page of the benefit: routed customers against the holdout."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import DAY_S, days_of, only_queues, period
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.arms import compared
from emocx_pbx.web.shown.benefit import benefit_view


@allow("admin", "supervisor")
async def benefit(request: web.Request) -> web.StreamResponse:
    """Both arms over a period."""
    parts, days = parts_of(request), days_of(request, 90)
    now = parts.now()
    arms = await parts.store.lists.arms(now - days * DAY_S, now, only_queues(request))
    routing = parts.settings.routing
    calls = sum(arm.calls for arm in arms.values())
    view = benefit_view(compared(arms), calls, routing.holdout, routing.mode)
    return render(request, "benefit.html", view=view, **period(days))


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/benefit", benefit)]

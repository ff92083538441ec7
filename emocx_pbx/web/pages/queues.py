"""The page of queues: one day's calls in and out, in the viewer's time zone."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import day_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.queues import queues_view


@allow("admin", "supervisor")
async def queues(request: web.Request) -> web.StreamResponse:
    """A day; today's with what waits now."""
    parts = parts_of(request)
    now = parts.clock()
    day, begin, end = day_of(request, now)
    today = begin <= now < end
    calls = await parts.store.views.queue_calls(begin, end)
    states = None
    if today:
        states = {n: (q.waiting, q.longest_wait_s, q.available) for n, q in parts.queues().items()}
    return render(
        request,
        "queues.html",
        view=queues_view(calls, begin, now, states),
        day_begin=begin,
        today=today,
        previous=(day - timedelta(days=1)).isoformat(),
        next="" if end > now else (day + timedelta(days=1)).isoformat(),
    )


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/queues", queues)]

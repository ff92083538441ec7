"""The page of queues: one day's calls in and out, in the viewer's time zone."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import day_of, only_queues
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.queues import hours_of, queues_view
from emocx_pbx.web.v1.export import short_csv

#: Seconds that count as answered in time.
WITHIN: Final = (10, 20, 30, 60, 120)
#: What a spreadsheet gets of a queue's day, with the service level between.
_COLUMNS: Final = (
    "queue",
    "calls",
    "answered",
    "abandoned",
    "wait_median_s",
    "wait_p90_s",
    "better",
    "worse",
)


def _within(request: web.Request) -> int:
    """`?within=`, one of WITHIN. Raises InputError."""
    given = request.query.get("within", "") or "20"
    if given not in {str(n) for n in WITHIN}:
        raise InputError(f"within: expected one of {', '.join(map(str, WITHIN))}")
    return int(given)


@allow("admin", "supervisor")
async def download(request: web.Request) -> web.StreamResponse:
    """A day's queues for a spreadsheet."""
    parts, within = parts_of(request), _within(request)
    now = parts.now()
    day, begin, end = day_of(request, now)
    team = only_queues(request)
    stays = await parts.store.lists.queue_stays(begin, end, now, hours_of(begin, end), team)
    view = queues_view(stays, None, within)
    head = ("day", *_COLUMNS, f"answered_within_{within}_s", "pbx")
    rows = [
        (day.isoformat(), *(getattr(row, name) for name in _COLUMNS), row.in_time_share, row.pbx)
        for row in view.rows
    ]
    return short_csv(request, f"queues-{day.isoformat()}.csv", head, rows)


@allow("admin", "supervisor")
async def queues(request: web.Request) -> web.StreamResponse:
    """One day; if it is today, with the calls waiting now."""
    parts, within = parts_of(request), _within(request)
    now = parts.now()
    day, begin, end = day_of(request, now)
    today = begin <= now < end
    team = only_queues(request)
    stays = await parts.store.lists.queue_stays(begin, end, now, hours_of(begin, end), team)
    states = None
    if today:
        states = {
            (pbx, name): (q.waiting, q.longest_wait_s, q.available)
            for pbx, queues in parts.controller.pbx_queues.items()
            for name, q in queues.items()
            if team is None or name in team
        }
    return render(
        request,
        "queues.html",
        view=queues_view(stays, states, within),
        within=within,
        choices=WITHIN,
        day=day.isoformat(),
        day_begin=begin,
        today=today,
        previous=(day - timedelta(days=1)).isoformat(),
        next="" if end > now else (day + timedelta(days=1)).isoformat(),
    )


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/queues", queues), web.get("/queues.csv", download)]

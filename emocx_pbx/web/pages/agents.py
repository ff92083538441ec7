"""The pages of agents: the ranking for supervisors, and for each agent their own page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import GradeFilter, ListPosition, SegmentItem
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import user_of
from emocx_pbx.web.numbers import finite, whole
from emocx_pbx.web.pages.shared import DAY_S, days_of, only_agent, only_queues, period
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.agents import ARRIVALS, BINS, AgentsView, agents_view
from emocx_pbx.web.v1.export import csv_answer, short_csv

#: Graded segments on one page.
PAGE: Final = 25


@allow("admin", "supervisor")
async def agents(request: web.Request) -> web.StreamResponse:
    """The ranking."""
    days, emotion = days_of(request), request.query.get("emotion", "") or None
    if emotion is not None and emotion not in ARRIVALS:
        raise InputError(f"emotion: expected one of {', '.join(ARRIVALS)}")
    view = await _view(request, days, emotion)
    keep = urlencode({"emotion": emotion}) if emotion else ""
    return render(request, "agents.html", view=view, **period(days, keep))


@allow("admin", "supervisor")
async def ranking(request: web.Request) -> web.StreamResponse:
    """The ranking for a spreadsheet."""
    days = days_of(request)
    view = await _view(request, days, None)
    head = ("agent", "best_place", "worst_place", "estimate", "low", "high", "graded", "insufficient")
    rows = [
        (row.agent, row.best_place, row.worst_place, round(row.estimate.mean, 2), round(row.estimate.low, 2),
         round(row.estimate.high, 2), row.graded, row.insufficient)
        for row in view.rows
    ]  # fmt: skip
    return short_csv(request, "agents.csv", head, rows)


@allow("agent")
async def me(request: web.Request) -> web.StreamResponse:
    """The agent's own page."""
    return await _one(request, user_of(request).agent or "")


@allow("admin", "supervisor", "agent")
async def agent(request: web.Request) -> web.StreamResponse:
    """One agent; an agent sees only themselves."""
    name = request.match_info["agent"]
    own = only_agent(request)
    if own is not None and name != own:
        raise web.HTTPNotFound
    return await _one(request, name)


@allow("admin", "supervisor", "agent")
async def download(request: web.Request) -> web.StreamResponse:
    """Graded segments of a period, of one agent or of all, for a spreadsheet; an agent gets their own."""
    parts, own = parts_of(request), only_agent(request)
    name = request.query.get("agent", "") or None
    which = GradeFilter(since=parts.now() - days_of(request) * DAY_S, agent=own if own is not None else name)
    lists, team = parts.store.lists, only_queues(request)
    return await csv_answer(
        request,
        "grades.csv",
        lambda limit, after: lists.page_of_grades(which, limit, after, team),
        SegmentItem,
    )


async def _one(request: web.Request, name: str) -> web.StreamResponse:
    days = days_of(request)
    parts = parts_of(request)
    view = await _view(request, days, None, name)
    which = GradeFilter(since=parts.now() - days * DAY_S, agent=name)
    page = await parts.store.lists.page_of_grades(which, PAGE, _after(request), only_queues(request))
    leads = user_of(request).role != "agent"
    if (
        leads
        and not view.rows
        and not page.rows
        and name not in (await parts.store.lists.names(team=only_queues(request))).agents
    ):
        raise web.HTTPNotFound
    context: Mapping[str, Any] = {
        "agent": name,
        "leads": leads,
        "view": view,
        "row": view.rows[0] if view.rows else None,
        "parts": page.rows,
        "searched_to": page.next.at if page.next and page.halted else None,
        "newer": _address(request.path, days) if "after" in request.query else "",
        "older": _address(request.path, days, page.next) if page.next else "",
    }
    return render(request, "agent.html", **context, **period(days))


async def _view(request: web.Request, days: int, emotion: str | None, only: str | None = None) -> AgentsView:
    parts = parts_of(request)
    now = parts.now()
    since = now - days * DAY_S
    team, own = only_queues(request), only_agent(request)
    cells = await parts.store.lists.agents_by_cell(since, now, (now - since) / BINS, team)
    if own is not None:
        # An estimate that borrows from colleagues would reveal how they did.
        cells = [cell for cell in cells if cell.agent == own]
    letters: dict[str, dict[str, int]] = {}
    for found in await parts.store.lists.agents_by_letter(since, now, own, team):
        letters.setdefault(found.agent, {})[found.letter] = found.segments
    return agents_view(cells, letters, since, now, emotion, only)


def _after(request: web.Request) -> ListPosition:
    given = request.query.get("after", "")
    if not given:
        return ListPosition()
    at, _, rest = given.partition("_")
    number, _, key = rest.partition("_")
    place = finite(at), whole(number)
    if place[0] is not None and place[1] is not None:
        return ListPosition(place[0], key, place[1])
    raise InputError("after: expected what the page's own links say")


def _address(path: str, days: int, end: ListPosition | None = None) -> str:
    query = {"days": str(days)}
    if end is not None:
        query["after"] = f"{end.at!r}_{end.number}_{end.key}"
    return f"{quote(path)}?{urlencode(query)}"


def routes() -> list[web.RouteDef]:
    """Where they are."""
    return [
        web.get("/agents", agents),
        web.get("/agents.csv", ranking),
        web.get("/grades.csv", download),
        web.get("/agents/me", me),
        web.get("/agents/{agent}", agent),
    ]

"""The list of calls with its filters; agents see their own."""

from __future__ import annotations

from typing import Any, Final, get_args
from urllib.parse import urlencode

from aiohttp import web

from emocx_pbx.domain import LABELS, UNCERTAIN
from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import CallFilter, CallItem, ListPosition, Outcome
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import DAY_S, days_of, only_agent, only_queues
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.shown.agents import LETTERS
from emocx_pbx.web.strings import t
from emocx_pbx.web.v1.export import csv_answer

#: Calls of one page.
PAGE: Final = 50
_FILTERS: Final = ("search", "days", "pbx", "queue", "agent", "arrived_as", "left_as", "letter", "only")
#: Former names of filters, for addresses that people have bookmarked.
_EARLIER: Final = {"arrived_as": "came", "left_as": "went"}
_EMOTIONS: Final = (*(str(label) for label in LABELS), UNCERTAIN)
_OUTCOMES: Final = frozenset(get_args(Outcome))


@allow("admin", "supervisor", "agent")
async def calls(request: web.Request) -> web.StreamResponse:
    """Calls, newest first."""
    parts = parts_of(request)
    lists, now, own = parts.store.lists, parts.now(), only_agent(request)
    team = only_queues(request)
    chosen = _chosen(request)
    which = _filter(request, chosen, now, own)
    page = await lists.page_of_calls(which, PAGE, _after(request), own, team)
    names = await lists.names(now - 90 * DAY_S, team)
    return render(
        request,
        "calls.html",
        calls=page.rows,
        searched_to=page.next.at if page.next and page.halted else None,
        chosen=chosen,
        filtered=any(chosen.values()) or "after" in request.query,
        leads=own is None,
        download="/calls.csv?" + urlencode({name: value for name, value in chosen.items() if value}),
        pbxes=[(pbx.name, pbx.name) for pbx in parts.settings.each_pbx() if pbx.name],
        queues=[(name, name) for name in names.queues],
        agents=[(name, name) for name in names.agents] if own is None else [],
        emotions=[(name, t(f"common.emotion.{name}")) for name in _EMOTIONS],
        letters=[*((name, name) for name in LETTERS), ("-", t("calls.too_little"))],
        newer=_address(chosen) if "after" in request.query else "",
        older=_address(chosen, page.next) if page.next else "",
    )


@allow("admin", "supervisor", "agent")
async def download(request: web.Request) -> web.StreamResponse:
    """The same calls as the list's, all of them, for a spreadsheet."""
    parts, own = parts_of(request), only_agent(request)
    chosen = _chosen(request)
    which = _filter(request, chosen, parts.now(), own)
    lists, team = parts.store.lists, only_queues(request)
    return await csv_answer(
        request,
        "calls.csv",
        lambda limit, after: lists.page_of_calls(which, limit, after, own, team),
        CallItem,
    )


def _chosen(request: web.Request) -> dict[str, str]:
    given = request.query
    return {name: (given.get(name) or given.get(_EARLIER.get(name, name), "")).strip() for name in _FILTERS}


def _filter(request: web.Request, chosen: dict[str, str], now: float, own: str | None) -> CallFilter:
    only = chosen["only"]
    if only and only not in {"disputed", "alert", *_OUTCOMES}:
        raise InputError("only: expected disputed, alert, abandoned, overflowed, voicemail or open")
    outcome: Any = only if only in _OUTCOMES else None
    return CallFilter(
        since=now - days_of(request) * DAY_S if chosen["days"] else -float("inf"),
        pbx=chosen["pbx"] or None,
        queue=chosen["queue"] or None,
        agent=own if own is not None else chosen["agent"] or None,
        arrived_as=chosen["arrived_as"] or None,
        left_as=chosen["left_as"] or None,
        letter=chosen["letter"] or None,
        alert=True if only == "alert" else None,
        disputed=True if only == "disputed" else None,
        outcome=outcome,
        search=chosen["search"][:128] or None,
    )


def _after(request: web.Request) -> ListPosition:
    """Where the page begins: after `?after=<started_at>_<call_id>`."""
    given = request.query.get("after", "")
    if not given:
        return ListPosition()
    at, _, key = given.partition("_")
    try:
        return ListPosition(float(at), key)
    except ValueError:
        raise InputError("after: expected what the page's own links say") from None


def _address(chosen: dict[str, str], end: ListPosition | None = None) -> str:
    kept = {name: value for name, value in chosen.items() if value}
    if end is not None:
        kept["after"] = f"{end.at!r}_{end.key}"
    return f"/calls?{urlencode(kept)}" if kept else "/calls"


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/calls", calls), web.get("/calls.csv", download)]

"""Actions on a call's page: set or dispute a grade, correct a reading, send an event again."""

from __future__ import annotations

import math
from urllib.parse import quote

from aiohttp import web

from emocx_pbx.deeds.deed import CorrectReading, DisputeGrade, OverrideGrade, Replay
from emocx_pbx.deeds.replay import Which
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.store.rows import GradeKind
from emocx_pbx.web.guards import form_of
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.pages.call import Wrong, call_context
from emocx_pbx.web.pages.shared import only_agent, seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.strings import t


@allow("admin", "supervisor")
async def override(request: web.Request) -> web.StreamResponse:
    """A supervisor's score instead of the service's."""
    return await _revise(request, "override")


@allow("admin", "supervisor", "agent")
async def dispute(request: web.Request) -> web.StreamResponse:
    """Contest a grade; agents can contest only their own."""
    return await _revise(request, "dispute")


async def _revise(request: web.Request, kind: GradeKind) -> web.StreamResponse:
    """Do it, and show the page again."""
    detail, form = await seen_call(request), await form_of(request)
    call_id, index = detail.call.call_id, _index(request.match_info["part"])
    reason, score = str(form.get("reason", "")), str(form.get("score", "")).strip()
    deed = (
        OverrideGrade(call_id, index, _score(score), reason)
        if kind == "override"
        else DisputeGrade(call_id, index, reason, only_agent(request))
    )
    try:
        await parts_of(request).deeds.do(deed, actor_of(request))
    except NotFoundError:
        raise web.HTTPNotFound(text=t("errors.e404", "")) from None
    except InputError as error:
        wrong = Wrong(kind, index, str(error), reason.strip(), score)
        context = await call_context(request, detail, wrong)
        return render(request, "call.html", status=422, **context, correcting=None)
    raise _back(call_id, kind, f"part-{index}")


def _index(given: str) -> int:
    index = whole(given)
    if index is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    return index


def _score(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        return math.nan  # which is not a score


@allow("admin", "supervisor")
async def correction_form(request: web.Request) -> web.StreamResponse:
    """The form that corrects one reading: a row for htmx."""
    detail = await seen_call(request)
    context = await call_context(request, detail)
    row = next((r for r in context["view"].readings if str(r.index) == request.match_info["reading"]), None)
    if row is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    return render(request, "call/_correct.html", **context, r=row)


@allow("admin", "supervisor")
async def correct(request: web.Request) -> web.StreamResponse:
    """Keep a supervisor's correction of a reading, as a label."""
    detail, form = await seen_call(request), await form_of(request)
    ordered = sorted(detail.readings, key=lambda r: (r.t0, r.t1))
    given = request.match_info["reading"]
    number = whole(given)
    if number is None or number >= len(ordered):
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    reading = ordered[number]
    emotion, reason = str(form.get("emotion", "")), str(form.get("reason", ""))
    deed = CorrectReading(detail.call.call_id, reading.t0, reading.t1, emotion, reason)
    await parts_of(request).deeds.do(deed, actor_of(request))
    raise _back(detail.call.call_id, "correct", f"reading-{given}")


@allow("admin")
async def replay(request: web.Request) -> web.StreamResponse:
    """Send one event to one receiver again."""
    detail, parts = await seen_call(request), parts_of(request)
    call_id = detail.call.call_id
    rows = await parts.store.outbox.deliveries(call_id=call_id, limit=1000)
    row = next((d for d in rows if str(d.delivery_id) == request.match_info["delivery"]), None)
    if row is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    which = Which(receiver=row.receiver, event_id=row.event_id)
    await parts.deeds.do(Replay(which), actor_of(request))
    raise _back(call_id, "replay", "deliveries")


def _back(call_id: str, done: str, anchor: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/calls/{quote(call_id, safe='')}?done={done}#{anchor}")


def routes() -> list[web.RouteDef]:
    """Where these are."""
    return [
        web.post("/calls/{call_id}/parts/{part}/override", override),
        web.post("/calls/{call_id}/parts/{part}/dispute", dispute),
        web.get("/calls/{call_id}/readings/{reading}/correct", correction_form),
        web.post("/calls/{call_id}/readings/{reading}/correct", correct),
        web.post("/calls/{call_id}/deliveries/{delivery}/replay", replay),
    ]

"""What people do on a call's page: set or dispute a grade, correct a reading, send an event again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from emocx_pbx.domain import LABELS, Grade, Segment
from emocx_pbx.errors import InputError
from emocx_pbx.events.build import grade_revised
from emocx_pbx.events.event import NewEvent
from emocx_pbx.grading.revisions import disputed, overridden
from emocx_pbx.store.rows import CallDetail, CorrectionRow, GradeKind, GradeRow
from emocx_pbx.web.guards import form_of
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of, user_of
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.pages.call import LONGEST_REASON, Wrong, call_context, may, rubric_of
from emocx_pbx.web.pages.shared import seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.strings import t


@allow("admin", "supervisor")
async def override(request: web.Request) -> web.StreamResponse:
    """A supervisor's score instead of the service's."""
    return await _revise(request, "override")


@allow("admin", "supervisor", "agent")
async def dispute(request: web.Request) -> web.StreamResponse:
    """The grade is contested; an agent contests only his own."""
    return await _revise(request, "dispute")


async def _revise(request: web.Request, kind: GradeKind) -> web.StreamResponse:
    """Append a revision with its event, note it, and show the page again."""
    detail, form = await seen_call(request), await form_of(request)
    segment, newest = _graded(request, detail)
    allowed = may(user_of(request)).dispute
    if kind == "dispute" and allowed not in {"all", segment.agent}:
        raise web.HTTPForbidden(text=t("errors.e403"))
    reason, score = str(form.get("reason", "")).strip(), str(form.get("score", "")).strip()
    author = user_of(request).name
    parts = parts_of(request)
    try:
        if len(reason) > LONGEST_REASON:
            raise InputError(t("call.too_long", longest=LONGEST_REASON))
        if kind == "override":
            rubric = rubric_of(parts.settings.rubric_path())
            grade = overridden(newest.grade, _score(score), rubric, author, reason)
        else:
            grade = disputed(newest.grade, author, reason)
    except InputError as error:
        wrong = Wrong(kind, segment.index, str(error), reason, score)
        context = await call_context(request, detail, wrong)
        return render(request, "call.html", status=422, **context, correcting=None)
    row = await parts.store.revise_grade(
        segment.call_id, segment.index, grade, kind=kind, author=author, reason=reason,
        events=lambda row: _told(segment, row, newest.grade),
    )  # fmt: skip
    after = {"score": row.grade.score, "reason": reason, "revision": row.revision}
    await parts.store.audit.add(
        actor_of(request),
        f"grade.{kind}",
        f"{segment.call_id}#{segment.index}",
        {"score": newest.grade.score},
        after,
    )
    raise _back(segment.call_id, kind, f"part-{segment.index}")


def _graded(request: web.Request, detail: CallDetail) -> tuple[Segment, GradeRow]:
    given = request.match_info["part"]
    rows = [row for row in detail.grades if str(row.segment) == given]
    segment = next((s for s in detail.segments if str(s.index) == given), None)
    if not rows or segment is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    return segment, rows[-1]


def _score(given: str) -> float:
    try:
        score = float(given)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InputError(t("call.no_score"))
    return score


def _told(segment: Segment, row: GradeRow, before: Grade) -> Sequence[NewEvent]:
    """What receivers hear of a revision."""
    return [
        grade_revised(
            segment, row.grade, before, revision=row.revision, kind=row.kind, author=row.author,
            reason=row.reason, at=row.at,
        )
    ]  # fmt: skip


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
    """A supervisor's word on what a reading should have said; kept as a label."""
    detail, form = await seen_call(request), await form_of(request)
    ordered = sorted(detail.readings, key=lambda r: (r.t0, r.t1))
    given = request.match_info["reading"]
    number = whole(given)
    if number is None or number >= len(ordered):
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    reading, parts = ordered[number], parts_of(request)
    emotion, reason = str(form.get("emotion", "")), str(form.get("reason", "")).strip()
    if emotion not in {str(label) for label in LABELS} or not 0 < len(reason) <= LONGEST_REASON:
        raise InputError(t("call.wrong_correction", longest=LONGEST_REASON))
    row = CorrectionRow(
        detail.call.call_id, reading.t0, reading.t1, emotion, user_of(request).name, reason, parts.clock()
    )
    await parts.store.correct_reading(row)
    subject = f"{row.call_id}@{reading.t0:.2f}"
    before, after = {"emotion": reading.scores.emotion}, {"emotion": emotion, "reason": reason}
    await parts.store.audit.add(actor_of(request), "reading.corrected", subject, before, after)
    raise _back(row.call_id, "correct", f"reading-{given}")


@allow("admin")
async def replay(request: web.Request) -> web.StreamResponse:
    """Send one event to one receiver again."""
    detail, store = await seen_call(request), parts_of(request).store
    call_id = detail.call.call_id
    rows = await store.deliveries(call_id=call_id, limit=1000)
    row = next((d for d in rows if str(d.delivery_id) == request.match_info["delivery"]), None)
    if row is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    await store.replay(endpoint=row.endpoint, event_id=row.event_id)
    after = {"receiver": row.endpoint, "type": row.type}
    await store.audit.add(actor_of(request), "webhook.replayed", row.event_id, None, after)
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

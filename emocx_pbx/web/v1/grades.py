"""Grades: lists, revisions, overriding and disputing one."""

from __future__ import annotations

import math

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.events.build import grade_revised
from emocx_pbx.grading.revisions import disputed, overridden
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.store.list_rows import GradedPart, GradeFilter
from emocx_pbx.store.lists import place_of_grade
from emocx_pbx.store.rows import GradeKind
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import body_of, cursor_of, json_answer, place_of, query_of
from emocx_pbx.web.v1.export import csv_answer
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import DisputeBody, GradesExport, GradesQuery, GradesSheet, OverrideBody
from emocx_pbx.web.v1.shapes_out import GradeItem, GradePage
from emocx_pbx.web.v1.table import CSV, Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import author_of, only_agent


def grade_filter(query: GradesExport, agent: str | None) -> GradeFilter:
    """What the query asks for; `agent` restricts it to his parts."""
    return GradeFilter(
        -math.inf if query.since is None else query.since,
        math.inf if query.until is None else query.until,
        query.agent if agent is None else agent,
        query.queue,
        query.came,
        query.letter,
        query.disputed,
    )


@scoped("calls:read", "admin", "supervisor", "agent")
async def list_grades(request: web.Request) -> web.Response:
    """Graded parts of calls with their valid grades, newest first; an agent gets his own."""
    query = query_of(request, GradesQuery)
    found = await parts_of(request).store.views.grades(
        grade_filter(query, only_agent(request)), query.limit + 1, place_of(query.cursor)
    )
    shown = found[: query.limit]
    more = cursor_of(place_of_grade(shown[-1])) if len(found) > query.limit else None
    return json_answer(request, GradePage(shown, more))


@scoped("calls:read", "admin", "supervisor")
async def export_grades(request: web.Request) -> web.StreamResponse:
    """Graded parts as CSV, newest first, streamed: any number of them."""
    views = parts_of(request).store.views
    query = query_of(request, GradesSheet)
    which = grade_filter(query, None)
    return await csv_answer(
        request, "grades.csv", lambda limit, after: views.grades(which, limit, after), place_of_grade,
        GradedPart, query.zone,
    )  # fmt: skip


@scoped("grades:write", "admin", "supervisor")
@idempotent
async def override_grade(request: web.Request) -> web.Response:
    """Give a part another score; the old grade stays visible."""
    body = await body_of(request, OverrideBody)
    return await _revise(request, "override", body.reason, body.score)


@scoped("grades:write", "admin", "supervisor", "agent")
@idempotent
async def dispute_grade(request: web.Request) -> web.Response:
    """Contest a grade; an agent only his own. A supervisor answers by overriding it."""
    body = await body_of(request, DisputeBody)
    return await _revise(request, "dispute", body.reason)


async def _revise(request: web.Request, kind: GradeKind, reason: str, score: float = 0.0) -> web.Response:
    parts, call_id = parts_of(request), request.match_info["call_id"]
    store, index, own = parts.store, _segment_of(request), only_agent(request)
    segment = next((s for s in await store.segments(call_id) if s.index == index), None)
    revisions = [r for r in await store.grades_of_call(call_id) if r.segment == index]
    if segment is None or not revisions or (own is not None and segment.agent != own):
        raise web.HTTPNotFound(text="no such grade")
    author, newest = author_of(request), revisions[-1]
    if kind == "override":
        rubric = load_rubric(parts.settings.rubric_path())
        grade = overridden(newest.grade, score, rubric, author, reason)
    else:
        grade = disputed(newest.grade, author, reason)
    row = await store.revise_grade(
        call_id, index, grade, kind=kind, author=author, reason=reason,
        events=lambda row: [
            grade_revised(
                segment, row.grade, newest.grade, revision=row.revision, kind=row.kind, author=row.author,
                reason=row.reason, at=row.at,
            )
        ],
    )  # fmt: skip
    await store.audit.add(
        actor_of(request), f"grade.{kind}", f"{call_id}/{index}", {"score": newest.grade.score},
        {"score": grade.score, "revision": row.revision},
    )  # fmt: skip
    item = GradeItem(
        row.call_id, row.segment, row.revision, row.kind, row.at, row.author, row.reason, row.grade
    )
    return json_answer(request, item, 201)


def _segment_of(request: web.Request) -> int:
    given = request.match_info["segment"]
    if not (given.isascii() and given.isdigit() and len(given) <= 4):
        raise InputError("segment: expected a whole number from 0 to 9999")
    return int(given)


_PART = "/api/v1/calls/{call_id}/segments/{segment}"

ENDPOINTS: tuple[Endpoint, ...] = (
    get("/api/v1/grades", list_grades, "grades", Answer("A page.", GradePage), query=GradesQuery),
    get(
        "/api/v1/grades.csv",
        export_grades,
        "grades",
        Answer("One line for each part.", media=CSV),
        query=GradesSheet,
    ),
    post(
        f"{_PART}/override",
        override_grade,
        "grades",
        {201: Answer("The new revision.", GradeItem)},
        body=OverrideBody,
        refusals=(404,),
        headers=HEADERS,
    ),
    post(
        f"{_PART}/dispute",
        dispute_grade,
        "grades",
        {201: Answer("The new revision.", GradeItem)},
        body=DisputeBody,
        refusals=(404,),
        headers=HEADERS,
    ),
)

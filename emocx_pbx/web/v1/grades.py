"""Grades: lists, revisions, overriding and disputing one."""

from __future__ import annotations

import math

from aiohttp import web

from emocx_pbx.deeds.deed import DisputeGrade, OverrideGrade
from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import GradeFilter, SegmentItem
from emocx_pbx.store.rows import GradeRow
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import body_of, json_answer, next_of, place_of, query_of
from emocx_pbx.web.v1.export import csv_answer
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import DisputeBody, GradesExport, GradesQuery, GradesSheet, OverrideBody
from emocx_pbx.web.v1.shapes_out import GradeItem, GradePage
from emocx_pbx.web.v1.table import CSV, Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import must_see, only_agent, only_queues


def grade_filter(query: GradesExport, agent: str | None) -> GradeFilter:
    """What the query asks for; `agent` restricts it to their parts."""
    return GradeFilter(
        -math.inf if query.since is None else query.since,
        math.inf if query.until is None else query.until,
        query.agent if agent is None else agent,
        query.queue,
        query.arrived_as,
        query.letter,
        query.disputed,
        query.pbx,
    )


@scoped("calls:read", "admin", "supervisor", "agent")
async def list_grades(request: web.Request) -> web.Response:
    """Graded segments of calls with their valid grades, newest first; agents get their own."""
    query = query_of(request, GradesQuery)
    page = await parts_of(request).store.lists.page_of_grades(
        grade_filter(query, only_agent(request)), query.limit, place_of(query.cursor), only_queues(request)
    )
    return json_answer(request, GradePage(page.rows, next_of(page)))


@scoped("calls:read", "admin", "supervisor")
async def export_grades(request: web.Request) -> web.StreamResponse:
    """Graded segments as CSV, newest first, streamed: any number of them."""
    lists = parts_of(request).store.lists
    query = query_of(request, GradesSheet)
    which, team = grade_filter(query, None), only_queues(request)
    return await csv_answer(
        request,
        "grades.csv",
        lambda limit, after: lists.page_of_grades(which, limit, after, team),
        SegmentItem,
        query.zone,
    )


@scoped("grades:write", "admin", "supervisor")
@idempotent
async def override_grade(request: web.Request) -> web.Response:
    """Give a segment another score; the old grade stays visible."""
    body, call_id = await body_of(request, OverrideBody), request.match_info["call_id"]
    deed = OverrideGrade(call_id, _segment_of(request), body.score, body.reason)
    await must_see(request, call_id)
    row = await parts_of(request).deeds.do(deed, actor_of(request))
    return json_answer(request, item_of(row), 201)


@scoped("grades:write", "admin", "supervisor", "agent")
@idempotent
async def dispute_grade(request: web.Request) -> web.Response:
    """Contest a grade; an agent only their own. A supervisor answers by overriding it."""
    body, call_id = await body_of(request, DisputeBody), request.match_info["call_id"]
    deed = DisputeGrade(call_id, _segment_of(request), body.reason, only_agent(request))
    await must_see(request, call_id)
    row = await parts_of(request).deeds.do(deed, actor_of(request))
    return json_answer(request, item_of(row), 201)


def item_of(row: GradeRow) -> GradeItem:
    """A revision as the API gives it."""
    return GradeItem(
        row.call_id, row.segment, row.revision, row.kind, row.at, row.author, row.reason, row.grade
    )


def _segment_of(request: web.Request) -> int:
    given = request.match_info["segment"]
    if not (given.isascii() and given.isdigit() and len(given) <= 4):
        raise InputError("segment: expected a whole number from 0 to 9999")
    return int(given)


_PART = "/api/v1/calls/{call_id}/segments/{segment}"

ENDPOINTS: tuple[Endpoint, ...] = (
    get(
        "/api/v1/grades",
        list_grades,
        "grades",
        Answer("A page of graded segments.", GradePage),
        query=GradesQuery,
    ),
    get(
        "/api/v1/grades.csv",
        export_grades,
        "grades",
        Answer("One line per graded segment.", media=CSV),
        query=GradesSheet,
    ),
    post(
        f"{_PART}/override",
        override_grade,
        "grades",
        {201: Answer("The new revision.", GradeItem)},
        body=OverrideBody,
        headers=HEADERS,
    ),
    post(
        f"{_PART}/dispute",
        dispute_grade,
        "grades",
        {201: Answer("The new revision.", GradeItem)},
        body=DisputeBody,
        headers=HEADERS,
    ),
)

"""Calls: lists, details, alerts, and what a reading should have said."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from aiohttp import web

from emocx_pbx.deeds.deed import CorrectReading
from emocx_pbx.domain import LABELS, Reading
from emocx_pbx.store.list_rows import CallFilter, CallItem
from emocx_pbx.store.rows import CorrectionRow
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.seen import as_seen
from emocx_pbx.web.v1.answers import body_of, json_answer, next_of, place_of, query_of
from emocx_pbx.web.v1.export import csv_answer
from emocx_pbx.web.v1.grades import item_of
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import AlertsQuery, CallsExport, CallsQuery, CallsSheet, CorrectionBody
from emocx_pbx.web.v1.shapes_out import AlertPage, CallAnswer, CallPage, LineItem, ReadingItem
from emocx_pbx.web.v1.table import CSV, Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import must_see, only_agent, only_queues


def call_filter(query: CallsExport, agent: str | None) -> CallFilter:
    """What the query asks for; `agent` restricts it to their calls."""
    return CallFilter(
        -math.inf if query.since is None else query.since,
        math.inf if query.until is None else query.until,
        query.queue,
        query.agent if agent is None else agent,
        query.arrived_as,
        query.left_as,
        query.letter,
        query.alert,
        query.disputed,
        query.outcome,
        query.search,
        query.pbx,
    )


@scoped("calls:read", "admin", "supervisor", "agent")
async def list_calls(request: web.Request) -> web.Response:
    """Calls, newest first; agents get their own."""
    query = query_of(request, CallsQuery)
    own = only_agent(request)
    page = await parts_of(request).store.lists.page_of_calls(
        call_filter(query, own), query.limit, place_of(query.cursor), own, only_queues(request)
    )
    return json_answer(request, CallPage(page.rows, next_of(page)))


@scoped("calls:read", "admin", "supervisor", "agent")
async def get_call(request: web.Request) -> web.Response:
    """One call with its decision, segments, readings and grades."""
    store, call_id = parts_of(request).store, request.match_info["call_id"]
    own, team = only_agent(request), only_queues(request)
    item, detail, corrected = await asyncio.gather(
        store.lists.call(call_id, own, team), store.call(call_id), store.lists.corrections_of_call(call_id)
    )
    seen = as_seen(detail, own, team) if detail is not None else None
    if item is None or seen is None:
        raise web.HTTPNotFound(text="no such call")
    answer = CallAnswer(
        item,
        seen.call.tapped_at,
        seen.decision.decision if seen.decision else None,
        seen.segments,
        [reading_item(r) for r in seen.readings],
        seen.spans,
        seen.holds,
        [item_of(r) for r in seen.grades],
        seen.alerts,
        corrected if own is None else [],
        seen.visits,
        seen.said,
    )
    return json_answer(request, answer)


def reading_item(reading: Reading) -> ReadingItem:
    """A reading as the API gives it."""
    scores, zero = reading.scores, reading.zero
    line = None if zero is None else LineItem(zero.line, zero.callers, _by_label(zero.offsets), zero.centred)
    return ReadingItem(
        reading.t0,
        reading.t1,
        reading.speech_s,
        scores.emotion,
        round(scores.confidence, 4),
        round(scores.upset, 4),
        round(scores.valence, 4),
        scores.as_dict(),
        reading.model,
        None if scores.plain is None else _by_label(scores.plain),
        line,
        reading.evidence,
        None if reading.voice is None else _by_label(reading.voice),
        None if reading.words is None else _by_label(reading.words),
    )


def _by_label(values: Sequence[float]) -> dict[str, float]:
    return {str(k): round(v, 4) for k, v in zip(LABELS, values, strict=True)}


@scoped("grades:write", "admin", "supervisor")
@idempotent
async def correct_reading(request: web.Request) -> web.Response:
    """Say what a reading should have said; kept as a label for training."""
    body, parts = await body_of(request, CorrectionBody), parts_of(request)
    call_id = request.match_info["call_id"]
    await must_see(request, call_id)
    deed = CorrectReading(call_id, body.t0, body.t1, body.emotion, body.reason)
    row = await parts.deeds.do(deed, actor_of(request))
    return json_answer(request, row, 201)


@scoped("calls:read", "admin", "supervisor")
async def list_alerts(request: web.Request) -> web.Response:
    """Alerts on live calls, newest first."""
    query = query_of(request, AlertsQuery)
    since = -math.inf if query.since is None else query.since
    until = math.inf if query.until is None else query.until
    rows = await parts_of(request).store.alerts.between(since, until, query.limit, only_queues(request))
    return json_answer(request, AlertPage(rows))


@scoped("calls:read", "admin", "supervisor")
async def export_calls(request: web.Request) -> web.StreamResponse:
    """Calls as CSV, newest first, streamed: any number of them."""
    query = query_of(request, CallsSheet)
    lists, which, team = parts_of(request).store.lists, call_filter(query, None), only_queues(request)
    return await csv_answer(
        request,
        "calls.csv",
        lambda limit, after: lists.page_of_calls(which, limit, after, team=team),
        CallItem,
        query.zone,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    get("/api/v1/calls", list_calls, "calls", Answer("A page of calls.", CallPage), query=CallsQuery),
    get(
        "/api/v1/calls.csv",
        export_calls,
        "calls",
        Answer("One line per call.", media=CSV),
        query=CallsSheet,
    ),
    get("/api/v1/calls/{call_id}", get_call, "calls", Answer("The call.", CallAnswer)),
    post(
        "/api/v1/calls/{call_id}/corrections",
        correct_reading,
        "calls",
        {201: Answer("The correction, as stored.", CorrectionRow)},
        body=CorrectionBody,
        headers=HEADERS,
    ),
    get("/api/v1/alerts", list_alerts, "calls", Answer("The newest alerts.", AlertPage), query=AlertsQuery),
)

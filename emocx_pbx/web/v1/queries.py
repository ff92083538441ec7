"""Queries in, decisions out: a chat query, a preview of one, and the decisions so far."""

from __future__ import annotations

import math

import msgspec
from aiohttp import web

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.errors import NotAllowedError
from emocx_pbx.settings.names import customer_key, queue_name
from emocx_pbx.store.list_rows import DecisionFilter
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of, visitor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import body_of, json_answer, next_of, place_of, query_of
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import DecisionsQuery, PreviewBody, QueryBody
from emocx_pbx.web.v1.shapes_out import DecisionItem, DecisionPage, Preview, QueryAnswer
from emocx_pbx.web.v1.table import Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import only_queues


@scoped("queries:write", "admin", "supervisor")
@idempotent
async def post_query(request: web.Request) -> web.Response:
    """Decide a chat query. With a callback_number Asterisk calls the customer into the chosen queue."""
    parts = parts_of(request)
    body = await body_of(request, QueryBody)
    number, customer, pbx = None, _customer(body), _pbx(request, body)
    if body.callback_number is not None:
        _may_place(request)
        # All that may be refused, before anything is decided; E.164 alone gets into a Dial string.
        number = await parts.call_back.admit(body.callback_number, pbx)
    call_id = parts.call_back.new_call_id(pbx) if number else None
    caller = Caller(call_id, customer, _queue(body), body.optout, body.attributes, pbx=pbx)
    decision = await parts.queries.by_text(body.text, caller)
    if number and call_id:
        to_place = CallToPlace(number, call_id, decision, customer, body.optout)
        await parts.call_back.ring(to_place, actor_of(request))
    answer = msgspec.convert(msgspec.to_builtins(decision) | {"call_id": call_id}, QueryAnswer)
    return json_answer(request, answer, 202 if number else 200)


def _customer(body: QueryBody | PreviewBody) -> str | None:
    return customer_key(body.customer or "")


def _queue(body: QueryBody | PreviewBody) -> str | None:
    return queue_name(body.default_queue or "")


def _pbx(request: web.Request, body: QueryBody | PreviewBody) -> str | None:
    """Raises InputError: no PBX of the settings is called so."""
    return None if body.pbx is None else parts_of(request).settings.pbx_named(body.pbx).asterisk.name


def _may_place(request: web.Request) -> None:
    """Calls cost money: a scope of its own, and supervisors only if the settings say so.

    Raises:
        NotAllowedError: the visitor may not.
    """
    visitor = visitor_of(request)
    role = visitor.user.role if visitor.user else ""
    allowed = role == "admin" or (role == "supervisor" and parts_of(request).settings.dialling.supervisors)
    if not allowed and "calls:place" not in visitor.scopes:
        needed = "dialling.supervisors is off" if role else "the token lacks the scope calls:place"
        raise NotAllowedError(f"callback_number: {needed}")


@scoped("queries:write", "admin", "supervisor")
async def preview_decision(request: web.Request) -> web.Response:
    """What would be decided on a query now, and why; nothing is recorded and nobody is called."""
    body = await body_of(request, PreviewBody)
    caller = Caller(None, _customer(body), _queue(body), False, body.attributes, pbx=_pbx(request, body))
    decision, rules = await parts_of(request).queries.preview(body.text, caller)
    return json_answer(request, Preview(decision, rules))


@scoped("calls:read", "admin", "supervisor")
async def list_decisions(request: web.Request) -> web.Response:
    """Decisions, newest first."""
    query = query_of(request, DecisionsQuery)
    which = DecisionFilter(
        -math.inf if query.since is None else query.since,
        math.inf if query.until is None else query.until,
        query.status,
        query.queue,
        query.emotion,
        query.pbx,
    )
    page = await parts_of(request).store.lists.page_of_decisions(
        which, query.limit, place_of(query.cursor), only_queues(request)
    )
    items = [
        DecisionItem(r.decision, r.call_id, r.customer_key, r.text, pbx_of(r.call_id or ""))
        for r in page.rows
    ]
    return json_answer(request, DecisionPage(items, next_of(page)))


@scoped("calls:read", "admin", "supervisor")
async def get_decision(request: web.Request) -> web.Response:
    """One decision."""
    row, team = (
        await parts_of(request).store.decisions.get(request.match_info["decision_id"]),
        only_queues(request),
    )
    if row is None or (team is not None and row.decision.queue not in team):
        raise web.HTTPNotFound(text="no such decision")
    return json_answer(request, DecisionItem(row.decision, row.call_id, row.customer_key, row.text))


ENDPOINTS: tuple[Endpoint, ...] = (
    post(
        "/api/v1/queries",
        post_query,
        "queries",
        {
            200: Answer("The decision.", QueryAnswer),
            202: Answer("The decision; the customer is being called.", QueryAnswer),
        },
        body=QueryBody,
        refusals=(502,),
        headers=HEADERS,
    ),
    get(
        "/api/v1/decisions",
        list_decisions,
        "queries",
        Answer("A page of decisions.", DecisionPage),
        query=DecisionsQuery,
    ),
    post(
        "/api/v1/queries/preview",
        preview_decision,
        "queries",
        {200: Answer("What would be decided, and how each rule fared.", Preview)},
        body=PreviewBody,
    ),
    get(
        "/api/v1/decisions/{decision_id}",
        get_decision,
        "queries",
        Answer("The decision.", DecisionItem),
    ),
)

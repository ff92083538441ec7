"""JSON API handlers: queries in, calls out, health and metrics."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from emocx_pbx.doors import Caller
from emocx_pbx.errors import InputError
from emocx_pbx.web.access import public, scoped
from emocx_pbx.web.parts import parts_of

#: E.164-like: what may be put into a Dial string, nothing else.
_NUMBER = re.compile(r"^\+?[0-9]{2,15}$")
_KEY = r"^[A-Za-z0-9_.:@-]{1,128}$"
_QUEUE = r"^[A-Za-z0-9_.-]{1,80}$"


class QueryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/v1/queries."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    customer: Annotated[str, Meta(pattern=_KEY)] | None = None
    """The CRM's key of the customer."""
    callback_number: str | None = None
    """Number to call and connect with the chosen queue."""
    default_queue: Annotated[str, Meta(pattern=_QUEUE)] | None = None
    attributes: dict[str, Annotated[str, Meta(max_length=200)]] = {}
    """What the policy may ask of the customer, e.g. {"plan": "gold"}."""
    optout: bool = False
    """The customer does not want analysis: the default queue, and no tap."""


@scoped("queries:write", "admin", "supervisor")
async def post_query(request: web.Request) -> web.Response:
    """Decide a chat query; call the customer back if a number is given."""
    parts = parts_of(request)
    try:
        body = msgspec.json.decode(await request.read(), type=QueryBody)
    except msgspec.DecodeError as error:
        raise InputError(f"body: {error}") from None
    number = body.callback_number
    if number is not None:
        number = re.sub(r"[ ()/.-]", "", number)
        if not _NUMBER.match(number):
            raise InputError("body: callback_number: expected 2 to 15 digits, with or without +")
    call_id = parts.call_back.new_call_id() if number else None
    caller = Caller(call_id, body.customer, body.default_queue, body.optout, body.attributes)
    decision = await parts.doors.by_text(body.text, caller)
    if number and call_id:
        await parts.call_back.ring(number, call_id, decision, body.customer, body.optout)
    answer = msgspec.to_builtins(decision) | {"call_id": call_id}
    return web.json_response(answer, status=202 if number else 200)


@scoped("calls:read", "admin", "supervisor")
async def list_calls(request: web.Request) -> web.Response:
    """The newest calls."""
    try:
        limit = min(200, max(1, int(request.query.get("limit", "50"))))
    except ValueError:
        raise InputError("limit: expected a whole number from 1 to 200") from None
    calls = await parts_of(request).store.calls(limit=limit)
    return web.json_response({"calls": msgspec.to_builtins(calls)})


@scoped("calls:read", "admin", "supervisor")
async def get_call(request: web.Request) -> web.Response:
    """One call with its decision, segments, readings and grades."""
    call = await parts_of(request).store.call(request.match_info["call_id"])
    if call is None:
        raise web.HTTPNotFound(text="no such call")
    return web.json_response(msgspec.to_builtins(call))


@public
async def healthz(request: web.Request) -> web.Response:
    """The process lives."""
    return web.json_response({"status": "ok"})


@public
async def readyz(request: web.Request) -> web.Response:
    """Every component is up; 503 while one is not."""
    health = parts_of(request).health
    return web.json_response(health.report(), status=200 if health.ready else 503)


@public
async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format."""
    body, content_type = parts_of(request).metrics.render()
    return web.Response(body=body, headers={"Content-Type": content_type})


def routes() -> list[web.RouteDef]:
    """Where the API is."""
    return [
        web.post("/api/v1/queries", post_query),
        web.get("/api/v1/calls", list_calls),
        web.get("/api/v1/calls/{call_id}", get_call),
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]

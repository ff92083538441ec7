"""JSON API handlers: queries in, calls out, health and metrics."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from emocx_pbx.callback import CallBack
from emocx_pbx.doors import Caller, Doors
from emocx_pbx.errors import InputError
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.store.database import Store

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


class Api:
    """Handlers; each reads the request, calls one thing, and answers JSON."""

    def __init__(
        self, doors: Doors, call_back: CallBack, store: Store, health: HealthBoard, metrics: Metrics
    ) -> None:
        self._doors, self._call_back, self._store = doors, call_back, store
        self._health, self._metrics = health, metrics

    async def post_query(self, request: web.Request) -> web.Response:
        """Decide a chat query; call the customer back if a number is given."""
        try:
            body = msgspec.json.decode(await request.read(), type=QueryBody)
        except msgspec.DecodeError as error:
            raise InputError(f"body: {error}") from None
        number = body.callback_number
        if number is not None:
            number = re.sub(r"[ ()/.-]", "", number)
            if not _NUMBER.match(number):
                raise InputError("body: callback_number: expected 2 to 15 digits, with or without +")
        call_id = self._call_back.new_call_id() if number else None
        caller = Caller(call_id, body.customer, body.default_queue, body.optout, body.attributes)
        decision = await self._doors.by_text(body.text, caller)
        if number and call_id:
            await self._call_back.ring(number, call_id, decision, body.customer, body.optout)
        answer = msgspec.to_builtins(decision) | {"call_id": call_id}
        return web.json_response(answer, status=202 if number else 200)

    async def list_calls(self, request: web.Request) -> web.Response:
        """The newest calls."""
        try:
            limit = min(200, max(1, int(request.query.get("limit", "50"))))
        except ValueError:
            raise InputError("limit: expected a whole number from 1 to 200") from None
        calls = await self._store.calls(limit=limit)
        return web.json_response({"calls": msgspec.to_builtins(calls)})

    async def get_call(self, request: web.Request) -> web.Response:
        """One call with its decision, segments, readings and grades."""
        call = await self._store.call(request.match_info["call_id"])
        if call is None:
            raise web.HTTPNotFound(text="no such call")
        return web.json_response(msgspec.to_builtins(call))

    async def healthz(self, request: web.Request) -> web.Response:
        """The process lives."""
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Every component is up; 503 while one is not."""
        report = self._health.report()
        return web.json_response(report, status=200 if self._health.ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text format."""
        body, content_type = self._metrics.render()
        return web.Response(body=body, headers={"Content-Type": content_type})

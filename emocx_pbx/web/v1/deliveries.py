"""Deliveries of webhooks: what receivers got, and sending it again."""

from __future__ import annotations

import math

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import DeliveryFilter
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import body_of, json_answer, query_of
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import DeliveriesQuery, ReplayBody
from emocx_pbx.web.v1.shapes_out import DeliveryPage, Replayed
from emocx_pbx.web.v1.table import Answer, Endpoint, get, post


@scoped("webhooks:read", "admin", "supervisor")
async def list_deliveries(request: web.Request) -> web.Response:
    """Deliveries, newest first, and receivers that are disabled."""
    query, store = query_of(request, DeliveriesQuery), parts_of(request).store
    which = DeliveryFilter(query.endpoint, query.state, query.type, query.call_id)
    rows = await store.views.deliveries(which, query.limit + 1, query.before)
    shown = rows[: query.limit]
    more = shown[-1].delivery_id if len(rows) > query.limit else None
    return json_answer(request, DeliveryPage(shown, more, await store.disabled_endpoints()))


@scoped("webhooks:write", "admin", "supervisor")
@idempotent
async def replay_deliveries(request: web.Request) -> web.Response:
    """Send events again, one, a call's, or a range; ids stay, so receivers can tell repetitions."""
    body, store = await body_of(request, ReplayBody), parts_of(request).store
    narrowing = (body.event_id, body.call_id, body.type, body.since, body.until)
    if not body.failed and all(part is None for part in narrowing):
        raise InputError("body: say which: event_id, call_id, type, since, until or failed")
    number = await store.replay(
        body.endpoint,
        body.event_id,
        body.call_id,
        body.type,
        -math.inf if body.since is None else body.since,
        math.inf if body.until is None else body.until,
        "failed" if body.failed else None,
    )
    told = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
    await store.audit.add(
        actor_of(request), "webhooks.replayed", body.endpoint or "all", None, told | {"replayed": number}
    )
    return json_answer(request, Replayed(number))


ENDPOINTS: tuple[Endpoint, ...] = (
    get(
        "/api/v1/deliveries",
        list_deliveries,
        "webhooks",
        Answer("A page.", DeliveryPage),
        query=DeliveriesQuery,
    ),
    post(
        "/api/v1/deliveries/replay",
        replay_deliveries,
        "webhooks",
        {200: Answer("They will be sent.", Replayed)},
        body=ReplayBody,
        headers=HEADERS,
    ),
)

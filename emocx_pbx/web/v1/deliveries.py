"""Deliveries of webhooks: what receivers got, and sending it again."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.deeds.deed import Replay
from emocx_pbx.deeds.replay import Which
from emocx_pbx.errors import NotAllowedError
from emocx_pbx.store.list_rows import DeliveryFilter, ListPosition
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import body_of, json_answer, query_of
from emocx_pbx.web.v1.idempotency import HEADERS, idempotent
from emocx_pbx.web.v1.shapes_in import DeliveriesQuery, ReplayBody
from emocx_pbx.web.v1.shapes_out import DeliveryPage, Replayed
from emocx_pbx.web.v1.table import Answer, Endpoint, get, post
from emocx_pbx.web.v1.who import must_see, only_queues


@scoped("webhooks:read", "admin", "supervisor")
async def list_deliveries(request: web.Request) -> web.Response:
    """Deliveries, newest first, and receivers that are disabled."""
    query, store = query_of(request, DeliveriesQuery), parts_of(request).store
    which = DeliveryFilter(query.receiver, query.state, query.type, query.call_id)
    page = await store.lists.page_of_deliveries(
        which, query.limit, ListPosition(number=query.before or 0), only_queues(request)
    )
    more = page.next.number if page.next else None
    return json_answer(request, DeliveryPage(page.rows, more, await store.outbox.disabled()))


@scoped("webhooks:write", "admin", "supervisor")
@idempotent
async def replay_deliveries(request: web.Request) -> web.Response:
    """Send events again, one, a call's, or a range; ids stay, so receivers can tell repetitions."""
    body = await body_of(request, ReplayBody)
    which = Which(
        body.receiver or body.endpoint, body.event_id, body.call_id, body.type, body.since, body.until,
        failed=body.failed,
    )  # fmt: skip
    if only_queues(request) is not None:
        # Events of other queues must not be found out by asking for them again.
        if body.call_id is None:
            raise NotAllowedError("call_id: say which call; you see the queues given to you")
        await must_see(request, body.call_id)
    number = await parts_of(request).deeds.do(Replay(which), actor_of(request))
    return json_answer(request, Replayed(number))


ENDPOINTS: tuple[Endpoint, ...] = (
    get(
        "/api/v1/deliveries",
        list_deliveries,
        "webhooks",
        Answer("A page of deliveries.", DeliveryPage),
        query=DeliveriesQuery,
    ),
    post(
        "/api/v1/deliveries/replay",
        replay_deliveries,
        "webhooks",
        {200: Answer("How many deliveries will be sent again.", Replayed)},
        body=ReplayBody,
        refusals=(403, 404),
        headers=HEADERS,
    ),
)

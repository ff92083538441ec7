"""All endpoints of the API, their routes, and the document that describes them."""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec
from aiohttp import web

from emocx_pbx.web.identity.access import public
from emocx_pbx.web.v1 import calls, deliveries, grades, live, queries, queues, reports, reviews, system
from emocx_pbx.web.v1.openapi import document
from emocx_pbx.web.v1.table import JSON, Answer, Endpoint


@functools.cache
def _document() -> bytes:
    return msgspec.json.encode(document(ENDPOINTS))


@public
async def openapi(request: web.Request) -> web.Response:
    """The OpenAPI document of this API."""
    return web.Response(body=_document(), content_type=JSON)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *queries.ENDPOINTS,
    *calls.ENDPOINTS,
    *grades.ENDPOINTS,
    *queues.ENDPOINTS,
    *reports.ENDPOINTS,
    *reviews.ENDPOINTS,
    *deliveries.ENDPOINTS,
    *live.ENDPOINTS,
    *system.ENDPOINTS,
    Endpoint(
        method="GET",
        path="/api/v1/openapi.json",
        handler=openapi,
        tag="system",
        answers={200: Answer("The OpenAPI 3.1 document.", dict[str, Any])},
    ),
)


def routes() -> list[web.RouteDef]:
    """The table as aiohttp's routes."""
    return [endpoint.route() for endpoint in ENDPOINTS]

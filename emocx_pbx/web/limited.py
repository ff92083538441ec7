"""Middlewares that count: how long requests take, and whether one client makes too many."""

from __future__ import annotations

import time

from aiohttp import web

from emocx_pbx.limits import place_of
from emocx_pbx.web.guards import Handler
from emocx_pbx.web.identity.sessions import address_of, visitor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.problem import problem
from emocx_pbx.web.v1.limits import WINDOW_S, RateLimits, Verdict
from emocx_pbx.web.v1.table import EVENTS

LIMITS: web.AppKey[RateLimits] = web.AppKey("limits", RateLimits)
_VERDICT: web.RequestKey[Verdict] = web.RequestKey("rate_verdict", Verdict)


@web.middleware
async def clocked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measures the time to answer, except for feeds, which last for as long as somebody watches."""
    begin = time.perf_counter()
    response = await handler(request)
    if response.content_type != EVENTS:
        api, page = request.path.startswith("/api/"), response.content_type == "text/html"
        area = "api" if api else "page" if page else "other"
        parts_of(request).metrics.request(area, time.perf_counter() - begin)
    return response


@web.middleware
async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts requests to the API by token, user, or address."""
    if not request.path.startswith("/api/"):
        return await handler(request)
    visitor = visitor_of(request)
    client = (
        f"user {visitor.user.user_id}" if visitor.user
        else f"token {visitor.token_id}" if visitor.token_id
        else f"address {place_of(address_of(request))}"
    )  # fmt: skip
    verdict = request.app[LIMITS].ask(client, parts_of(request).now())
    request[_VERDICT] = verdict
    if verdict.allowed:
        return await handler(request)
    parts_of(request).metrics.count("http_rate_limited")
    answer = problem(429, "Too many requests", f"come again in {verdict.retry_s} s")
    answer.headers["Retry-After"] = str(verdict.retry_s)
    return answer


async def rate_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Tells the client its remaining limit (draft-ietf-httpapi-ratelimit-headers)."""
    verdict = request.get(_VERDICT)
    limits = request.app[LIMITS]
    if verdict is not None and limits.per_minute:
        response.headers["RateLimit-Policy"] = f'"default";q={limits.per_minute};w={WINDOW_S:.0f}'
        response.headers["RateLimit"] = f'"default";r={verdict.remaining};t={verdict.reset_s}'

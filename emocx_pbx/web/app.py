"""The controller's HTTP app: its middlewares and routes; handlers live beside it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from emocx_pbx.errors import EmocxError, InputError, PeerUnavailable, RefusedError
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.web.api import Api
from emocx_pbx.web.live_api import LiveApi

log = structlog.get_logger()

#: Largest request body; a query is one or two sentences.
MAX_BODY = 64 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(status: int, title: str, detail: str) -> web.Response:
    """An RFC 9457 problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


def create_app(api: Api, live: LiveApi, metrics: Metrics, token: str) -> web.Application:
    """The app; `token` empty means that no bearer token is asked for (loopback only)."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        # One of the three outermost loops: a request that fails must not be silent.
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return problem(error.status, error.reason, error.text or error.reason)
        except InputError as error:
            return problem(422, "Unprocessable content", str(error))
        except PeerUnavailable as error:
            return problem(503, "Service unavailable", str(error))
        except RefusedError as error:
            return problem(502, "Refused by Asterisk", str(error))
        except EmocxError as error:
            metrics.count("http_errors")
            log.error("request failed", key="http.failed", path=request.path, why=str(error))
            return problem(500, "Internal error", "the request could not be handled; see the log")
        except Exception:
            metrics.count("http_errors")
            log.exception("request failed", key="http.failed", path=request.path)
            return problem(500, "Internal error", "the request could not be handled; see the log")

    @web.middleware
    async def authorise(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token and request.path.startswith("/api/"):
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return problem(401, "Unauthorized", "send `Authorization: Bearer <http.api_token>`")
        return await handler(request)

    app = web.Application(middlewares=[errors, authorise], client_max_size=MAX_BODY)
    app.add_routes(
        [
            web.post("/api/v1/queries", api.post_query),
            web.get("/api/v1/calls", api.list_calls),
            web.get("/api/v1/calls/{call_id}", api.get_call),
            web.get("/api/v1/live", live.snapshot),
            web.get("/api/v1/live/events", live.events),
            web.get("/healthz", api.healthz),
            web.get("/readyz", api.readyz),
            web.get("/metrics", api.metrics),
        ]
    )
    return app

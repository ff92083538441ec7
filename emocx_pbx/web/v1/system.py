"""The service itself: health, models, metrics, and this API's own document."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import ModelError
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.identity.access import public, scoped
from emocx_pbx.web.identity.sessions import from_this_machine, visitor_of
from emocx_pbx.web.parts import Parts, parts_of
from emocx_pbx.web.v1.answers import json_answer
from emocx_pbx.web.v1.shapes_out import Alive, HealthAnswer, ModelItem, ModelsAnswer, ReadyAnswer
from emocx_pbx.web.v1.table import TEXT, Answer, Endpoint, get


@public
async def healthz(request: web.Request) -> web.Response:
    """Whether the service is alive."""
    return web.json_response({"status": "ok"})


@public
async def readyz(request: web.Request) -> web.Response:
    """Every component is up; 503 while one is not. Which ones: for this machine, or with metrics:read."""
    health = parts_of(request).health
    answer = _all_known(request) if _may_look(request) else {"ready": health.ready}
    return web.json_response(answer, status=200 if health.ready else 503)


@public
async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format, for this machine, or with the scope metrics:read."""
    if not _may_look(request):
        raise web.HTTPUnauthorized(
            text="send a token with the scope metrics:read", headers={"WWW-Authenticate": "Bearer"}
        )
    body, content_type = await parts_of(request).controller.scrape()
    return web.Response(body=body, headers={"Content-Type": content_type})


def _all_known(request: web.Request) -> dict[str, Any]:
    """How the parts stand, and what the check last found amiss."""
    return {**parts_of(request).health.report(), **request.app[DOCTOR].report()}


def _may_look(request: web.Request) -> bool:
    """Whether somebody may know how the service is built and how busy it is."""
    visitor = visitor_of(request)
    return (
        "metrics:read" in visitor.scopes
        or (visitor.user is not None and visitor.user.role in {"admin", "supervisor"})
        or parts_of(request).settings.http.public_metrics
        or from_this_machine(request)
    )


@scoped("metrics:read", "admin", "supervisor")
async def get_health(request: web.Request) -> web.Response:
    """Which parts are up, since when, and if not, why; always 200 (for a status see /readyz)."""
    return json_answer(request, _all_known(request))


@scoped("calls:read", "admin", "supervisor")
async def list_models(request: web.Request) -> web.Response:
    """Installed models by their cards; weights are checked against their checksums."""
    # Hashing weights takes a while; calls must not wait for it.
    return json_answer(request, await asyncio.to_thread(_models, parts_of(request)))


def _models(parts: Parts) -> ModelsAnswer:
    registry, items = Registry(parts.settings.models_path()), []
    ready = parts.controller.models()
    in_use = {("speech", r.speech_model) for r in ready} | {("text", r.text_model) for r in ready}
    for kind in ("speech", "text"):
        for name in registry.names(kind):
            for version in registry.versions(kind, name):
                used = (kind, f"{name}/{version}") in in_use
                try:
                    current = registry.current(kind, name) == version
                    card = registry.find(kind, f"{name}/{version}").card
                    item = ModelItem(kind, name, version, current, used, card.threshold, card.licence, None)
                except ModelError as error:
                    item = ModelItem(kind, name, version, False, used, 0.0, "", str(error))
                items.append(item)
    problems = sorted({problem for r in ready for problem in r.problems})
    return ModelsAnswer(items, problems)


ENDPOINTS: tuple[Endpoint, ...] = (
    get("/api/v1/health", get_health, "system", Answer("Every part of the service.", HealthAnswer)),
    get("/api/v1/models", list_models, "system", Answer("The installed models.", ModelsAnswer)),
    Endpoint(
        method="GET",
        path="/healthz",
        handler=healthz,
        tag="system",
        answers={200: Answer("The service is alive.", Alive)},
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        tag="system",
        answers={200: Answer("All parts are up.", ReadyAnswer), 503: Answer("A part is down.", ReadyAnswer)},
    ),
    get("/metrics", metrics, "system", Answer("All metrics.", media=TEXT), refusals=(401,)),
)

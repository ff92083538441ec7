"""What an endpoint is: the row of the table that routes and the OpenAPI document are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
CSV: Final = "text/csv"
EVENTS: Final = "text/event-stream"
TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of an endpoint."""

    description: str
    kind: Any = None
    """Type of the JSON; None for another medium or an empty body."""
    media: str = JSON
    """Empty: no body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    """Its docstring is the description, its access mark says who may call it."""
    tag: str
    answers: Mapping[int, Answer]
    """Beside refusals."""
    query: type | None = None
    """Struct of the query parameters."""
    body: type | None = None
    """Struct of the JSON body."""
    refusals: tuple[int, ...] = ()
    """Statuses that its handler or deed alone gives, beside those of `openapi.refusals_of`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that it looks at, with what for."""

    def route(self) -> web.RouteDef:
        """The endpoint as aiohttp's route; a GET with an end answers HEAD as well."""
        if self.method == "GET":
            return web.get(self.path, self.handler, allow_head=self.answers[200].media != EVENTS)
        return web.route(self.method, self.path, self.handler)


def get(path: str, handler: Handler, tag: str, answer: Answer, **more: Any) -> Endpoint:
    """An endpoint that reads."""
    return Endpoint(method="GET", path=path, handler=handler, tag=tag, answers={200: answer}, **more)


def post(path: str, handler: Handler, tag: str, answers: Mapping[int, Answer], **more: Any) -> Endpoint:
    """An endpoint that changes something."""
    return Endpoint(method="POST", path=path, handler=handler, tag=tag, answers=answers, **more)

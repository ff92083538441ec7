"""A real receiver on 127.0.0.1 that verifies signatures and misbehaves as told."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Got:
    id: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def place(self) -> tuple[str | None, int]:
        return self.body["data"]["call_id"], self.body["data"]["sequence"]


@dataclass
class Receiver:
    """Answers `answers` in turn, then 200; keeps all that was validly signed."""

    url: str = ""
    secret: str = SECRET
    got: list[Got] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    by_default: Answer | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        Webhook(self.secret).verify(raw, dict(request.headers))
        self.got.append(Got(request.headers["webhook-id"], dict(request.headers), json.loads(raw)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.changed.set()
        try:
            answer = self.answers.pop(0) if self.answers else self.by_default
            return await answer(request) if answer else web.Response()
        finally:
            self.at_once -= 1

    async def hang(self, request: web.Request) -> web.Response:
        """Answer only once released."""
        await self.release.wait()
        return web.Response()

    async def until(self, number: int) -> list[Got]:
        """All requests so far, as soon as there are so many."""
        async with asyncio.timeout(10):
            while len(self.got) < number:
                self.changed.clear()
                await self.changed.wait()
        return self.got


def says(status: int, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer

"""A small CRM: takes webhooks, verifies each signature, keeps the events, and can wait for some."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from emocx_pbx.lab.lifetime import Started


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery."""

    id: str
    """The event's id: the same for every attempt."""
    type: str
    timestamp: str
    data: dict[str, Any]
    signature_valid: bool
    why_invalid: str = ""
    """What is wrong with its signature."""
    body: bytes = b""
    """The body as it arrived: what was signed."""
    status: int = 204
    """What it was answered with."""

    @property
    def call_id(self) -> str | None:
        """The call it is about."""
        value = self.data.get("call_id")
        return None if value is None else str(value)


def new_secret() -> str:
    """A fresh signing secret in Standard Webhooks' form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


class Receiver(Started):
    """An HTTP server, on 127.0.0.1 unless told otherwise, that receives events.

    Its path is its own, as ports are given away again: who sends to whoever had the port before gets 404.

    `async with Receiver() as crm: ... await crm.wait(lambda: crm.of("call.ended"), 10)`.
    """

    def __init__(
        self,
        secret: str | None = None,
        *,
        port: int = 0,
        answer: Callable[[Received], int] = lambda received: 204,
        on_event: Callable[[Received], None] = lambda received: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.secret = secret or new_secret()
        self.port = port
        self.deliveries: list[Received] = []
        """All attempts, including repeated ones, in the order of their arrival."""
        self.answer = answer
        """HTTP status for a delivery; anything but 2xx makes the sender try again."""
        self.host = host
        """Address to listen on."""
        self.headers: dict[str, str] = {}
        """Headers sent with every answer, such as Retry-After."""
        self.delay_s: Callable[[], float] = lambda: 0.0
        """Seconds that a delivery, though received, waits for its answer."""
        self._path = f"/hooks/{secrets.token_hex(8)}"
        self._seen = on_event
        self._webhook = Webhook(self.secret)
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://{self.host}:{self.port}{self._path}"

    @property
    def events(self) -> list[Received]:
        """What a receiver has that honours the id: the first good delivery of each event."""
        seen: dict[str, Received] = {}
        for delivery in self.deliveries:
            if delivery.signature_valid:
                seen.setdefault(delivery.id, delivery)
        return list(seen.values())

    def of(self, kind: str, call_id: str | None = None) -> list[Received]:
        """Events of one type, of one call if given."""
        return [e for e in self.events if e.type == kind and call_id in (None, e.call_id)]

    async def wait(self, condition: Callable[[], object], deadline_s: float) -> None:
        """Wait until `condition()` is true; it is asked again after each delivery.

        Raises:
            TimeoutError: it is not true in time.
        """
        async with asyncio.timeout(deadline_s), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post(self._path, self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; what was received stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._webhook.verify(body, {k.lower(): v for k, v in request.headers.items()})
            why_invalid = ""
        except (WebhookVerificationError, ValueError) as error:
            why_invalid = str(error) or type(error).__name__
        try:
            event = json.loads(body)
            received = Received(
                id=request.headers.get("webhook-id", ""),
                type=str(event["type"]),
                timestamp=str(event["timestamp"]),
                data=dict(event["data"]),
                signature_valid=not why_invalid,
                why_invalid=why_invalid,
                body=body,
            )
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="not an event")
        status = 401 if why_invalid else self.answer(received)
        received = replace(received, status=status)
        async with self._changed:
            self.deliveries.append(received)
            self._changed.notify_all()
        self._seen(received)
        await asyncio.sleep(self.delay_s())
        return web.Response(status=status, headers=self.headers)

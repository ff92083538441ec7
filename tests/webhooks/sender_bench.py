"""A clock that skips, what a sender said of its attempts, and events to send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from webhooks.webhook_receiver import SECRET, Receiver

from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.sender import Sender

#: The receivers of these tests are on this machine.
POSTER = Poster(Networks(["127.0.0.0/8"]))


#: A sender at work for these receivers, ended at the end.
Sending = Callable[..., AbstractAsyncContextManager[Sender]]


class Clock:
    """Real time plus what a test skipped."""

    skipped = 0.0

    def __call__(self) -> float:
        return time.time() + self.skipped


def settings(receiver: Receiver, name: str = "crm", **changes: Any) -> WebhookSettings:
    return WebhookSettings(
        **{"name": name, "url": receiver.url, "secret": SECRET, "timeout_s": 5.0, **changes}
    )


class Outcomes:
    """What the sender said of its attempts; said after the store has it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, name: str, result: str) -> None:
        self.said.append((name, result))
        self._changed.set()

    async def until(self, wanted: Callable[[list[tuple[str, str]]], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted(self.said):
                self._changed.clear()
                await self._changed.wait()

    async def number(self, wanted: int) -> None:
        await self.until(lambda said: len(said) >= wanted)


async def call(store: Store, call_id: str, events: int = 3) -> None:
    for n in range(events):
        await store.outbox.add_event("call.alert", call_id, {"n": n}, time.time(), str(n))

"""A gateway on a fake Asterisk, with all it tells kept for looking at."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from pbx.fake_ami import FakeAmi

from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState, LinkWaits
from emocx_pbx.settings.settings import AsteriskSettings


class Hub:
    """What a gateway told."""

    def __init__(self) -> None:
        self.gateway: AmiGateway
        self.task: asyncio.Task[None]
        self.events: list[dict[str, str]] = []
        self.states: list[LinkState] = []
        self.timeline: list[str] = []
        self.waits: list[float] = []
        self.counts: Counter[str] = Counter()
        self.fail_on = ""
        self.may_act = True
        self._news = asyncio.Event()

    @property
    def names(self) -> list[str]:
        return [event["Event"] for event in self.events]

    @property
    def ups(self) -> list[LinkState]:
        return [state for state in self.states if state.up]

    def on_event(self, event: dict[str, str]) -> None:
        self._news.set()
        if event["Event"] == self.fail_on:
            raise RuntimeError("boom")
        self.events.append(event)
        self.timeline.append(event["Event"])

    def on_link(self, state: LinkState) -> None:
        self._news.set()
        self.states.append(state)
        self.timeline.append("up" if state.up else "down")

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._news.set()
        await asyncio.sleep(0.001)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def up(self, times: int = 1) -> None:
        """Wait until the link went up so many times."""
        await self.until(lambda: len(self.ups) >= times)


@asynccontextmanager
async def gateway(ami: FakeAmi, rng: random.Random | None = None, **chosen: Any) -> AsyncIterator[Hub]:
    """A running gateway; settings may be chosen."""
    hub = Hub()
    wanted: dict[str, Any] = {"port": ami.port, "secret": "s3cret", "action_timeout_s": 3.0, "ping_s": 1.0}
    hub.gateway = AmiGateway(
        AsteriskSettings(**wanted | chosen),
        hub.on_event,
        hub.on_link,
        count=lambda name: hub.counts.update([name]),
        may_act=lambda: hub.may_act,
        waits=LinkWaits(sleep=hub.sleep, rng=rng or random.Random(), boot_grace_s=0.02),
    )
    hub.task = asyncio.ensure_future(hub.gateway.run())
    try:
        yield hub
    finally:
        hub.task.cancel()
        with suppress(asyncio.CancelledError):
            await hub.task

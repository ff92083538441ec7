"""Connections to a private NATS server, and waiting for what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.message import Message

DEADLINE_S = 20.0
T = TypeVar("T")


class Said(Message, frozen=True):
    """A message of these tests."""

    number: int


class Box:
    """What came, and waiting for more."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self._news = asyncio.Event()

    def __call__(self, item: Any) -> None:
        self.found.append(item)
        self._news.set()

    async def until(self, found: Callable[[], T]) -> T:
        async with asyncio.timeout(DEADLINE_S):
            while not (value := found()):
                self._news.clear()
                await self._news.wait()
        return value


class States(Box):
    """Whether a connection is up."""

    def observed(self, up: bool, why: str) -> None:
        self((up, why))

    async def be(self, up: bool) -> None:
        await self.until(lambda: self.found and self.found[-1][0] is up)


async def connected(url: str, states: States | None = None, **login: str) -> Bus:
    """A connection that is up."""
    bus = Bus(BusLogin((url,), **login), states.observed if states else lambda up, why: None)
    assert await bus.start(DEADLINE_S)
    return bus

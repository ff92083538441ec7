"""A place that is called with what arrives, and can be waited at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

DEADLINE_S = 20.0
T = TypeVar("T")


class Box:
    """What arrived, and waiting for more."""

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

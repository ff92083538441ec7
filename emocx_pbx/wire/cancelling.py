"""Ends tasks, also those that lose a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

#: Seconds after which a cancelled task that goes on is cancelled again.
AGAIN_S: Final = 0.2


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended, in whatever way.

    Once is not enough before Python 3.12: `asyncio.wait_for`, which libraries use, loses a cancellation that
    comes as what it waits for ends (https://github.com/python/cpython/issues/86296), and a loop around it
    goes on, nats-py's attempts to connect again among them.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_S)

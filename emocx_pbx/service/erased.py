"""Lets running calls forget whom another process erased: the command line writes the store itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from emocx_pbx.errors import StoreError
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Between looks.
EVERY_S: Final = 1.0


async def forget_erased_elsewhere(
    store: Store,
    named: Callable[[], Sequence[str]],
    forget: Callable[[Sequence[str]], None],
    every_s: float = EVERY_S,
) -> None:
    """Look again and again, until cancelled.

    Args:
        store: where erasures note the calls that went on meanwhile.
        named: calls that go on and still name their customer.
        forget: told which of them must not any more.
        every_s: seconds between looks; nothing is read while no call goes on.
    """
    while True:
        await asyncio.sleep(every_s)
        if not (calls := named()):
            continue
        try:
            forget(await store.erasure.forgotten(calls))
        except StoreError as error:
            log.error("erased customers not looked up", key="store.erased_unread", why=str(error))

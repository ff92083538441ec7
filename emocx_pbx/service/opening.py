"""The database of a process that can do nothing without it: the start waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from emocx_pbx.errors import SettingsError, StoreError, StoreUnavailable
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Seconds between attempts to reach it.
AGAIN_S: Final = 1.0
#: Seconds between checks for receivers that administrators added to it or changed.
RECEIVERS_S: Final = 2.0


async def opened(
    settings: Settings, stop: asyncio.Event, role: str, *, migrating: bool = True
) -> Store | None:
    """The shared database, as soon as it answers; None: told to stop before it did.

    Raises:
        SettingsError: the records are in a file.
        StoreError: it can't be used.
    """
    if not settings.store.url:
        raise SettingsError(f"store.url: a {role} of its own needs PostgreSQL; a file is one host's")
    while not stop.is_set():
        try:
            return await Store.open(settings.store_place(), settings.webhooks, migrating=migrating)
        except StoreUnavailable as error:
            log.warning("waiting for the database", key=f"{role}.waits", why=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await stop.wait()
    return None


async def follow_receivers(store: Store, health: HealthBoard) -> None:
    """Reread the stored receivers until cancelled, which also shows whether the database answers."""
    before = store.receivers.stored()
    while True:
        try:
            await store.receivers.load()
            health.set("store", True)
        except StoreError as error:
            health.set("store", False, str(error))
        if store.receivers.stored() != before:
            before = store.receivers.stored()
            store.receivers.changes.tell()
        await asyncio.sleep(RECEIVERS_S)

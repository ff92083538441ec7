"""Erases what is older than the settings say, and lets running calls forget whom another process erased."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from emocx_pbx.deeds.erasure import TRACES, purge
from emocx_pbx.errors import StoreError
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.database import Store
from emocx_pbx.store.snapshot import old_copies

log = structlog.get_logger()

DAY_S: Final = 86_400.0
#: Between two tries to free the database's log of what was erased; nothing is done where nothing was.
SETTLE_AGAIN_S: Final = 60.0
#: Between looks for erasures by the command line, which writes the store itself.
LOOK_S: Final = 1.0


class RunningCalls(Protocol):
    """The part of the journeys that is needed."""

    def naming_customers(self) -> list[str]:
        """Ids of calls that go on and still name their customer."""

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        """Told which of them must not any more."""


async def forget_old_calls(store: Store, in_force: SettingsInForce) -> None:
    """Erase what is too old, once at the start and then daily, until cancelled.

    What an erasure left in the database's log, here or in a crash, is tried again until it is gone.
    """
    due_at = time.monotonic()
    while True:
        settled = False
        try:
            if time.monotonic() >= due_at:
                settings, now = in_force.settings, time.time()
                purged = await purge(store, settings, now)
                due_at, settled = time.monotonic() + DAY_S, purged.settled
                log.info("old calls erased", key="store.purged", counts=purged.counts)
                for copy in old_copies(settings.store_path(), now):
                    await asyncio.to_thread(copy.unlink, missing_ok=True)
                    log.info("copy of an older schema removed", key="store.copy_removed", path=str(copy))
            else:
                settled = await store.erasure.settle()
            if not settled:
                log.warning("erased rows are still in the log", key="store.traces", why=TRACES)
        except (StoreError, OSError) as error:
            log.error("old calls not erased", key="store.purge_failed", why=str(error))
        await asyncio.sleep(min(SETTLE_AGAIN_S, max(0.0, due_at - time.monotonic())))


async def forget_erased_elsewhere(store: Store, calls: RunningCalls, every_s: float = LOOK_S) -> None:
    """Look again and again, until cancelled.

    Args:
        store: where erasures note the calls that went on meanwhile.
        calls: those that go on.
        every_s: seconds between looks; nothing is read while no call goes on.
    """
    while True:
        await asyncio.sleep(every_s)
        if not (named := calls.naming_customers()):
            continue
        try:
            calls.forget_customers(await store.erasure.forgotten(named))
        except StoreError as error:
            log.error("erased customers not looked up", key="store.erased_unread", why=str(error))

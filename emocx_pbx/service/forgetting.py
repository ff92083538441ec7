"""Erases what is older than the settings allow, and clears customers erased by other processes from live
calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from emocx_pbx.calls.spool_erasure import unname_aside
from emocx_pbx.deeds.erasure import TRACES, purge
from emocx_pbx.errors import StoreError
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.database import Store
from emocx_pbx.store.snapshot import old_copies

log = structlog.get_logger()

DAY_S: Final = 86_400.0
#: Seconds between two tries to clear erased rows from the database's log; none are made if nothing was
#: erased.
SETTLE_AGAIN_S: Final = 60.0
#: Seconds between checks for erasures by the command line, which writes to the store directly.
LOOK_S: Final = 1.0
#: Seconds between looks at changes that were set aside.
ASIDE_S: Final = 60.0


class RunningCalls(Protocol):
    """The part of the journeys that is needed."""

    def naming_customers(self) -> list[str]:
        """Ids of live calls that still name their customer."""

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        """Takes the ids of those that must no longer do so."""


async def forget_old_calls(store: Store, in_force: SettingsInForce) -> None:
    """Erase what is too old, at the start and then once a day, until cancelled.

    Traces of an erasure in the database's log, including those of a crash, are tried again until gone.
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


async def forget_kept_aside(
    spool: Path, store: Store, in_force: SettingsInForce, every_s: float = ASIDE_S
) -> None:
    """See to it repeatedly, until cancelled, that changes which were set aside beside `spool` name no erased
    customer, and are removed when calls as old would be.
    """
    while True:
        try:
            await unname_aside(spool, store.audit, time.time() - in_force.settings.privacy.keep_days * DAY_S)
        except (StoreError, OSError) as error:
            log.error("changes kept aside not looked through", key="spool.aside_unread", why=str(error))
        await asyncio.sleep(every_s)


async def forget_erased_elsewhere(store: Store, calls: RunningCalls, every_s: float = LOOK_S) -> None:
    """Check for erasures repeatedly, until cancelled.

    Args:
        store: where erasures note the calls that were live at the time.
        calls: the live calls.
        every_s: seconds between checks; nothing is read while there are no live calls.
    """
    while True:
        await asyncio.sleep(every_s)
        if not (named := calls.naming_customers()):
            continue
        try:
            calls.forget_customers(await store.erasure.forgotten(named))
        except StoreError as error:
            log.error("erased customers not looked up", key="store.erased_unread", why=str(error))

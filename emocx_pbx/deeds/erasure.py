"""Deeds of erasure: one customer on request, everybody after a time, and what exports kept about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from emocx_pbx.deeds.exports import forget_in
from emocx_pbx.dispatch.numbers import spellings
from emocx_pbx.errors import InputError
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import SERVICE
from emocx_pbx.store.database import Store
from emocx_pbx.store.erasure import Erased

DAY_S: Final = 86_400.0

#: The message when rows were removed, but somebody is still reading the log that they were written to.
TRACES: Final = (
    "the rows are gone, but another process still reads the database: copies of them stay in its write-ahead "
    "log until that ends. Close it and erase again; the running service goes on trying by itself"
)


async def erase(
    store: Store,
    customer: str | None,
    number: str | None,
    by: Actor,
    country: str = "",
    forget: Callable[[Sequence[str]], None] = lambda calls: None,
    dry: bool = False,
) -> Erased:
    """Erase a customer everywhere: rows, events, kept answers, exports, and data held for live calls.

    Args:
        store: where everything is kept.
        customer: the CRM's key.
        number: the calling number, in any spelling.
        by: who does it; the audit log does not say which customer was erased.
        country: the country of numbers written in national form.
        forget: gets the ids of live calls, so that what memory holds about them is cleared too.
        dry: report what would be removed, and change nothing.

    Returns:
        What was removed; if it is not `settled`, show TRACES.

    Raises:
        InputError: neither customer nor number is given.
    """
    customer, number = (customer or "").strip() or None, (number or "").strip() or None
    if customer is None and number is None:
        raise InputError("name a customer key or a calling number")
    erased = await store.erasure.erase(customer, spellings(number, country) if number else (), by, dry=dry)
    if not dry:
        forget(erased.live)
    for folder in await store.erasure.exports():
        gone = await asyncio.to_thread(forget_in, Path(folder), erased.names, erased.texts, dry)
        erased.add("exported", gone)
    return erased


async def purge(store: Store, settings: Settings, now: float, by: Actor = SERVICE) -> Erased:
    """Erase calls older than privacy.keep_days, and audit entries older than privacy.keep_audit_days."""
    purged = await store.erasure.purge(now - settings.privacy.keep_days * DAY_S, by)
    purged.add("audit_entries", await store.audit.cut(now - settings.privacy.keep_audit_days * DAY_S, by))
    return purged

"""Erasure in the files of kept changes (`spool.py`): they may name customers whom the database has forgotten.

Nobody can tell any more whom: the database does not keep who was erased. So if a customer was erased since a
file was last written, everything in it that names any customer is left out. The file of a running service
needs none of this: it is only there while the database, and with it every erasure, is away.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from emocx_pbx.calls.effects import Write, WriteDecision, WriteStart, WriteWords
from emocx_pbx.calls.spool import Spool, Spooled
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.outbox import PERSONAL

log = structlog.get_logger()

#: Seconds by which the clocks of two hosts may differ.
CLOCKS_S: Final = 60.0


def unnamed(write: Write) -> Write | None:
    """The change without what names its customer: key, number and words; None: nothing else is in it."""
    match write:
        case WriteWords():
            return None
        case WriteStart():
            write = replace(write, customer_key=None, caller=None)
        case WriteDecision():
            write = replace(write, customer_key=None, text=None)
    events: tuple[NewEvent, ...] = getattr(write, "events", ())
    if not events:
        return write
    others: dict[str, Any] = {"events": tuple(_unnamed_event(event) for event in events)}
    return replace(write, **others)


def _unnamed_event(event: NewEvent) -> NewEvent:
    return replace(event, data={k: None if k in PERSONAL else v for k, v in event.data.items()})


async def erased_since(path: Path, audit: AuditLog) -> bool:
    """Whether somebody had a customer erased since a file was last written.

    Raises:
        StoreError: the database can't be read.
    """
    if (written_at := _written_at(path)) is None:
        return False
    newest = await audit.rows(action="privacy.erased", limit=1)
    return bool(newest) and newest[0].at > written_at - CLOCKS_S


def _written_at(path: Path) -> float | None:
    """When a file was last written, in Unix seconds; None: it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def unname(path: Path) -> None:
    """Rewrite a file that no process writes to, without what names customers.

    Raises:
        OSError: it can't be written.
    """
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    rewritten = Spool(beside, path.stat().st_size + 1)
    changes = ((unnamed(kept.write), kept.term) for kept in Spool(path, 0).read())
    rewritten.keep(Spooled(write, term) for write, term in changes if write is not None)
    rewritten.sync()
    rewritten.close()
    with path.open("r+b") as file:  # the disk must not keep it either
        file.write(b"\0" * path.stat().st_size)
        os.fdatasync(file.fileno())
    beside.replace(path)
    log.warning("kept changes no longer name customers", key="spool.unnamed", path=str(path))


async def unname_aside(spool: Path, audit: AuditLog, keep_since: float) -> None:
    """What was set aside for people names no customers once one of them was erased, and goes when it is old.

    Args:
        spool: the file beside which it lies.
        audit: knows of erasures.
        keep_since: Unix seconds; if nothing was added since, it is removed.

    Raises:
        StoreError: the database can't be read.
        OSError: the file can't be changed.
    """
    aside = spool.with_name(f"{spool.name}.aside")
    if (written_at := _written_at(aside)) is None:
        return
    if written_at < keep_since:
        aside.unlink()
        log.warning("old changes that were kept aside are removed", key="spool.aside_old", path=str(aside))
    elif await erased_since(aside, audit):
        unname(aside)

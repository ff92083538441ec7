"""Deeds on models: which version a name stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog, Entry


@dataclass(frozen=True, slots=True)
class Switched:
    """A name that stands for another version now."""

    kind: str
    name: str
    before: str
    after: str


async def promote(
    registry: Registry,
    audit: AuditLog | None,
    kind: str,
    name: str,
    version: str,
    why: str,
    at: float,
    by: Actor,
    comparison: Mapping[str, Any] | None = None,
) -> Switched:
    """Let a name stand for a version; running workers take it at the next reload.

    Args:
        registry: the folder of models.
        audit: None where no service has run yet; the registry's own notes tell of it all the same.
        kind: speech or text.
        name: of the model.
        version: of it.
        why: for the registry's notes.
        at: Unix seconds.
        by: who does it.
        comparison: with the version in use, on held-out data.

    Raises:
        ModelError: no such version, or it is damaged.
    """
    note = {"at": at, "by": by.name, "why": why, "comparison": comparison}
    return await _switch(registry, audit, "model.promoted", kind, name, version, note, by)


async def rollback(
    registry: Registry, audit: AuditLog | None, kind: str, name: str, at: float, by: Actor
) -> Switched:
    """Return to the version in use before the last promotion.

    Raises:
        InputError: it was not promoted from another one.
        ModelError: that version is damaged or gone.
    """
    current, steps = registry.current(kind, name), registry.steps(kind, name)
    previous = next(
        (s["from"] for s in reversed(steps) if s["to"] == current and not s.get("rollback")), None
    )
    if previous is None:
        raise InputError(f"{name}/{current} was not promoted from another version; nothing to return to")
    note = {"at": at, "by": by.name, "why": "rollback", "rollback": True}
    return await _switch(registry, audit, "model.rolled_back", kind, name, previous, note, by)


async def _switch(
    registry: Registry,
    audit: AuditLog | None,
    action: str,
    kind: str,
    name: str,
    version: str,
    note: Mapping[str, Any],
    by: Actor,
) -> Switched:
    # Checksums take a while: neither within the transaction, nor where calls wait for the loop.
    await asyncio.to_thread(registry.find, kind, f"{name}/{version}")
    switched = Switched(kind, name, registry.current(kind, name), version)
    entry = Entry(by, action, f"{kind} {name}", {"version": switched.before}, {"version": version})
    if audit is None:
        registry.step(kind, name, version, note)
    else:
        await audit.around(entry, lambda: registry.step(kind, name, version, note))
    return switched

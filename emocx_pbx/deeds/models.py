"""Deeds on models: changing which version a name stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError, InputError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog, Entry


@dataclass(frozen=True, slots=True)
class Switched:
    """A name that now stands for another version."""

    kind: str
    name: str
    before: str
    after: str
    late: tuple[str, ...] = ()
    """Workers of the cluster that do not have the version yet: they take no calls until they do."""


class SwitchesModels(Protocol):
    """The part of a cluster that is needed (`analysis.cluster.spreading`)."""

    async def prepare(
        self, registry: Registry, kind: str, name: str, version: str, note: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Have every host fetch and load a version; returns the names of those that did not in time."""

    async def switch(self) -> None:
        """Have all hosts use it."""


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
    spread: SwitchesModels | None = None,
) -> Switched:
    """Make a name stand for a version; running workers on this host load it at the next reload.

    In a cluster every worker first loads the version, and then all switch to it in one step.

    Args:
        registry: the folder of models.
        audit: the audit log; None if no service has run yet. The registry's own notes record it all the same.
        kind: speech or text.
        name: the model's.
        version: the model's.
        why: the reason, for the registry's notes.
        at: Unix seconds.
        by: who does it.
        comparison: figures against the version in use, on held-out data.
        spread: reaches the other hosts; None: there is only this host.

    Raises:
        ModelError: there is no such version, or it is damaged.
        RefusedError: a host of the cluster can't load it; nothing was switched.
        PeerUnavailable: NATS is unreachable; nothing was switched.
    """
    note = {"at": at, "by": by.name, "why": why, "comparison": comparison}
    return await _switch(registry, audit, "model.promoted", kind, name, version, note, by, spread)


async def rollback(
    registry: Registry,
    audit: AuditLog | None,
    kind: str,
    name: str,
    at: float,
    by: Actor,
    spread: SwitchesModels | None = None,
) -> Switched:
    """Return to the version in use before the last promotion; in a cluster in the same way as `promote`.

    Raises:
        InputError: the version in use did not replace another one.
        ModelError: that version is damaged or gone.
        RefusedError, PeerUnavailable: as `promote`.
    """
    current, steps = registry.current(kind, name), registry.steps(kind, name)
    previous = next(
        (s["from"] for s in reversed(steps) if s["to"] == current and not s.get("rollback")), None
    )
    if previous is None:
        raise InputError(f"{name}/{current} was not promoted from another version; nothing to return to")
    note = {"at": at, "by": by.name, "why": "rollback", "rollback": True}
    return await _switch(registry, audit, "model.rolled_back", kind, name, previous, note, by, spread)


async def _switch(
    registry: Registry,
    audit: AuditLog | None,
    action: str,
    kind: str,
    name: str,
    version: str,
    note: Mapping[str, Any],
    by: Actor,
    spread: SwitchesModels | None,
) -> Switched:
    # Checksums take a while: compute them neither in the transaction nor on the event loop.
    await asyncio.to_thread(registry.find, kind, f"{name}/{version}")
    late = await spread.prepare(registry, kind, name, version, note) if spread else ()
    switched = Switched(kind, name, registry.current(kind, name), version, late)
    entry = Entry(by, action, f"{kind} {name}", {"version": switched.before}, {"version": version})
    if audit is None:
        registry.step(kind, name, version, note)
    else:
        await audit.around(entry, lambda: registry.step(kind, name, version, note))
    if spread:
        await _switch_all(spread, registry, audit, switched, note, by)
    return switched


async def _switch_all(
    spread: SwitchesModels,
    registry: Registry,
    audit: AuditLog | None,
    switched: Switched,
    note: Mapping[str, Any],
    by: Actor,
) -> None:
    """Have the cluster use it; if that fails, this host's folder is put back as it was."""
    try:
        await spread.switch()
    except EmocxError as error:
        kind, name = switched.kind, switched.name
        registry.step(
            kind, name, switched.before, {**note, "why": f"not switched: {error}", "rollback": True}
        )
        if audit is not None:
            facts = {"version": switched.before, "why": str(error)}
            await audit.add(by, "model.not_switched", f"{kind} {name}", {"version": switched.after}, facts)
        raise

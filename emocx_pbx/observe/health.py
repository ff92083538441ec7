"""The health board: which parts of the controller are up, since when, and if not, why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Component:
    """One part's state."""

    up: bool
    why: str
    """Reason for being down, or a remark; empty if there is nothing to say."""
    since: float
    """Unix seconds at which `up` last changed."""


class HealthBoard:
    """Named components with their states; each is set by the part that owns it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._components: dict[str, Component] = {}

    def set(self, name: str, up: bool, why: str = "") -> None:
        """Set a component's state; `since` moves only when `up` changes."""
        known = self._components.get(name)
        since = known.since if known is not None and known.up == up else self._now()
        self._components[name] = Component(up, why, since)

    def remove(self, name: str) -> None:
        """Remove a component."""
        self._components.pop(name, None)

    @property
    def ready(self) -> bool:
        """Whether there is at least one component and all are up."""
        return bool(self._components) and all(c.up for c in self._components.values())

    def components(self) -> Mapping[str, Component]:
        """All components, by name."""
        return dict(self._components)

    def words(self) -> str:
        """One line: ready, or what is not, and why."""
        down = [f"{name}: {c.why or 'down'}" for name, c in sorted(self._components.items()) if not c.up]
        return "; ".join(down) if down else "ready"

    def report(self) -> dict[str, Any]:
        """The board as JSON; see report_of."""
        return report_of(self._components)


def report_of(components: Mapping[str, Component]) -> dict[str, Any]:
    """For /readyz: `{"ready", "components": {name: {"up", "why", "since"}}}`, in order of name."""
    return {
        "ready": bool(components) and all(c.up for c in components.values()),
        "components": {
            name: {"up": c.up, "why": c.why, "since": round(c.since, 3)}
            for name, c in sorted(components.items())
        },
    }

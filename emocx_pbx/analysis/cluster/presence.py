"""Which workers on other hosts are alive, by their signs of life. Pure.

Silence counts only while our own echoes arrive through the same servers: without these, we know nothing about
others.
"""

from __future__ import annotations

from typing import Final

#: Seconds of silence after which a worker is lost.
LOST_S: Final = 2.0
#: Between two echoes of ourselves, at most: else we heard nothing meanwhile.
DEAF_S: Final = 1.0
#: So long (s) more others may be silent after that: they come back when they notice.
GRACE_S: Final = 1.0


class Presence:
    """Of all workers that were heard of."""

    def __init__(self) -> None:
        self._silent: dict[str, float] = {}
        """For how long, while we could hear."""
        self._echoed_at: float | None = None

    def beat(self, life: str) -> bool:
        """A sign of life; whether it is the first since it was lost or unknown."""
        known = life in self._silent
        self._silent[life] = 0.0
        return not known

    def echoed(self, at: float) -> list[str]:
        """We heard ourselves at `at` (monotonic seconds); who is lost since then."""
        before, self._echoed_at = self._echoed_at, at
        if before is None:
            return []
        if at - before > DEAF_S:
            for life in self._silent:
                self._silent[life] = -GRACE_S
            return []
        for life in self._silent:
            self._silent[life] += at - before
        lost = [life for life, silent_s in self._silent.items() if silent_s > LOST_S]
        for life in lost:
            del self._silent[life]
        return lost

    def forget(self, life: str) -> None:
        """It is gone."""
        self._silent.pop(life, None)

"""Limits that hold over all web nodes: each counts what the others allowed, as sent with their beats.

There are two beats per second, so a client that spreads requests over nodes may exceed the limit by what fits
into half a second; and while NATS is unreachable, the limit holds for each node separately. Guessed passwords
are counted not here but in the database (`store/login_tries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from emocx_pbx.limits import Limit
from emocx_pbx.web.nodes.messages import NodeBeat

#: Most keys sent with one beat; of more, those used most.
MOST: Final = 2_000


class SharedUses:
    """One per web node."""

    def __init__(self, life: str, now: Callable[[], float], limits: Mapping[str, Limit]) -> None:
        """Prepare.

        Args:
            life: of this node, whose own beats come back to it.
            now: the clock that the limits are counted by.
            limits: by the names that all nodes use for them.
        """
        self._life, self._now, self._limits = life, now, dict(limits)
        self._uses: dict[tuple[str, str], int] = {}
        for name, limit in self._limits.items():
            limit.on_use = partial(self._note, name)

    def _note(self, name: str, key: str, number: int) -> None:
        self._uses[name, key] = self._uses.get((name, key), 0) + number

    def taken(self) -> tuple[tuple[str, str, int], ...]:
        """What was used since the last time, to be sent."""
        uses, self._uses = self._uses, {}
        most = sorted(uses.items(), key=lambda use: use[1], reverse=True)[:MOST]
        return tuple((name, key, number) for (name, key), number in most if number)

    def hear(self, beat: NodeBeat) -> None:
        """Count what another node allowed."""
        if beat.life == self._life:
            return
        now = self._now()
        for name, key, number in beat.uses:
            if (limit := self._limits.get(name)) is not None:
                limit.use_elsewhere(key, now, number)

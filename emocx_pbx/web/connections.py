"""Which HTTP connections are accepted: with one limit in all, and one for each place of origin. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from emocx_pbx.limits import place_of
from emocx_pbx.web.identity.forwarded import Network, is_in


class Room:
    """Counts the open connections."""

    def __init__(self, most: int, from_one_place: int, trusted: Sequence[Network] = ()) -> None:
        """`trusted` are proxies in front, which speak for many."""
        self.most, self._from_one_place, self._trusted = most, from_one_place, tuple(trusted)
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Connections open now."""
        return self._open.total()

    def enter(self, address: str) -> str | None:
        """Admit a connection; returns the key to pass to `leave`, or None when there is no room."""
        place = place_of(address)
        if self.open >= self.most:
            return None
        if self._open[place] >= self._from_one_place and not is_in(address, self._trusted):
            return None
        self._open[place] += 1
        return place

    def leave(self, place: str) -> None:
        """A connection is gone."""
        self._open[place] -= 1
        if self._open[place] <= 0:
            del self._open[place]

"""Workers that a PBX did not reach when it was to send them audio.

Such a worker answers the controller and has no taps, so it would be chosen again and again: behind a
firewall, on a network that is half away, or with a wrong `analysis.host`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Seconds until a call's tap, which loses some seconds of evidence by it, tries such a worker again.
AGAIN_S: Final = 60.0
#: Workers that are remembered; the oldest are forgotten first.
MOST: Final = 1_000


class Unreached:
    """One per controller."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._failed: dict[tuple[str, str], float] = {}
        """When a tap last failed, by PBX and the worker's HOST:PORT."""

    def failed(self, pbx: str, address: str) -> None:
        """A worker that is well got no audio from this PBX."""
        self._failed.pop((pbx, address), None)
        while len(self._failed) >= MOST:
            del self._failed[next(iter(self._failed))]
        self._failed[pbx, address] = self._clock()

    def trying(self, pbx: str, address: str) -> None:
        """A tap goes to this worker; if it was not reached before, no other one tries it meanwhile."""
        if (pbx, address) in self._failed:
            self.failed(pbx, address)

    def reached(self, pbx: str, address: str) -> None:
        """It got some."""
        self._failed.pop((pbx, address), None)

    def by(self, pbx: str, address: str, *, certain: bool = False) -> bool:
        """Whether a PBX is thought not to reach a worker.

        `certain`: not to be tried again before it was reached: for callers who wait for it.
        """
        at = self._failed.get((pbx, address))
        return at is not None and (certain or self._clock() - at < AGAIN_S)

"""The state of one receiver: whether it is down, when to probe it, how fast to catch up afterwards. Pure.

Without this, every delivery would wait for the next attempt of its own schedule: an outage of eight seconds
would hold up a call's events for five minutes. A receiver that is down is probed with one of the waiting
deliveries; as soon as it accepts anything, all that wait are sent, slowly at first (like TCP slow start), so
that a receiver that has just come up does not go down again under the backlog.
"""

from __future__ import annotations

import math
from typing import Final

#: Seconds from one probe to the next while a receiver is down.
PROBES_S: Final = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)

#: Refusals in a row after which a receiver counts as down: a single one may be due to the event itself.
REFUSALS: Final = 2

#: Statuses that are about the receiver, never about one event.
_UNWELL: Final = frozenset({408, 429, 502, 503, 504})

#: Attempts per second when catching up begins; doubled every DOUBLES_S seconds.
RATE_PER_S: Final = 20.0
DOUBLES_S: Final = 5.0
#: The rate from which the only limit is that on simultaneous attempts.
UNLIMITED_PER_S: Final = 2000.0
#: Attempts that may start at once, in addition to the rate.
BURST: Final = 8.0


class ReceiverRecovery:
    """What is known about one receiver; all times are seconds of one clock, which may jump."""

    def __init__(self, now: float, *, down: bool = False) -> None:
        """Start; `down` if deliveries were already waiting for another attempt."""
        self._refusals = self._probes = 0
        self._failed_at = -math.inf
        self._probe_at: float | None = now + PROBES_S[0] if down else None
        self._back_at: float | None = None
        self._room, self._room_at = BURST, now

    @property
    def down(self) -> bool:
        """Whether it counts as down."""
        return self._probe_at is not None

    @property
    def probe_at(self) -> float | None:
        """When to try one of the waiting deliveries; None: it is up."""
        return self._probe_at

    def took(self, now: float, began: float) -> bool:
        """It accepted an attempt begun at `began`; True if it was down until now: what waits should be
        sent.
        """
        if began < self._failed_at <= now:
            return False  # sent while it was still well
        was_down, self._probe_at, self._refusals, self._probes = self.down, None, 0, 0
        if was_down:
            self._back_at, self._room, self._room_at = now, BURST, now
        return was_down

    def refused(self, now: float, status: int | None, *, early: bool = False) -> None:
        """An attempt failed; `status` is None if there was no answer.

        A refusal of one ahead of its schedule (`early`) says nothing new: it had been refused before.
        """
        unwell = status is None or status in _UNWELL
        self._failed_at = now
        self._refusals += not early
        if not self.down and (unwell or self._refusals >= REFUSALS):
            self._probe_at, self._back_at = now + PROBES_S[0], None

    def probing(self, now: float) -> None:
        """A probe begins; the next comes later than this one did."""
        self._probes += 1
        self._probe_at = now + PROBES_S[min(self._probes, len(PROBES_S) - 1)]

    def caught_up(self) -> None:
        """Nothing more is due: the limit ends."""
        self._back_at = None

    def room(self, now: float) -> float:
        """How many attempts may begin now; infinite when it is not catching up."""
        if self._back_at is None:
            return math.inf
        rate = self._rate(now)
        if rate >= UNLIMITED_PER_S:
            self._back_at = None
            return math.inf
        self._room = min(BURST, self._room + rate * max(0.0, now - self._room_at))
        self._room_at = now
        return math.floor(self._room)

    def began(self, number: int) -> None:
        """Note that this many attempts began, at most `room`."""
        self._room -= number

    def next_room_s(self, now: float) -> float:
        """Seconds until there is room for one more attempt; 0 if there is."""
        if self.room(now) >= 1:
            return 0.0
        return (1.0 - self._room) / self._rate(now)

    def _rate(self, now: float) -> float:
        """Attempts per second while catching up."""
        since = max(0.0, now - (now if self._back_at is None else self._back_at))
        return float(min(UNLIMITED_PER_S, RATE_PER_S * 2.0 ** min(60.0, since / DOUBLES_S)))

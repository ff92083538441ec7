"""Calls that we place ourselves, made known to tracker and journeys from the first moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from emocx_pbx.calls.happenings import CallbackBegun
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.pbx.tracking.changes import CallbackDialled, CallEnded
from emocx_pbx.pbx.tracking.tracker import CallTracker


class PlacedCalls:
    """Notified by the part that places a call."""

    def __init__(
        self, tracker: CallTracker, journeys: Journeys, now: Callable[[], float] = time.time
    ) -> None:
        self._tracker, self._journeys, self._now = tracker, journeys, now

    def begun(self, call_id: str, number: str) -> None:
        """The call exists from now on."""
        now = self._now()
        self._tracker.announce(call_id, "", number, now, callback=True)
        self._journeys.put(CallbackBegun(call_id, now, number))

    def failed(self, call_id: str, why: str) -> None:
        """The call was never set up."""
        self._journeys.put(CallbackDialled(call_id, "failed", why))
        self._tracker.forget(call_id)
        self._journeys.put(CallEnded(call_id, self._now(), "hangup", "system"))

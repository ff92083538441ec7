"""Where a call is read in between: where one of its alert rules may be met. Pure.

A reading is made every few seconds of speech; an alert that is due in the middle of them would wait for the
rest. So an early window is wanted as soon as there is speech enough for the alert, if what is said sounds
like the last reading. If its reading raises the alert, it counts; if not, it is as if it had not been made:
it mostly holds what was heard before, and the reading at the usual time knows better. (How much of a
reading's time was speech is estimated; where there was too little for the alert, another one follows.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.domain import Reading


@dataclass(frozen=True, slots=True)
class TakenReading:
    """What becomes of a reading."""

    counts: bool
    """Whether the reading is to be told of."""
    early_s: float | None
    """Seconds of speech after it at which an early window is wanted; None: none is."""


class AlertAhead:
    """One call's."""

    def __init__(self, rules: Sequence[AlertRule], interval_s: float) -> None:
        """Without rules nothing is read early; `interval_s` is the usual speech between two readings."""
        self._watch = CallWatch(rules)
        self._watched = bool(rules)
        self._interval_s = interval_s

    def take(self, reading: Reading, early: bool) -> TakenReading:
        """Take the next reading, of a usual or an early window."""
        if not self._watched:
            return TakenReading(not early, None)
        watch = self._watch.trial() if early else self._watch
        raised = any(change.state == "raised" for change in watch.read(reading))
        if raised:
            self._watch = watch
        return TakenReading(raised or not early, watch.raised_in(self._interval_s))

    def revise(self, reading: Reading) -> None:
        """Words were added to an earlier reading."""
        if self._watched:
            self._watch.revise(reading)

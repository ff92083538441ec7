"""Where a call is read in between: where one of its alert rules may be met. Pure.

A reading is made every few seconds of speech; an alert that is due in the middle of them would wait for the
rest. So an early window is wanted as soon as there is speech enough for the alert, if what is said sounds
like the last reading. If its reading raises the alert, it counts; if not, it is as if it had not been made:
it mostly holds what was heard before, and the reading at the usual time knows better.
"""

from __future__ import annotations

from collections.abc import Sequence

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.domain import Reading


class AlertAhead:
    """One call's."""

    def __init__(self, rules: Sequence[AlertRule], interval_s: float) -> None:
        """Without rules nothing is read sooner; `interval_s` is the usual speech between two readings."""
        self._watch = CallWatch(rules) if rules else None
        self._interval_s = interval_s

    def read(self, reading: Reading) -> float | None:
        """Take a new reading; seconds of speech after it at which an early one is wanted, None: it is not."""
        if self._watch is None:
            return None
        self._watch.read(reading)
        return self._watch.raised_in(self._interval_s)

    def confirms(self, early: Reading) -> bool:
        """Whether an early reading raises an alert, and is to be taken."""
        return self._watch is not None and self._watch.raises(early)

    def revise(self, reading: Reading) -> None:
        """Words were added to an earlier reading."""
        if self._watch is not None:
            self._watch.revise(reading)

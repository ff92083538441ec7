"""Checks one call's readings against the rules: raises an alert once per episode, and clears it.

Times are call times (seconds since the first tapped sample) and come with the readings; there is no
clock. Within a reading its values hold evenly, so the moment at which a threshold is crossed is computed
inside it, and cutting a reading in two changes nothing. A pause is no evidence: what counts is what the
customer says, not how long they are silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final, Literal

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.window import Piece, SpeechWindow, WindowStep
from emocx_pbx.domain import Reading
from emocx_pbx.grading.segments import fresh_readings

#: Tolerance below a threshold: sums of fractions are not exact.
SLACK: Final = 1e-6

#: Number of latest readings to which words may still be added.
REVISED: Final = 24

_SIGNALS: Final = {
    "angry": "anger",
    "disappointed": "disappointment",
    "happy": "contentment",
    "upset": "anger or disappointment",
}


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert was raised, or its episode is over."""

    rule: str
    state: Literal["raised", "cleared"]
    t0: float
    """Start of the episode: of the oldest speech that raised it."""
    t1: float
    """When the rule's threshold was crossed."""
    raised_t1: float
    """The raising change's t1, which tells the episode from the rule's others."""
    value: float
    """Seconds of speech with the signals, or points fallen, at t1."""
    reason: str
    """"" for a raised one, else recovered, transferred or ended."""
    message: str
    """Plain sentence for a supervisor."""


#: The level of a rule's percentile on a call's line, by a model (`name/version`); None: not known.
Level = Callable[[AlertRule, str], float | None]


class RuleWatch:
    """One rule on one call."""

    def __init__(self, rule: AlertRule) -> None:
        self._rule = rule
        self._window = SpeechWindow(rule.window_s)
        self._base: SpeechWindow | None = None
        """falling: what the window is compared with."""
        self._recent = SpeechWindow(rule.window_s)
        """falling: the latest speech, which a transfer makes the base."""
        if rule.when == "falling" and rule.since == "start":
            self._base = SpeechWindow(rule.window_s)
        self._raised: AlertChange | None = None
        self._ready_t = float("-inf")
        """No alert before that."""

    def read(self, piece: Piece) -> list[AlertChange]:
        """Take the next stretch of speech."""
        if self._rule.when != "falling":
            return self._crossings(self._window.push(piece))
        changes: list[AlertChange] = []
        for step in self._recent.push(piece):
            base, part = self._base, step.piece
            if base is None:
                continue
            if not base.full:
                room = self._rule.window_s - base.total_s
                if part.speech_s <= room:
                    list(base.push(part))
                    continue
                first, part = part.split(room)
                list(base.push(first))
            changes += self._crossings(self._window.push(part))
        return changes

    def trial(self) -> RuleWatch:
        """One that stands where this one does, and changes by itself."""
        other = copy(self)
        other._window, other._recent = self._window.copy(), self._recent.copy()
        other._base = self._base.copy() if self._base else None
        return other

    def raised_by(self, piece: Piece) -> float | None:
        """Call time at which it would be raised if this were said next; None: it would not be."""
        if self._raised is not None:
            return None
        return next((change.t1 for change in self.trial().read(piece) if change.state == "raised"), None)

    def revise(self, t0: float, t1: float, value: float) -> list[AlertChange]:
        """Words were added to a stretch of speech: another value holds there, retroactively."""
        before = self._window.sum
        for window in (self._window, self._base, self._recent):
            if window is not None:
                window.revise(t0, t1, value)
        newest = self._window.newest
        if newest is None or (self._rule.when == "falling" and (not self._window.full or self._base is None)):
            return []
        return self._jumped(newest, before)

    def _jumped(self, newest: Piece, before: float) -> list[AlertChange]:
        at, after = newest.t1, self._window.sum
        step = WindowStep(newest, before, after, None)
        begin, end = self._measure(before), self._measure(after)
        changes = []
        while (change := self._crossing(begin, end, at, at, step)) is not None:
            changes.append(change)
            begin = end
        return changes

    def transferred(self, t: float) -> list[AlertChange]:
        """Another agent took over the call."""
        if self._rule.since != "transfer":
            return []
        self._base = self._recent.copy()
        self._window.clear()
        return self.end(t, "transferred")

    def end(self, t: float, reason: str) -> list[AlertChange]:
        """Clear what is raised."""
        return [self._clear(t, self._raised.value, reason)] if self._raised else []

    def _crossings(self, steps: Iterator[WindowStep]) -> list[AlertChange]:
        changes = []
        for step in steps:
            t, t_end = step.piece.t0, step.piece.t1
            begin, end = self._measure(step.before), self._measure(step.after)
            if self._rule.when == "falling" and step.dropped is None:
                if not self._window.full:
                    continue  # a mean of less than for_s says too little
                t, begin = t_end, end
            while (change := self._crossing(begin, end, t, t_end, step)) is not None:
                changes.append(change)
                t, begin = change.t1, change.value
        return changes

    def _measure(self, total: float) -> float:
        if self._rule.when != "falling" or self._base is None:
            return total
        return self._base.mean - total / self._rule.window_s

    def _crossing(
        self, begin: float, end: float, t0: float, t1: float, step: WindowStep
    ) -> AlertChange | None:
        """The first crossing of the threshold in force while the measure goes from begin to end."""
        if self._raised is not None:
            back = _reaches(-begin, -end, -self._rule.low)
            if back is None:
                return None
            return self._clear(t0 + (t1 - t0) * back, begin + (end - begin) * back, "recovered")
        at = _reaches(begin, end, self._rule.high)
        if at is None or self._ready_t > t1:
            return None
        if t1 > t0:
            # After a cooldown the measure may be over the threshold already.
            at = max(at, (self._ready_t - t0) / (t1 - t0))
        value = begin + (end - begin) * at
        return self._raise(t0 + (t1 - t0) * at, value, step) if value >= self._rule.high - SLACK else None

    def _raise(self, t: float, value: float, step: WindowStep) -> AlertChange:
        rule, piece, gone = self._rule, step.piece, step.dropped
        self._ready_t = t + rule.cooldown_s
        if rule.when == "falling":
            least = float("-inf")
            since = "the transfer" if rule.since == "transfer" else "the call's begin"
            message = f"The valence of signals in the customer's speech fell by {value:.2f} since {since}."
        else:
            least = 1.0
            message = (
                f"Signals of {_SIGNALS[rule.when]} in {value:.0f} of the last {rule.window_s:.0f} seconds"
                " of the customer's speech."
            )
        if gone is not None and gone.value >= least:
            # At the crossing this much of it was gone.
            begin = gone.t0 + (gone.t1 - gone.t0) * (t - piece.t0) / (piece.t1 - piece.t0)
        else:
            begin = self._window.begin_of(least)
        self._raised = AlertChange(rule.name, "raised", begin, t, t, value, "", message)
        return self._raised

    def _clear(self, t: float, value: float, reason: str) -> AlertChange:
        raised = self._raised
        assert raised is not None
        self._raised = None
        what = {
            "recovered": "The signals in the customer's speech have changed back",
            "transferred": "Somebody else took over the call",
            "ended": "The call is over",
        }[reason]
        t = max(t, raised.t1)
        message = f"{what}: the alert is over."
        return AlertChange(raised.rule, "cleared", raised.t0, t, raised.t1, value, reason, message)


def _reaches(begin: float, end: float, threshold: float) -> float | None:
    """Where on the way from begin to end (0 to 1) a rising measure meets a threshold; None: it does not."""
    if begin >= threshold - SLACK:
        return 0.0
    if end < threshold - SLACK:
        return None
    return min(1.0, (threshold - begin) / (end - begin))


class CallWatch:
    """All rules on one call."""

    def __init__(self, rules: Sequence[AlertRule], level: Level = lambda rule, model: None) -> None:
        """`level` is asked once for each rule with a percentile, at the call's first reading."""
        self._level = level
        self._levels: dict[str, float | None] = {}
        self._watches = [(rule, RuleWatch(rule)) for rule in rules]
        self._last: Reading | None = None
        self._fresh: deque[tuple[float, float, float]] = deque(maxlen=REVISED)
        """Times of the latest readings, and from when on each was new."""
        self._transfers: list[float] = []
        """Not yet reached by readings, which come later than the speech they are about."""
        self.open: dict[str, AlertChange] = {}
        """Raised alerts by their rule."""

    def read(self, reading: Reading) -> list[AlertChange]:
        """Take the call's next reading; returns what it raised or cleared, in order of time."""
        # Windows overlap; every second of speech counts once.
        known = (self._last,) if self._last else ()
        fresh = fresh_readings((*known, reading))[len(known) :]
        if not fresh:
            return []
        self._last = reading
        new = fresh[0]
        self._fresh.append((reading.t0, reading.t1, new.t0))
        changes: list[AlertChange] = []
        transfers = [t for t in self._transfers if t < new.t1]
        self._transfers = [t for t in self._transfers if t >= new.t1]
        for rule, watch in self._watches:
            if rule.percentile is not None and rule.name not in self._levels:
                self._levels[rule.name] = self._level(rule, reading.model)
            value = rule.evidence(new.scores, self._levels.get(rule.name))
            rest = Piece(value or 0.0, new.speech_s, new.t0, new.t1)
            for t in transfers:
                if t > rest.t0:
                    before, rest = rest.split_at(t)
                    changes += watch.read(before) if value is not None else []
                changes += watch.transferred(t)
            changes += watch.read(rest) if value is not None else []
        return self._kept(sorted(changes, key=lambda change: change.t1))

    def revise(self, reading: Reading) -> list[AlertChange]:
        """Words were added to an earlier reading; returns what that raised or cleared."""
        begins = [new_t0 for t0, t1, new_t0 in self._fresh if (t0, t1) == (reading.t0, reading.t1)]
        changes: list[AlertChange] = []
        for rule, watch in self._watches if begins else ():
            value = rule.evidence(reading.scores, self._levels.get(rule.name))
            if value is not None:
                changes += watch.revise(begins[0], reading.t1, value)
        return self._kept(sorted(changes, key=lambda change: change.t1))

    def trial(self) -> CallWatch:
        """One that stands where this one does, and changes by itself."""
        other = copy(self)
        other._watches = [(rule, watch.trial()) for rule, watch in self._watches]
        other._fresh, other.open, other._levels = self._fresh.copy(), self.open.copy(), self._levels.copy()
        return other

    def raised_in(self, within_s: float) -> float | None:
        """Seconds of speech until an alert is raised, if what is said sounds like the last reading.

        None: not within this many.
        """
        last = self._last
        if last is None:
            return None
        at = []
        for rule, watch in self._watches:
            value = rule.evidence(last.scores, self._levels.get(rule.name))
            # Speech without the signals raises nothing, whatever was said before.
            if value is not None and (value > 0 or rule.when == "falling"):
                at.append(watch.raised_by(Piece(value, within_s, last.t1, last.t1 + within_s)))
        return min((t - last.t1 for t in at if t is not None), default=None)

    def transferred(self, t: float) -> None:
        """Another agent took over the call at call time `t`."""
        self._transfers = sorted([*self._transfers, t])

    def end(self, t: float) -> list[AlertChange]:
        """The call is over: clear what is raised."""
        return self._kept([change for _, watch in self._watches for change in watch.end(t, "ended")])

    def _kept(self, changes: list[AlertChange]) -> list[AlertChange]:
        for change in changes:
            if change.state == "raised":
                self.open[change.rule] = change
            else:
                self.open.pop(change.rule, None)
        return changes

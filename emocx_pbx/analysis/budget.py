"""How much of callers' speech each model reads, so that a worker is never late.

The accurate model costs twenty times as much as the light one. While there is time it reads everything. When
a worker's load exceeds its target, it reads less, and first leaves out what would add least: windows where
the light model agrees with its last answer, and it was confident. When even the light model is too much for
all, every call is read at longer intervals; and when that does not suffice, new calls are followed by voice
activity only. A reading that would be late is not made: a coarse one in time is worth more. With more calls
than a core can take in at all, voice activity is detected by level alone. Pure.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from emocx_pbx.domain import Scores

#: Target load of the worker's core, in CPU seconds per second.
TARGET: Final = 0.85
#: A window that has waited for this long (s) is the light model's; one of LATEST_S is nobody's.
ACCURATE_S: Final = 0.25
LATEST_S: Final = 0.7
#: The accurate model hears a call's first windows, and again when it was not so sure (confidence), or has
#: not been asked for so many windows.
FIRST: Final = 2
SURE: Final = 0.5
EVERY: Final = 16
#: Of the windows where both models agree it hears first those of which the light one is not so sure.
LIGHT_SURE: Final = 0.7
#: At the least a call is read at every fourth of its windows.
LEAST_READ_SHARE: Final = 0.25
#: Steps of steering at the least, and still too much load, until new calls are not read at all.
PATIENCE: Final = 5

#: Steps in a row with time for everything, until words are heard again.
WORDS_PATIENCE: Final = 5

#: How fast effort follows what the load leaves, a step: up, and down.
_UP: Final = 0.5
_DOWN: Final = 1.5
#: A second of more load than this over the target tells no more than that.
_MOST_SLACK: Final = -0.2
#: But a second of waiting for longer than ACCURATE_S counts as so much load.
_WAITING: Final = 0.5
#: Turns of the accurate model saved up at most, and borrowed at most.
_SAVED: Final = 8.0
_BORROWED: Final = -4.0
#: Turns that are kept for windows that need it; with this many no window is left out that may be heard.
_KEPT: Final = 4.0
_PLENTY: Final = 7.0
#: A worker that looks at a tap less often than so (s), so many times, though it reads less than all, has too
#: little time for voice activity itself: Asterisk gives up a tap that says nothing for 2 s. It is told by
#: level alone until there are so many fewer calls, or so much time again (effort).
BEHIND_S: Final = 0.45
BEHIND: Final = 2
FEWER: Final = 0.85
TIME_AGAIN: Final = 1.5


class Choice(Enum):
    """Which model reads a window."""

    ACCURATE = "accurate"
    LIGHT_FIRST = "light first"
    """The accurate one after it, if the light one's answer asks for that."""
    LIGHT = "light"
    SKIPPED = "skipped"
    """None: readings are made at longer intervals."""
    LATE = "late"
    """None: it waited for too long."""


class Budget:
    """One worker's budget. Steered once a second; asked by each call's `Cascade`."""

    def __init__(self, cascade: bool) -> None:
        """`cascade`: whether there is a light model beside the accurate one."""
        self.cascade = cascade
        self.effort = 2.0
        """2: the accurate model reads all windows; 1: the light one does; LEAST_READ_SHARE: the light one
        reads every fourth."""
        self.voice_only = False
        """Whether new calls are followed by voice activity alone."""
        self._saved = _KEPT
        self._at_least = 0
        self._foreseen = 0
        """Steps of steering for which what was foreseen of new calls holds."""

    @property
    def accurate_share(self) -> float:
        """Share of windows that the accurate model may read, 0 to 1."""
        return min(1.0, max(0.0, self.effort - 1)) if self.cascade else 1.0

    @property
    def read_share(self) -> float:
        """Share of windows that are read at all, LEAST_READ_SHARE to 1."""
        return min(1.0, max(LEAST_READ_SHARE, self.effort if self.cascade else self.effort / 2))

    def expect(self, most: float) -> None:
        """Many calls begin, which leave time for only this much effort: set it now, not step by step.

        If that is below the minimum, calls that begin now are followed by voice activity alone.
        """
        least = LEAST_READ_SHARE if self.cascade else 2 * LEAST_READ_SHARE
        self.effort = min(self.effort, max(least, most))
        if most < least:
            self.voice_only, self._foreseen = True, PATIENCE

    def steer(self, load: float, late_s: float) -> None:
        """Take the last second's load (CPU seconds), and how long a window waited at most (s)."""
        slack = TARGET - load
        slack = max(slack, _MOST_SLACK)
        if late_s >= ACCURATE_S:
            # Others may use our core: what counts is what it does, not what it could do.
            slack = min(slack, -0.1 - _WAITING * min(1.0, late_s - ACCURATE_S))
        least = LEAST_READ_SHARE if self.cascade else 2 * LEAST_READ_SHARE
        self.effort = min(2.0, max(least, self.effort + slack * (_UP if slack > 0 else _DOWN)))
        self._at_least = self._at_least + 1 if self.effort == least and slack < 0 else 0
        self._foreseen = max(0, self._foreseen - 1)
        if self._at_least >= PATIENCE:
            self.voice_only = True
        elif self.effort >= 2 * least and not self._foreseen:
            self.voice_only = False

    def earn(self) -> None:
        """One more window may be read."""
        self._saved = min(_SAVED, self._saved + self.accurate_share)

    @property
    def plenty(self) -> bool:
        """Whether the most turns allowed are saved up."""
        return self._saved >= _PLENTY

    def spend(self, needed: bool) -> bool:
        """Whether the accurate model may read this window; if so, this uses up a turn."""
        if self._saved - 1 < (_BORROWED if needed else _KEPT - 1):
            return False
        self._saved -= 1
        return True


class Coarse:
    """Whether voice activity is detected by level alone; checked once a second."""

    def __init__(self) -> None:
        self._from = 0
        """Number of calls when this began; 0: it is not the case."""
        self._behind = 0
        """Checks in a row that found us behind."""
        self._reported = False

    def __bool__(self) -> bool:
        return self._from > 0

    def expect(self, calls: int) -> None:
        """There are this many calls, more than a core can otherwise take in: switch now, not when late."""
        self._from = max(self._from, calls)

    def look(self, calls: int, cycle_s: float, budget: Budget) -> bool:
        """Take the number of calls, and how long ago a tap was served (s).

        Returns:
            Whether anything changed since the last check.
        """
        self._behind = self._behind + 1 if cycle_s > BEHIND_S and budget.read_share < 1 else 0
        if self._behind >= BEHIND:
            self._from = max(self._from, calls)
        elif calls < FEWER * self._from or budget.effort >= TIME_AGAIN:
            self._from = 0
        before, self._reported = self._reported, bool(self)
        return before != self._reported


class WordsGate:
    """Whether there is time for speech-to-text, which is the first to be left out, and the last to come
    back.
    """

    def __init__(self) -> None:
        self._rich = 0

    def steer(self, effort: float) -> bool:
        """Take the budget's effort, once a second; returns whether speech-to-text may run until the next
        time.
        """
        self._rich = self._rich + 1 if effort >= 2.0 else 0
        return self._rich > WORDS_PATIENCE


class Cascade:
    """One call's windows, in order."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._asked = 0
        """Number of windows that the accurate model read."""
        self._since = 0
        """Number of windows since."""
        self._last: Scores | None = None
        """Its last answer."""
        self._turn = 1.0

    def choose(self, late_s: float) -> Choice:
        """Which model reads the next window, which has waited for this long (s)."""
        budget = self._budget
        self._turn += budget.read_share
        if self._turn < 1:
            return Choice.SKIPPED
        self._turn = min(1.0, self._turn - 1)
        if late_s >= LATEST_S:
            return Choice.LATE
        if not budget.cascade:
            return Choice.ACCURATE
        budget.earn()
        self._since += 1
        if late_s >= ACCURATE_S:
            return Choice.LIGHT
        last = self._last
        due = self._asked < FIRST or self._since >= EVERY or (last is not None and last.confidence < SURE)
        if (due or budget.accurate_share >= 1) and budget.spend(needed=due):
            return Choice.ACCURATE
        return Choice.LIGHT if due else Choice.LIGHT_FIRST

    def asks(self, light: Scores) -> bool:
        """Whether the accurate model must read a window as well, after this answer of the light one."""
        if self._last is None:
            return False
        if light.best is not self._last.best:
            return self._budget.spend(needed=True)
        return (light.confidence < LIGHT_SURE or self._budget.plenty) and self._budget.spend(needed=False)

    def answered(self, accurate: Scores | None) -> None:
        """The accurate model read a window; None: it found no speech in it."""
        self._asked += 1
        self._since = 0
        self._last = accurate or self._last

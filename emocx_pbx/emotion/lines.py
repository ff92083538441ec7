"""Estimates of lines' zeros over days: of one trunk, of a site, of all calls. Pure.

A day is learnt as a whole and counts for PER_DAY callers at most, so that one bad day, on which a site's
callers are angrier than expected, moves the estimate little and is not taken for the line's sound. Days
fade: after HALF_LIFE_DAYS one counts half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from emocx_pbx.domain import LineZero
from emocx_pbx.emotion.levels import NO_COUNTS, level_at
from emocx_pbx.emotion.places import added_places, bounded, callers_of, mean_of
from emocx_pbx.emotion.zero import LEAST_CALLERS, NO_SUMS, added, callers_in, offsets_of

DAY_S: Final = 86_400.0
HALF_LIFE_DAYS: Final = 30.0
#: Callers that one day counts for at most.
PER_DAY: Final = 40.0
#: Days over which callers must be spread before anything is used: one day's mood is no zero.
LEAST_DAYS: Final = 3
#: The line of all calls.
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class LineCaller:
    """What one caller's call adds to the estimates."""

    sums: tuple[float, ...]
    """Of the plain answers (`emotion.zero`)."""
    counts: tuple[float, ...]
    """Of the plain answers by P(angry) and P(upset) (`emotion.levels`)."""
    place: tuple[float, ...] = ()
    """Mean of the measurements (`emotion.places`); empty: the model keeps none, or it is not known."""


@dataclass(frozen=True, slots=True)
class LineEstimate:
    """What was learnt of a line; days are whole days since 1970 (UTC)."""

    day: int = 0
    """Of `today`."""
    today: tuple[float, ...] = NO_SUMS
    past: tuple[float, ...] = NO_SUMS
    """Of the days before, faded to `day`."""
    today_counts: tuple[float, ...] = NO_COUNTS
    past_counts: tuple[float, ...] = NO_COUNTS
    today_places: tuple[float, ...] = ()
    """Sums of the callers' places (`emotion.places`)."""
    past_places: tuple[float, ...] = ()
    callers: int = 0
    """Ever learnt from."""
    days: int = 0
    """On which there were any."""

    def with_caller(self, caller: LineCaller, at: float) -> LineEstimate:
        """With one more caller, whose call ended at `at` (Unix seconds)."""
        now = self.on(int(at // DAY_S))
        return replace(
            now,
            today=added(now.today, caller.sums),
            today_counts=added(now.today_counts, caller.counts),
            today_places=added_places(now.today_places, bounded(caller.place)),
            callers=now.callers + 1,
            days=now.days + (callers_in(now.today) == 0),
        )

    def on(self, day: int) -> LineEstimate:
        """The same on a later day: what was today is past, and faded."""
        if day <= self.day:
            return self
        fade = 0.5 ** ((day - self.day) / HALF_LIFE_DAYS)
        past, counts = self.whole(), self._whole_counts()
        return replace(
            self,
            day=day,
            today=NO_SUMS,
            past=added(NO_SUMS, past, fade),
            today_counts=NO_COUNTS,
            past_counts=added(NO_COUNTS, counts, fade),
            today_places=(),
            past_places=added_places((), self._whole_places(), fade),
        )

    def whole(self) -> tuple[float, ...]:
        """Sums of all days, with no more of today than a day counts for."""
        return added(self.past, self.today, self._share())

    def _whole_counts(self) -> tuple[float, ...]:
        return added(self.past_counts, self.today_counts, self._share())

    def _whole_places(self) -> tuple[float, ...]:
        return added_places(self.past_places, self.today_places, self._share())

    def _share(self) -> float:
        return min(1.0, PER_DAY / max(1.0, callers_in(self.today)))

    @property
    def weight(self) -> float:
        """Callers that it counts for, days limited and faded."""
        return callers_in(self.whole())

    @property
    def usable(self) -> bool:
        """Whether there is evidence enough to use it."""
        return self.weight >= LEAST_CALLERS and self.days >= LEAST_DAYS

    @property
    def centred_callers(self) -> float:
        """Callers that the centre counts for, days limited and faded."""
        return callers_of(self._whole_places())

    @property
    def centre(self) -> tuple[float, ...]:
        """Mean (d,) of the callers' places; empty where there are too few."""
        places = self._whole_places()
        return mean_of(places) if self.usable and callers_of(places) >= LEAST_CALLERS else ()

    def offsets(self, neutral_share: float) -> tuple[float, ...]:
        """Offsets (4,) by which plain answers are corrected."""
        return offsets_of(self.whole(), neutral_share)

    def level(self, signal: str, percentile: float) -> float | None:
        """P(angry) or P(upset) that `percentile` of the readings there stay under; None: too few callers."""
        return level_at(self._whole_counts(), signal, percentile) if self.usable else None


@dataclass(frozen=True, slots=True)
class Sites:
    """Which site a trunk belongs to, as the settings say: `name=pattern` each."""

    patterns: Sequence[tuple[str, str]] = ()

    @classmethod
    def of(cls, written: Sequence[str]) -> Sites:
        """From `berlin=PJSIP/berlin-*` and the like, the first that fits counts."""
        parts = [one.partition("=") for one in written]
        return cls(tuple((name.strip(), pattern.strip()) for name, _, pattern in parts))

    def lines(self, trunk: str | None) -> tuple[str, ...]:
        """The lines of a trunk (`PJSIP/carrier-a`; None: unknown), the narrowest first."""
        if trunk is None:
            return (ALL,)
        site = next((name for name, pattern in self.patterns if fnmatchcase(trunk, pattern)), None)
        return (f"trunk {trunk}", *([f"site {site}"] if site else []), ALL)


@dataclass(slots=True)
class LineBook:
    """The estimates of one model, by line, as the store has them."""

    estimates: Mapping[str, LineEstimate] = field(default_factory=dict)
    _zeros: dict[tuple[str, float], LineZero] = field(default_factory=dict)

    def best(self, lines: Sequence[str]) -> tuple[str, LineEstimate] | None:
        """The narrowest line with enough evidence."""
        for line in lines:
            estimate = self.estimates.get(line)
            if estimate is not None and estimate.usable:
                return line, estimate
        return None

    def zero(self, lines: Sequence[str], model: str, neutral_share: float) -> LineZero | None:
        """The zero of the narrowest line with enough evidence."""
        found = self.best(lines)
        if found is None:
            return None
        line, estimate = found
        if (line, neutral_share) not in self._zeros:
            callers, offsets = math.floor(estimate.weight), estimate.offsets(neutral_share)
            self._zeros[line, neutral_share] = LineZero(
                line, model, callers, offsets, estimate.centre, neutral_share
            )
        return self._zeros[line, neutral_share]

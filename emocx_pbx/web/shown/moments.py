"""Traces a grade's contributions to the readings and the stretches of the call behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emocx_pbx.domain import Contribution, Segment
from emocx_pbx.grading.segments import cut_readings, window_of
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.web.filters import duration
from emocx_pbx.web.shown.scale import Scale
from emocx_pbx.web.shown.words import word
from emocx_pbx.web.strings import t

#: Seconds between stretches below which they are shown as one.
JOIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the call, in seconds since it began."""

    t0: float
    t1: float
    x: float
    width: float

    @property
    def words(self) -> str:
        """From when to when."""
        return t("words.range.words", low=duration(self.t0), high=duration(self.t1))


@dataclass(frozen=True, slots=True)
class GradeLine:
    """One line of a grade's sum, with its moments."""

    key: str
    """Unique on the page: segment and name."""
    name: str
    points: float
    detail: str
    stretches: tuple[Stretch, ...]
    readings: tuple[int, ...]
    """Indices among the call's readings by time."""
    x: float
    width: float
    """Ends of its bar in per cent, on a scale that all lines of the grade share."""


def segment_readings_of(detail: CallDetail, segment: Segment) -> list[tuple[int, float, float]]:
    """The readings that a part's contributions number, as (index in the call, t0, t1) in tap time."""
    if detail.call.tapped_at is None:
        return []
    t0, t1 = window_of(segment, detail.call.tapped_at, detail.call.ended_at)
    ordered = sorted(detail.readings, key=lambda r: (r.t0, r.t1))
    # A part cut from a reading keeps the reading's exact scores.
    place = {id(r.scores): i for i, r in enumerate(ordered)}
    cuts = cut_readings(ordered, t0, t1, detail.spans)
    return [(place[id(cut.scores)], cut.t0, cut.t1) for cut in cuts]


def lines_of(
    contributions: Sequence[Contribution],
    segment: int,
    readings: Sequence[tuple[int, float, float]],
    offset: float,
    scale: Scale,
) -> tuple[GradeLine, ...]:
    """A grade's contributions with their moments."""
    reach = max((abs(c.points) for c in contributions if c.name != "base"), default=1.0) or 1.0
    found = []
    for number, c in enumerate(contributions):
        chosen = [readings[i] for i in c.readings if 0 <= i < len(readings)]
        half = 50 * min(1.0, abs(c.points) / reach) if c.name != "base" else 0.0
        found.append(
            GradeLine(
                f"{segment}-{number}",
                word("contribution", c.name),
                c.points,
                c.detail,
                _stretches([(t0 + offset, t1 + offset) for _, t0, t1 in chosen], scale),
                tuple(index for index, _, _ in chosen),
                round(50.0 if c.points >= 0 else 50 - half, 2),
                round(half, 2),
            )
        )
    return tuple(found)


def _stretches(windows: Sequence[tuple[float, float]], scale: Scale) -> tuple[Stretch, ...]:
    joined: list[tuple[float, float]] = []
    for a, b in sorted(windows):
        if joined and a - joined[-1][1] <= JOIN_S:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    return tuple(Stretch(a, b, scale.at(a), scale.width(a, b)) for a, b in joined)

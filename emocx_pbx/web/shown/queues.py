"""The page of queues: a day's calls in and out, how customers arrived and left, waits, and who gave up."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from emocx_pbx.store.list_rows import OVERFLOWED, QueueStays
from emocx_pbx.web.shown.scale import Scale

K = TypeVar("K")

#: How customers arrive and leave, worst first; `none`: there is no reading.
STATES: Final = ("angry", "disappointed", "uncertain", "neutral", "happy", "none")


@dataclass(frozen=True, slots=True)
class EmotionShare:
    """One emotion's share of a bar."""

    emotion: str
    number: int
    x: float
    width: float


Key = tuple[str, str]
"""PBX and queue."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue's day."""

    pbx: str
    """Name of its PBX; "": without."""
    queue: str
    waiting: int
    """Now."""
    longest_now_s: float | None
    available: int | None
    """Agents free now; None while unknown."""
    calls: int
    answered: int
    abandoned: int
    abandoned_share: float | None
    overflowed: int
    """Went on elsewhere unanswered."""
    in_time_share: float | None
    """Service level: calls answered in time, of all that left the queue or wait longer."""
    wait_median_s: float | None
    wait_p90_s: float | None
    arrived: tuple[EmotionShare, ...]
    left: tuple[EmotionShare, ...]
    better: int
    """Calls whose customer left with better signals than on arrival, of those for which both are known."""
    worse: int
    compared: int
    by_hour: tuple[tuple[int, float, int], ...]
    """Hour since the day's begin, height in per cent of the busiest hour, calls."""


@dataclass(frozen=True, slots=True)
class QueuesView:
    """All queues, the busiest first, and the sum of them."""

    rows: tuple[QueueRow, ...]
    total: QueueRow | None


_ORDER: Final[Mapping[str, float]] = {"angry": -1.0, "disappointed": -0.7, "neutral": 0.0, "happy": 1.0}


def hours_of(begin: float, end: float) -> int:
    """How many hours a day has: 23 or 25 where clocks are changed."""
    return max(1, round((end - begin) / 3600))


def queues_view(
    stays: Sequence[QueueStays],
    states: Mapping[Key, tuple[int, float, int]] | None = None,
    within_s: float = 20.0,
) -> QueuesView:
    """A day as a page.

    Args:
        stays: those that began on the day, by its hours.
        states: waiting, longest wait and free agents by PBX and queue, as the PBX says; None: not known.
        within_s: what counts as answered in time, seconds in the queue.
    """
    of: dict[Key, list[QueueStays]] = {key: [] for key in states or {}}
    for some in stays:
        of.setdefault((some.pbx, some.queue), []).append(some)
    waits = {key: sorted([wait for some in own for wait in some.waits]) for key, own in of.items()}
    rows = [_row(key, of[key], waits[key], states, within_s) for key in sorted(of)]
    rows.sort(key=lambda r: (-r.calls, r.queue, r.pbx))
    if not stays:
        return QueuesView(tuple(rows), None)
    # What is sorted in parts already is quickly sorted as a whole.
    every = sorted([wait for own in waits.values() for wait in own])
    return QueuesView(tuple(rows), _row(("", ""), stays, every, _summed(states), within_s))


def _summed(
    states: Mapping[Key, tuple[int, float, int]] | None,
) -> Mapping[Key, tuple[int, float, int]] | None:
    if states is None:
        return None
    waiting = sum(w for w, _, _ in states.values())
    longest = max((wait for _, wait, _ in states.values()), default=0.0)
    # A member of two queues is one person: free ones can't be added up.
    return {("", ""): (waiting, longest, -1)}


def _row(
    key: Key,
    stays: Sequence[QueueStays],
    waits: Sequence[float],
    states: Mapping[Key, tuple[int, float, int]] | None,
    within_s: float,
) -> QueueRow:
    """From a queue's stays, and their waits in ascending order."""
    # Most stays differ only in the hour; what is counted without it is counted from their sums.
    kinds = counted(((some.left, some.arrived_as, some.left_as, some.ended), some.number) for some in stays)
    left = counted((why, number) for (why, _, _, _), number in kinds.items())
    calls, gone = left.total(), left["abandoned"]
    over = calls - left[None]
    both = counted(
        ((arrived, after), number)
        for (_, arrived, after, _), number in kinds.items()
        if arrived in _ORDER and after in _ORDER
    )
    waiting, longest, free = (states or {}).get(key, (0, 0.0, -1))
    return QueueRow(
        pbx=key[0],
        queue=key[1],
        waiting=waiting,
        longest_now_s=longest if waiting else None,
        available=free if free >= 0 else None,
        calls=calls,
        answered=left["answered"],
        abandoned=gone,
        abandoned_share=gone / over if over else None,
        overflowed=sum(left[why] for why in OVERFLOWED),
        in_time_share=_in_time(stays, within_s),
        wait_median_s=statistics.median(waits) if waits else None,
        wait_p90_s=waits[min(len(waits) - 1, int(0.9 * len(waits)))] if waits else None,
        arrived=shares((arrived, number) for (_, arrived, _, _), number in kinds.items()),
        left=shares(
            (after, number) for (why, _, after, ended), number in kinds.items() if why == "answered" and ended
        ),
        better=sum(n for (arrived, after), n in both.items() if _ORDER[after] > _ORDER[arrived]),
        worse=sum(n for (arrived, after), n in both.items() if _ORDER[after] < _ORDER[arrived]),
        compared=both.total(),
        by_hour=_by_hour(stays),
    )


def counted(pairs: Iterable[tuple[K, int]]) -> Counter[K]:
    """The sum of the numbers that come with each."""
    found: Counter[K] = Counter()
    for what, number in pairs:
        found[what] += number
    return found


def _in_time(stays: Sequence[QueueStays], within_s: float) -> float | None:
    """Share of calls answered in time; one that still may be is not counted; None if there are none."""
    settled = met = 0
    within_s = float(within_s)
    for some in stays:
        soon = sum(map(within_s.__ge__, some.waits))
        settled += some.number if some.left is not None else some.number - soon
        met += soon if some.left == "answered" else 0
    return met / settled if settled else None


def shares(states: Iterable[tuple[str, int]]) -> tuple[EmotionShare, ...]:
    """States with their numbers as shares of a bar; those that never occur are left out."""
    numbers = counted((state if state in STATES else "uncertain", number) for state, number in states)
    scale = Scale(0.0, float(numbers.total()))
    found, at = [], 0
    for state in STATES:
        if number := numbers[state]:
            found.append(EmotionShare(state, number, scale.at(at), scale.width(at, at + number)))
            at += number
    return tuple(found)


def _by_hour(stays: Sequence[QueueStays]) -> tuple[tuple[int, float, int], ...]:
    numbers = [0] * 24
    for some in stays:
        numbers[min(23, max(0, some.bin))] += some.number
    busiest = max(numbers) or 1
    return tuple((hour, round(100 * n / busiest, 1), n) for hour, n in enumerate(numbers))

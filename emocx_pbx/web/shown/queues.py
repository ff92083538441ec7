"""The page of queues: a day's calls in and out, how customers arrived and left, waits, and who gave up."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emocx_pbx.store.list_rows import OVERFLOWED, QueueCall
from emocx_pbx.web.shown.scale import Scale

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


def queues_view(
    calls: Sequence[QueueCall],
    day_begin: float,
    now: float,
    states: Mapping[Key, tuple[int, float, int]] | None = None,
    within_s: float = 20.0,
) -> QueuesView:
    """A day as a page.

    Args:
        calls: those that began on the day.
        day_begin: Unix seconds.
        now: Unix seconds.
        states: waiting, longest wait and free agents by PBX and queue, as the PBX says; None: not known.
        within_s: what counts as answered in time, seconds in the queue.
    """
    of: dict[Key, list[QueueCall]] = {key: [] for key in states or {}}
    for call in calls:
        of.setdefault((call.pbx, call.queue), []).append(call)
    rows = [_row(key, of[key], day_begin, now, states, within_s) for key in sorted(of)]
    rows.sort(key=lambda r: (-r.calls, r.queue, r.pbx))
    total = _row(("", ""), calls, day_begin, now, _summed(states), within_s) if calls else None
    return QueuesView(tuple(rows), total)


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
    calls: Sequence[QueueCall],
    day_begin: float,
    now: float,
    states: Mapping[Key, tuple[int, float, int]] | None,
    within_s: float,
) -> QueueRow:
    # A large call centre has ten thousand calls a day and more.
    waits = sorted(_wait(c, now) for c in calls)
    left = Counter(c.left for c in calls)
    over, gone = len(calls) - left[None], left["abandoned"]
    both = Counter((c.arrived_as, c.left_as) for c in calls)
    both = Counter({pair: n for pair, n in both.items() if pair[0] in _ORDER and pair[1] in _ORDER})
    waiting, longest, free = (states or {}).get(key, (0, 0.0, -1))
    return QueueRow(
        pbx=key[0],
        queue=key[1],
        waiting=waiting,
        longest_now_s=longest if waiting else None,
        available=free if free >= 0 else None,
        calls=len(calls),
        answered=left["answered"],
        abandoned=gone,
        abandoned_share=gone / over if over else None,
        overflowed=sum(left[why] for why in OVERFLOWED),
        in_time_share=_in_time(calls, now, within_s),
        wait_median_s=statistics.median(waits) if waits else None,
        wait_p90_s=waits[min(len(waits) - 1, int(0.9 * len(waits)))] if waits else None,
        arrived=shares(c.arrived_as for c in calls),
        left=shares(c.left_as for c in calls if c.left == "answered" and c.ended_at is not None),
        better=sum(n for (arrived, after), n in both.items() if _ORDER[after] > _ORDER[arrived]),
        worse=sum(n for (arrived, after), n in both.items() if _ORDER[after] < _ORDER[arrived]),
        compared=both.total(),
        by_hour=_by_hour(calls, day_begin),
    )


def _wait(call: QueueCall, now: float) -> float:
    """Until an agent answered, the caller gave up, or now."""
    wait = (call.left_at or call.ended_at or now) - call.queued_at
    return wait if wait > 0.0 else 0.0


def _in_time(calls: Sequence[QueueCall], now: float, within_s: float) -> float | None:
    """Share of calls answered in time; one that still may be is not counted; None if there are none."""
    settled = met = 0
    for call in calls:
        soon = _wait(call, now) <= within_s
        settled += call.left is not None or not soon
        met += soon and call.left == "answered"
    return met / settled if settled else None


def shares(states: Iterable[str]) -> tuple[EmotionShare, ...]:
    """The number of each, as shares of a bar; those that never occur are left out."""
    counted: dict[str, int] = {}
    for state, number in Counter(states).items():
        known = state if state in STATES else "uncertain"
        counted[known] = counted.get(known, 0) + number
    scale = Scale(0.0, float(sum(counted.values())))
    found, at = [], 0
    for state in STATES:
        if number := counted.get(state, 0):
            found.append(EmotionShare(state, number, scale.at(at), scale.width(at, at + number)))
            at += number
    return tuple(found)


def _by_hour(calls: Sequence[QueueCall], day_begin: float) -> tuple[tuple[int, float, int], ...]:
    counted = [0] * 24
    for call in calls:
        counted[min(23, max(0, int((call.queued_at - day_begin) // 3600)))] += 1
    busiest = max(counted) or 1
    return tuple((hour, round(100 * n / busiest, 1), n) for hour, n in enumerate(counted))

"""Stays in queues by days: those of the last week are kept, so that a day's page asks the database little.

The database needs a tenth of a second for the ten thousand stays of a day. But what began more than an hour
ago hardly changes any more: that is read in the background, in stretches of a quarter of an hour, which days
and hours of all time zones are made of, and renewed in turns. A request reads only the last hour.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from emocx_pbx.errors import StoreError
from emocx_pbx.store import standard_sums as sums
from emocx_pbx.store.kept_sums import MANY, KeptSums, Read
from emocx_pbx.store.list_items import queue_stays
from emocx_pbx.store.list_rows import QueueStays, Team, team_text

log = structlog.get_logger()

STRETCH_S: Final = 900.0
#: Stays that began so long ago (s) are kept.
SETTLED_S: Final = 3600.0
KEPT_S: Final = 7 * 86_400.0
#: Stretches read at once: a day of them.
AT_ONCE: Final = 96
#: Seconds between two looks at what is missing or old, from which age on a stretch is renewed, and up to
#: which it is used.
REFRESH_S: Final = 60.0
RENEWED_S: Final = 1200.0
STALE_S: Final = 3600.0
#: Longest period in seconds whose stays are read where pages are, which must not wait for more.
BRIEF_S: Final = 2 * 86_400.0


@dataclass(frozen=True, slots=True)
class _Stretch:
    stays: tuple[QueueStays, ...]
    made_at: float


class QueueDays:
    """The stays of any period, from what is kept and the database."""

    def __init__(self, read: Read, read_beside: Read, kept: KeptSums) -> None:
        """Prepare.

        Args:
            read: runs a named query for somebody who waits.
            read_beside: runs one that may take long, without holding up anybody who waits.
            kept: keeps the sums of days before the last week.
        """
        self._read, self._read_beside, self._sums = read, read_beside, kept
        self._kept: dict[float, _Stretch] = {}
        """By their begin, in Unix seconds."""

    async def stays(
        self, since: float, until: float, now: float, bins: int = 1, team: Team = None
    ) -> list[QueueStays]:
        """The stays in queues that began in a period, cut into `bins`.

        If there are very many, those that began over an hour ago are as of minutes ago, and what still waited
        then is counted until then.
        """
        bin_s = (until - since) / bins if until > since else 1.0
        whole = bins == 1 or (since % STRETCH_S == 0.0 and bin_s % STRETCH_S == 0.0)
        if whole and until - since <= BRIEF_S and (kept := self._known(since, until, now)):
            first, last = kept[0][0], kept[-1][0] + STRETCH_S
            known = [(begin, stay) for begin, stays in kept for stay in stays if _is_of(stay, team)]
            ends = [piece for piece in ((since, first), (last, until)) if piece[0] < piece[1]]
            for begin, end in ends:
                known += await self._cut(self._read, begin, end, min(now, until), team)
            return list(_together((int((begin - since) / bin_s), stay) for begin, stay in known))
        asked = sums.stays(since, until, min(now, until), bins, team)
        if until - since > BRIEF_S:
            rows = await self._read_beside(asked.query, **asked.values())
        elif until < now:
            rows = await self._sums.rows(asked)
        else:
            rows = await self._read(asked.query, **asked.values())
        return [queue_stays(row) for row in rows]

    def _known(self, since: float, until: float, now: float) -> list[tuple[float, tuple[QueueStays, ...]]]:
        """Stretches of the period that are kept, from its begin on without a gap, if they hold very many."""
        found, number = [], 0
        begin = math.ceil(since / STRETCH_S) * STRETCH_S
        while begin + STRETCH_S <= until and (one := self._kept.get(begin)) is not None:
            if now - one.made_at > STALE_S:
                break
            found.append((begin, one.stays))
            number += sum([stay.number for stay in one.stays])
            begin += STRETCH_S
        return found if number > MANY else []

    async def keep_fresh(self, now: Callable[[], float]) -> None:
        """Keep the last week's stretches, until cancelled; `now` gives Unix seconds."""
        while True:
            try:
                await self.refresh(now())
            except StoreError as error:
                # The outermost loop of work that nobody waits for: a request reads everything itself.
                log.warning("queues' days not read", key="queue_days.failed", why=str(error))
            await asyncio.sleep(REFRESH_S)

    async def refresh(self, now: float) -> None:
        """Read what is missing, newest first, and else what was read longest ago.

        Raises:
            StoreError: the database can't be read.
        """
        end = math.floor((now - SETTLED_S) / STRETCH_S) * STRETCH_S
        begins = [end - STRETCH_S * n for n in range(1, round(KEPT_S / STRETCH_S) + 1)]
        self._kept = {begin: self._kept[begin] for begin in begins if begin in self._kept}
        missing = [begin for begin in begins if begin not in self._kept]
        for at in range(0, len(missing), AT_ONCE):
            some = missing[at : at + AT_ONCE]
            await self._keep(some[-1], some[0] + STRETCH_S, now)
        oldest = min(self._kept, key=lambda begin: (self._kept[begin].made_at, begin))
        if not missing and now - self._kept[oldest].made_at >= RENEWED_S:
            await self._keep(oldest, min(end, oldest + AT_ONCE * STRETCH_S), now)

    async def _keep(self, begin: float, end: float, now: float) -> None:
        found: dict[float, list[QueueStays]] = {}
        for at, stay in await self._cut(self._read_beside, begin, end, now, None):
            found.setdefault(at, []).append(stay)
        for number in range(round((end - begin) / STRETCH_S)):
            at = begin + number * STRETCH_S
            self._kept[at] = _Stretch(tuple(found.get(at, ())), now)

    async def _cut(
        self, read: Read, begin: float, end: float, now: float, team: Team
    ) -> list[tuple[float, QueueStays]]:
        """The stays that began in a period, each with the begin of its stretch, counted from the period's."""
        asked = {"since": begin, "until": end, "now": now, "bin_s": STRETCH_S, "team": team_text(team)}
        stays = [queue_stays(row) for row in await read("view_queue_stays", **asked)]
        return [(begin + stay.bin * STRETCH_S, stay) for stay in stays]


def _is_of(stay: QueueStays, team: Team) -> bool:
    return team is None or stay.queue in team


def _together(stays: Iterable[tuple[int, QueueStays]]) -> Iterator[QueueStays]:
    """Those of one bin that are alike as one."""
    alike: dict[tuple[object, ...], tuple[int, list[QueueStays]]] = {}
    for place, stay in stays:
        key = (place, stay.pbx, stay.queue, stay.left, stay.arrived_as, stay.left_as, stay.ended)
        alike.setdefault(key, (place, []))[1].append(stay)
    for place, some in alike.values():
        yield msgspec.structs.replace(
            some[0],
            bin=place,
            waits=tuple([wait for stay in some for wait in stay.waits]),
            scored=sum([stay.scored for stay in some]),
            score_sum=sum([stay.score_sum for stay in some]),
        )

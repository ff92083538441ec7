"""Sums over very many calls, cached and recomputed in the background of the pages that ask for them.

Most requests are for a period that ends now. A sum over one period also serves requests for a period of the
same length a little later, and refreshing moves its period on. So only whoever first asks for a large sum has
to wait for it; small ones are always current.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from emocx_pbx.errors import StoreError
from emocx_pbx.store.sql import Row

log = structlog.get_logger()

#: Calls or segments above which a sum is cached.
MANY: Final = 5_000
#: Greatest age in seconds of a cached sum if nobody refreshes it, and if somebody does: over a million calls
#: each has its turn every ten minutes or so, and none may be dropped before.
KEPT_S: Final = 60.0
FRESH_S: Final = 1800.0
#: Most cached sums; beyond that, the one least recently asked for is dropped.
MAX_KEPT: Final = 64
#: Seconds after its last request from which a sum is no longer refreshed.
WANTED_S: Final = 3600.0
#: Seconds between refreshes of cached sums, and the greatest share of a core that refreshing may take.
REFRESH_S: Final = 60.0
SHARE: Final = 0.05

Read = Callable[..., Awaitable[list[Row]]]


@dataclass(frozen=True, slots=True)
class Sum:
    """What is to be summed up."""

    query: str
    number: str
    """The column that says over how many calls or segments."""
    since: float
    until: float
    rest: Mapping[str, Any]
    bins: int = 0
    """Number of bins in the period, if the query takes `bin_s`; 0: it does not."""
    fixed: bool = False
    """Whether it is of this very period, such as a past day; False: later it is of a later one."""

    def values(self) -> dict[str, Any]:
        """Parameters of the query."""
        stretch = {"bin_s": (self.until - self.since) / self.bins} if self.bins else {}
        return {"since": self.since, "until": self.until, **stretch, **self.rest}

    def is_of(self, other: Sum, within_s: float) -> bool:
        """Whether this one, made earlier, also answers a request for the other."""
        if self.fixed or other.fixed:
            return self == other
        if not 0.0 <= other.until - self.until < within_s:
            return False
        about = (self.query, self.rest, self.bins) == (other.query, other.rest, other.bins)
        return about and (self.moves(other) or abs(self.since - other.since) < 1.0)

    def moves(self, other: Sum) -> bool:
        """Whether its period has the same length."""
        return abs((self.until - self.since) - (other.until - other.since)) < 1.0


@dataclass(slots=True)
class _Kept:
    of: Sum
    rows: list[Row]
    made_at: float
    asked_at: float
    moves: bool = True
    """Whether its period moves on with time; False: its begin is fixed."""


class KeptSums:
    """Computes sums, and caches those over many."""

    def __init__(self, read: Read, read_beside: Read, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            read: runs a named query for somebody who waits.
            read_beside: runs one that may take long, without holding up anybody who waits.
            clock: monotonic seconds.
        """
        self._read, self._read_beside, self._clock = read, read_beside, clock
        self._kept: list[_Kept] = []
        self._standard: Callable[[], Sequence[Sum]] = tuple
        self._summing = asyncio.Lock()
        self._fresh = False

    async def rows(self, asked: Sum) -> list[Row]:
        """The sum's rows.

        Raises:
            StoreError: the database can't be read.
        """
        if (known := self._known(asked)) is None:
            async with self._summing:
                if (known := self._known(asked)) is None:
                    rows = await self._read(asked.query, **asked.values())
                    self._keep(asked, rows)
                    return rows
        return known

    async def keep_fresh(self, standard: Callable[[], Sequence[Sum]] = tuple) -> None:
        """Refresh cached sums from time to time, until cancelled; those that `standard` gives, of periods
        that end now, before anybody asks, and even if nobody does.
        """
        self._fresh, self._standard = True, standard
        try:
            began = self._clock()
            for one in standard():
                await self._make(one)
            while True:
                spent = self._clock() - began
                await asyncio.sleep(max(REFRESH_S, spent / SHARE))
                began = self._clock()
                await self.refresh()
        finally:
            self._fresh, self._standard = False, tuple

    async def refresh(self) -> None:
        """Refresh all sums that are still asked for, and the standard ones."""
        at = self._clock()
        standard = self._standard()

        def wanted(kept: _Kept) -> bool:
            return at - kept.asked_at < WANTED_S or any(kept.of.is_of(one, FRESH_S) for one in standard)

        before = self._kept = [kept for kept in self._kept if wanted(kept)]
        # Those that are missing were small when they were last made, or gave way to others.
        missing = [one for one in standard if not any(kept.of.is_of(one, FRESH_S) for kept in before)]
        for kept in list(before):
            of = kept.of
            if of.fixed:
                continue  # little changes there any more: it is made anew for whoever asks later
            passed = self._clock() - kept.made_at
            since = of.since + passed if kept.moves else of.since
            await self._make(replace(of, since=since, until=of.until + passed), kept)
        for one in missing:
            await self._make(one)

    async def _make(self, one: Sum, before: _Kept | None = None) -> None:
        at = self._clock()
        try:
            rows = await self._read_beside(one.query, **one.values())
        except StoreError as error:
            # The outermost loop of work that nobody waits for: a request computes its sum itself.
            log.warning("sum not recomputed", key="sums.failed", query=one.query, why=str(error))
            return
        if before is not None and before in self._kept:
            self._kept.remove(before)
        self._keep(one, rows, at, before)

    def _known(self, asked: Sum) -> list[Row] | None:
        at, within_s = self._clock(), FRESH_S if self._fresh else KEPT_S
        self._kept = [kept for kept in self._kept if at - kept.made_at < FRESH_S]
        for kept in self._kept:
            if at - kept.made_at < within_s and kept.of.is_of(asked, within_s):
                kept.asked_at = at
                kept.moves = kept.of.moves(asked)
                return kept.rows
        return None

    def _keep(self, one: Sum, rows: list[Row], at: float | None = None, before: _Kept | None = None) -> None:
        if sum(row[one.number] for row in rows) <= MANY:
            return
        kept_at = self._clock()
        made = _Kept(one, rows, kept_at if at is None else at, before.asked_at if before else kept_at)
        made.moves = before.moves if before else one.since > 0.0
        self._kept.append(made)
        if len(self._kept) > MAX_KEPT:
            self._kept.remove(min(self._kept, key=lambda kept: kept.asked_at))

"""Long lists with filters that few rows pass: searched stretch by stretch, for as long as one may wait.

No index serves every filter and every combination of them. Scanning a million rows takes from a tenth of a
second to seconds; so when its time is up a page gets what was found, with the place where the search goes on.
Going from page to page gives exactly the rows that one scan of all would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from emocx_pbx.store.list_rows import ListPosition

R = TypeVar("R")

#: Seconds after which no further stretch is scanned.
BUDGET_S: Final = 0.04
#: Rows of the first stretch: it fills a page without a filter, or with one that most rows pass.
FIRST: Final = 2_000
#: Factor by which a stretch is at most longer than the one before.
GROWTH: Final = 8


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """What was found of a list."""

    rows: Sequence[R]
    next: ListPosition | None
    """The place behind which the next page begins; None: there are no more rows."""
    halted: bool = False
    """Whether the time was up before the page was full: behind `next` there may be more rows, or none."""


@dataclass(frozen=True, slots=True)
class Stretches(Generic[R]):
    """A list as it is searched: newest first."""

    read: Callable[[int, ListPosition, ListPosition], Awaitable[Sequence[R]]]
    """At most `limit` rows that pass the filter, behind one place and down to another, inclusive."""
    edge: Callable[[ListPosition, int], Awaitable[ListPosition | None]]
    """The place this many rows further on, whether they pass or not; None: fewer are left."""
    newest: Callable[[ListPosition], Awaitable[ListPosition | None]]
    """A place such that no row before it passes the filter; None: no further row passes."""
    place: Callable[[R], ListPosition]
    """Of a row."""
    end: ListPosition
    """Of the oldest row that may pass."""

    async def page(self, limit: int, after: ListPosition, clock: Callable[[], float]) -> Page[R]:
        """At most `limit` rows, found within BUDGET_S seconds or a little more.

        Raises:
            StoreError: the database can't be read.
        """
        began, found, many = clock(), list[R](), FIRST
        while True:
            look = clock()
            start = await self.newest(after)
            if start is None:
                return Page(found, None)
            edge = await self.edge(start, many)
            found += await self.read(limit + 1 - len(found), start, self.end if edge is None else edge)
            if len(found) > limit:
                return Page(found[:limit], self.place(found[limit - 1]))
            if edge is None:
                return Page(found, None)
            read = clock()
            after, left = edge, BUDGET_S - (read - began)
            if left <= 0.0:
                return Page(found, after, halted=True)
            many = max(FIRST, min(GROWTH * many, int(many * left / max(read - look, 1e-4))))

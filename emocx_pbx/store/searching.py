"""Long lists by filters that few rows pass: searched stretch by stretch, as long as somebody may wait.

No index serves every filter and every combination of them. A look through a million rows takes from a tenth
of a second to seconds; so a page is given what was found when its time is up, with the place where the
search goes on. Who goes on from page to page gets exactly the rows that one look through all would give.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from emocx_pbx.store.list_rows import ListPosition

R = TypeVar("R")

#: After this no further stretch is looked through (s).
BUDGET_S: Final = 0.04
#: Rows of the first stretch: a page without a filter, or with one that much passes, is full in it.
FIRST: Final = 2_000
#: A stretch is at most so many times as long as the one before.
GROWTH: Final = 8


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """What was found of a list."""

    rows: Sequence[R]
    next: ListPosition | None
    """Behind it the next page begins; None: there are no more rows."""
    halted: bool = False
    """The time was up before the page was full: behind `next` there may be more rows, or none."""


@dataclass(frozen=True, slots=True)
class Stretches(Generic[R]):
    """A list as it is searched: newest first."""

    read: Callable[[int, ListPosition, ListPosition], Awaitable[Sequence[R]]]
    """So many rows at most that pass the filter, behind a place and down to another, that one included."""
    edge: Callable[[ListPosition, int], Awaitable[ListPosition | None]]
    """The place so many rows further, whether they pass or not; None: fewer are left."""
    newest: Callable[[ListPosition], Awaitable[ListPosition | None]]
    """A place with nothing between it and the one given that passes; None: nothing passes behind it."""
    place: Callable[[R], ListPosition]
    """Of a row."""
    end: ListPosition
    """Of the oldest row that may pass."""

    async def page(self, limit: int, after: ListPosition, clock: Callable[[], float]) -> Page[R]:
        """So many rows at most, found within BUDGET_S or a little more.

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

"""Changes of calls that wait to be written: in order, bounded, and kept while the store refuses them.

While the disk is full or the database locked or unreachable, changes wait; if several hosts share the
database, also in a file on this host, for the next process in case this one ends meanwhile (`spool.py`).
Readings and utterances are dropped first when too much waits (grades are made from memory and lose nothing).
Changes that begin, end or grade something are never dropped before MAX_KEPT wait, which takes hours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from emocx_pbx.calls.effects import Write, WriteReadings, WriteSpans
from emocx_pbx.errors import EmocxError, LeaseLost, StoreUnavailable
from emocx_pbx.observe.listeners import Listeners

log = structlog.get_logger()

#: Changes that may wait; beyond that, waiting readings and utterances are dropped.
MAX_WAITING: Final = 20_000
#: Changes that may wait at all; beyond that, new ones are refused, and the calls are reconciled afterwards.
MAX_KEPT: Final = 200_000
#: Seconds in which readings and utterances are collected to be written together: the disk is used four times
#: a second, not a thousand times. Any other change is written at once, with all that waits.
GROUP_S: Final = 0.25
#: Changes in one transaction at most, and of other kinds than readings and utterances: meanwhile nobody else
#: can write.
MAX_GROUP: Final = 2_000
MAX_OTHERS: Final = 100
#: Seconds between two tries while the store refuses.
FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 5.0


class ChangeWriter(Protocol):
    """Carries out the waiting changes."""

    async def write(self, write: Write) -> None:
        """Carry out one change; raising StoreUnavailable keeps it waiting."""

    async def write_together(self, writes: Sequence[Write]) -> None:
        """Carry out changes in order, in as few transactions as possible; a StoreError says that one of them
        can't be carried out, and that all may be tried again.
        """


class Keeping(Protocol):
    """Keeps waiting changes for the next process: `spooling.py`."""

    def keep(self, writes: Sequence[Write]) -> bool:
        """Append these changes to those kept already; False: there is no room."""

    def aside(self, writes: Sequence[Write]) -> None:
        """Set these aside for people to look at: another controller acts for their calls."""

    async def write_all(self) -> None:
        """Write all kept changes, in order; raises StoreUnavailable if not possible now."""

    def clear(self) -> None:
        """Drop what is kept: all of it is written."""


class Ledger:
    """Writes changes one at a time, in order; run by the service."""

    def __init__(
        self,
        writing: ChangeWriter,
        health: Callable[[bool, str], None],
        count: Callable[..., None],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        max_waiting: int = MAX_WAITING,
        max_kept: int = MAX_KEPT,
        keeping: Keeping | None = None,
    ) -> None:
        """Prepare.

        Args:
            writing: carries changes out; StoreUnavailable keeps them waiting.
            health: told whether the store takes changes, and why not.
            count: adds one to a counter: changes_dropped (readings, other), changes_failed.
            sleep: awaited between tries.
            max_waiting: see MAX_WAITING.
            max_kept: see MAX_KEPT.
            keeping: also keeps waiting changes for the next process while the store refuses; None: memory
                only.
        """
        self._writing, self._health, self._count, self._sleep = writing, health, count, sleep
        self._max_waiting, self._max_kept = max_waiting, max_kept
        self._keeping = keeping
        self._kept_to: int | None = None
        """Number of the newest change that waited when the store last refused; None: nothing is kept for the
        next process."""
        self._only_kept = False
        """Some of the kept changes are no longer in memory."""
        self._waiting: deque[tuple[int, Write]] = deque()
        """Waiting changes, each with its number in the order of all ever added."""
        self._newest = 0
        self._smalls = 0
        """How many of them are readings and utterances."""
        self._news, self._tried = asyncio.Event(), asyncio.Event()
        self._refused = False
        self._hurry = asyncio.Event()
        """Somebody is waiting, or something other than readings and utterances has to be written."""
        self._awaited = 0
        """How many callers wait in `written`."""
        self.losses: Listeners[[]] = Listeners()
        """Listeners are called when the store accepts changes again after important ones were dropped."""
        self._lost = False
        self._singly_to = 0
        """Up to this number each change is tried on its own: one of them can't be written."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> None:
        """Add a change, to be written after all those added before."""
        kept = self._kept_to is not None and self._keeping is not None and self._keeping.keep([write])
        if len(self._waiting) >= self._max_waiting and self._smalls:
            self._make_room(kept)
        small = isinstance(write, WriteReadings | WriteSpans)
        full = len(self._waiting) >= (self._max_waiting if small else self._max_kept)
        if full and kept:
            self._only_kept = True
            return
        if full:
            self._count("changes_dropped", "readings" if small else "other")
            self._lost = self._lost or not small
            return
        self._newest += 1
        self._waiting.append((self._newest, write))
        self._smalls += small
        self._news.set()
        if not small:
            self._hurry.set()

    async def written(self, within_s: float) -> bool:
        """Wait until everything added so far is written.

        Args:
            within_s: most seconds to wait; no wait at all while the store refuses.

        Returns:
            Whether it is.
        """
        newest = self._newest
        self._awaited += 1
        self._hurry.set()
        try:
            async with asyncio.timeout(within_s):
                while (waits := bool(self._waiting) and self._waiting[0][0] <= newest) and not self._refused:
                    self._tried.clear()
                    await self._tried.wait()
        except TimeoutError:
            return False
        finally:
            self._awaited -= 1
        return not waits

    def _make_room(self, on_disk: bool) -> None:
        others = deque(w for w in self._waiting if not isinstance(w[1], WriteReadings | WriteSpans))
        if on_disk:
            self._only_kept = True
        else:
            for _ in range(len(self._waiting) - len(others)):
                self._count("changes_dropped", "readings")
        self._waiting, self._smalls = others, 0

    def let_go(self, of: Callable[[Write], bool]) -> None:
        """Write no more changes of these calls: another controller continues them."""
        gone = [write for _, write in self._waiting if of(write)]
        self._waiting = deque(entry for entry in self._waiting if not of(entry[1]))
        self._smalls = sum(isinstance(write, WriteReadings | WriteSpans) for _, write in self._waiting)
        self._not_ours(gone)
        self._tried.set()

    async def run(self) -> None:
        """Write until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            if not self._waiting and self._kept_to is None:
                self._news.clear()
                await self._news.wait()
                continue
            if not self._refused:
                await self._gather()
            if await self._next() and await self._all_kept_is_written():
                retry_s = FIRST_RETRY_S
            else:
                await self._sleep(retry_s)
                retry_s = min(LAST_RETRY_S, 2 * retry_s)

    async def drain(self) -> None:
        """Write what already waits (at an orderly stop); keeps trying while the store refuses."""
        while self._waiting:
            if not (await self._next() and await self._all_kept_is_written()):
                await self._sleep(FIRST_RETRY_S)

    async def _next(self) -> bool:
        """Write what has waited longest; False: the store does not accept it now."""
        group = self._group()
        if len(group) > 1:
            try:
                await self._writing.write_together([write for _, write in group])
            except StoreUnavailable as error:
                return self._not_now(error)
            except Exception as error:
                # One bad change must not take others down with it: each is now tried on its own, and counted.
                self._singly_to = group[-1][0]
                log.warning("a group of changes not written", key="journey.group_failed", why=str(error))
                self._count("changes_regrouped")
            else:
                self._taken(group[-1][0])
                return True
        if not self._waiting:  # dropped meanwhile
            return True
        place, write = self._waiting[0]
        try:
            await self._writing.write(write)
        except StoreUnavailable as error:
            return self._not_now(error)
        except LeaseLost as error:
            self._not_ours([write])
            log.warning("change of another controller's call", key="journey.not_ours", why=str(error))
        # One of the outermost loops: one bad change must not hold up all calls' changes.
        except EmocxError as error:
            self._failed(write, str(error))
        except Exception:
            log.exception("change not written", key="journey.failed", what=type(write).__name__)
            self._count("changes_failed")
        self._taken(place)
        return True

    def _not_now(self, error: StoreUnavailable) -> bool:
        if not self._refused:
            log.error("the store refuses changes, they wait", key="store.refuses", why=str(error))
        self._refused = True
        self._keep_all()
        self._health(False, f"{error}; {len(self._waiting)} changes wait")
        self._tried.set()
        return False

    # For the next process.

    def _keep_all(self) -> None:
        if self._keeping is None:
            return
        self._keeping.keep([write for _, write in self._waiting] if self._kept_to is None else [])
        self._kept_to = self._newest

    def _not_ours(self, writes: Sequence[Write]) -> None:
        for _ in writes:
            self._count("changes_dropped", "not ours")
        if self._kept_to is not None:
            self._only_kept = True  # when its turn comes it is refused there, and set aside
        elif self._keeping is not None and writes:
            self._keeping.aside(writes)

    async def _all_kept_is_written(self) -> bool:
        """Once written it is no longer kept; what memory had no room for is written from the file first."""
        if self._keeping is None or self._kept_to is None or (self._refused and self._waiting):
            return True
        if self._waiting and self._waiting[0][0] <= self._kept_to:
            return True
        if self._only_kept:
            try:
                await self._keeping.write_all()
            except StoreUnavailable as error:
                return self._not_now(error)
            self._only_kept = False
        self._keeping.clear()
        self._kept_to = None
        self._taken(0)
        return True

    def _group(self) -> list[tuple[int, Write]]:
        """What has waited longest, as many changes as can be written together."""
        group: list[tuple[int, Write]] = []
        others = 0
        if self._waiting and self._waiting[0][0] <= self._singly_to:
            return group
        for place, write in self._waiting:
            others += not isinstance(write, WriteReadings | WriteSpans)
            if others > MAX_OTHERS or len(group) == MAX_GROUP:
                break
            group.append((place, write))
        return group

    async def _gather(self) -> None:
        """Wait for more changes, unless there is a hurry."""
        if not self._awaited and self._smalls == len(self._waiting) < MAX_GROUP:
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GROUP_S):
                    await self._hurry.wait()

    def _taken(self, place: int) -> None:
        """All changes up to this one are done."""
        while self._waiting and self._waiting[0][0] <= place:
            self._smalls -= isinstance(self._waiting.popleft()[1], WriteReadings | WriteSpans)
        self._tried.set()
        if self._refused:
            self._refused = False
            log.warning("the store accepts changes again", key="store.back", waiting=len(self._waiting))
            self._health(True, "")
            if self._lost:
                self._lost = False
                self.losses.tell()

    def _failed(self, write: Write, why: str) -> None:
        log.error("change not written", key="journey.failed", what=type(write).__name__, why=why)
        self._count("changes_failed")

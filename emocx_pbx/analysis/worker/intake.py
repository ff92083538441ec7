"""All taps' audio, processed together: what is put is processed when a batch of sockets has been read.

So are ends: thousands of taps may end at once, when Asterisk stops or the network is gone. They are handled a
few at a time, with the event loop running in between: a worker that is silent for that long is taken for
dead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from emocx_pbx.analysis.call_bank import CallBank, Found
from emocx_pbx.analysis.windows import Item
from emocx_pbx.settings.settings import AnalysisSettings

log = structlog.get_logger()

#: Told what a call's audio settled, in order.
Tell = Callable[[Item], None]

#: Calls ended in one turn of the loop: half a millisecond each.
ENDS_AT_ONCE: Final = 64


def in_next_turn(work: Callable[[], None]) -> None:
    """Let the event loop do it, after what else waits for it now."""
    asyncio.get_running_loop().call_soon(work)


def _at_once(work: Callable[[], None]) -> None:
    work()


class Intake:
    """The bank of a worker's calls, and whom each one's windows and spans go to."""

    def __init__(
        self,
        settings: AnalysisSettings,
        calls: int,
        soon: Callable[[Callable[[], None]], object] = _at_once,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Prepare.

        Args:
            settings: the section [analysis].
            calls: room for so many at once.
            soon: lets work be done in one of the loop's next turns.
            count: adds one to a counter.
        """
        self.interval_s = settings.reading_interval_s
        """Usual seconds of speech between two windows."""
        self._bank = CallBank(settings, calls)
        self._soon, self._count = soon, count
        self._tell: dict[int, Tell] = {}
        self._ending: deque[tuple[int, Callable[[], None]]] = deque()

    def spare(self, sparing: bool, coarse: bool) -> None:
        """What to leave out from now on, as `CallBank` says."""
        self._bank.sparing, self._bank.coarse = sparing, coarse

    def open(self, offset_s: float, tell: Tell, read: bool = True) -> int:
        """A new call, its first sample at this call time; the number to name it by.

        Without `read` its utterances are told alone.

        Raises:
            IndexError: there is no room.
        """
        if self._bank.full:
            self.end_all()
        row = self._bank.open(offset_s, read)
        self._tell[row] = tell
        return row

    def put(self, row: int, pairs: bytes) -> None:
        """Keep a call's next samples, 16 bits little-endian, customer and agent by turns."""
        self._bank.put(row, pairs)

    def read_early(self, row: int, t1: float, speech_s: float) -> None:
        """Make an early window of a call, as `CallBank` says."""
        self._bank.read_early(row, t1, speech_s)

    def run(self) -> None:
        """Work on what was put."""
        self._tell_all(self._bank.run())

    def finish(self, row: int, then: Callable[[], None]) -> None:
        """No more comes of a call: soon the rest of it is told, `then` is called, and its place is free."""
        self._ending.append((row, then))
        if len(self._ending) == 1:
            self._soon(self._end_some)

    def end_all(self) -> None:
        """Tell now the rest of all calls that end."""
        while self._ending:
            self._end(len(self._ending))

    def _end_some(self) -> None:
        self._end(ENDS_AT_ONCE)
        if self._ending:
            self._soon(self._end_some)

    def _end(self, most: int) -> None:
        """The longest waiting first."""
        ending = [self._ending.popleft() for _ in range(min(most, len(self._ending)))]
        self._guarded(lambda: self._tell_all(self._bank.finish_all([row for row, _ in ending])))
        for row, then in ending:
            del self._tell[row]
            self._guarded(then)

    def _tell_all(self, found: Found) -> None:
        """One by one: a receiver that fails keeps nothing from the others."""
        for row, item in found:
            self._guarded(partial(self._tell_one, row, item))

    def _tell_one(self, row: int, item: Item) -> None:
        self._tell[row](item)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            # The outermost loop of calls' audio: what breaks one call must leave the others alone.
            log.exception("handling a call's audio failed", key="audio.batch_failed")
            self._count("audio_batches_failed")

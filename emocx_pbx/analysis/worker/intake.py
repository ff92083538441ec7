"""All taps' audio, taken in together: what is put is worked on when a batch of sockets has been read."""

from __future__ import annotations

from collections.abc import Callable

from emocx_pbx.analysis.call_bank import CallBank
from emocx_pbx.analysis.windows import Item
from emocx_pbx.settings.settings import AnalysisSettings

#: Told what a call's audio settled, in order.
Tell = Callable[[Item], None]


class Intake:
    """The bank of a worker's calls, and whom each one's windows and spans go to."""

    def __init__(self, settings: AnalysisSettings, calls: int) -> None:
        """Room for so many calls at once."""
        self._bank = CallBank(settings, calls)
        self._tell: dict[int, Tell] = {}

    def spare(self, sparing: bool, coarse: bool) -> None:
        """What to leave out from now on, as `CallBank` says."""
        self._bank.sparing, self._bank.coarse = sparing, coarse

    def open(self, offset_s: float, tell: Tell, read: bool = True) -> int:
        """A new call, its first sample at this call time; the number to name it by.

        Without `read` its utterances are told alone.

        Raises:
            IndexError: there is no room.
        """
        row = self._bank.open(offset_s, read)
        self._tell[row] = tell
        return row

    def put(self, row: int, pairs: bytes) -> None:
        """Keep a call's next samples, 16 bits little-endian, customer and agent by turns."""
        self._bank.put(row, pairs)

    def run(self) -> None:
        """Work on what was put."""
        for row, item in self._bank.run():
            self._tell[row](item)

    def finish(self, row: int) -> None:
        """No more comes of a call: the rest of it, and its place is free."""
        for item in self._bank.finish(row):
            self._tell[row](item)
        del self._tell[row]

"""How speech models' answers lean on the site's lines, kept at hand for taps, spoken queries and alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from emocx_pbx.domain import LineZero
from emocx_pbx.emotion.lines import LineBook, Sites
from emocx_pbx.emotion.zero import MIXES
from emocx_pbx.errors import StoreError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Seconds between reads of the estimates: another process may reset them, and calls change them slowly.
AGAIN_S: Final = 60.0


class Trunks(Protocol):
    """The part of the call tracker that is needed."""

    def trunk_of(self, call_id: str) -> str | None:
        """The endpoint that a call came in through, if known."""


class LineKeeper:
    """The estimates, at most AGAIN_S seconds old."""

    def __init__(self, store: Store, settings: AnalysisSettings, tracker: Trunks) -> None:
        self._store, self._tracker = store, tracker
        self._books: Mapping[str, LineBook] = {}
        self.take_over(settings)

    def take_over(self, settings: AnalysisSettings) -> None:
        """Use these settings from now on."""
        self._mix, self._sites = settings.line_mix, Sites.of(settings.sites)

    def lines(self, trunk: str | None) -> Sequence[str]:
        """The lines that learn from a caller who came in on this trunk, the narrowest first."""
        return () if self._mix == "off" else self._sites.lines(trunk)

    def zeros(self, call_id: str) -> tuple[LineZero, ...]:
        """The offsets that correct each model's answers in a call, as far as they are known."""
        if self._mix == "off":
            return ()
        lines, share = self.lines(self._tracker.trunk_of(call_id)), MIXES[self._mix]
        found = [book.zero(lines, model, share) for model, book in self._books.items()]
        return tuple(zero for zero in found if zero is not None)

    def level(self, trunk: str | None, model: str, signal: str, percentile: float) -> float | None:
        """The value below which this percentage of the model's readings on a line lie; None: not known."""
        book = self._books.get(model)
        best = book.best(self.lines(trunk)) if book else None
        return best[1].level(signal, percentile) if best else None

    async def run(self) -> None:
        """Reread the store regularly, until cancelled."""
        while True:
            try:
                await self.refresh()
            except StoreError as error:
                log.warning("lines not read", key="lines.unread", why=str(error))
            await asyncio.sleep(AGAIN_S)

    async def refresh(self) -> None:
        """Read the estimates; raises StoreError."""
        found = await self._store.lines.all()
        self._books = {model: LineBook(estimates) for model, estimates in found.items()}

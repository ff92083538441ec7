"""What a sender has under way: it is ours for some seconds at a time, and renewed while it lasts.

So what a sender that died had under way is free some seconds later, however long its receivers may take. And
one that stood still does not send what others may have taken meanwhile: it goes by when it *asked* for a
claim or a renewal, by a clock of its own that never jumps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from emocx_pbx.errors import StoreError
from emocx_pbx.store.claims import Claims

log = structlog.get_logger()

#: A claim lasts so long after it was taken or renewed.
HOLD_S: Final = 6.0
#: Between renewals.
RENEW_S: Final = 2.0
#: Nothing is sent any more so long before a claim of ours ends.
MARGIN_S: Final = 1.0
#: The database was away and is back: others' claims, which nobody could renew, are let be renewed first.
HEAD_START_S: Final = 3.0


class Holding:
    """One for a sender."""

    def __init__(self, claims: Claims, sender: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`sender` is part of every claim's name; `clock` gives monotonic seconds."""
        self._claims, self._sender, self._clock = claims, sender, clock
        self._until: dict[int, float] = {}
        self._some = asyncio.Event()

    @property
    def busy(self) -> list[int]:
        """What is under way."""
        return list(self._until)

    @contextmanager
    def asking(self) -> Iterator[Callable[[Iterable[int]], None]]:
        """Ask for claims inside of it, and say which were had."""
        sent_at = self._clock()

        def took(deliveries: Iterable[int]) -> None:
            self._until |= dict.fromkeys(deliveries, sent_at + HOLD_S)
            self._some.set()

        yield took

    def may_send(self, delivery: int) -> bool:
        """Whether nobody else can have it by now."""
        return self._clock() < self._until.get(delivery, 0.0) - MARGIN_S

    def over(self, delivery: int) -> None:
        """It is not under way any more."""
        self._until.pop(delivery, None)

    async def run(self) -> None:
        """Renew, until cancelled."""
        while True:
            if not self._until:
                self._some.clear()
                await self._some.wait()
            await asyncio.sleep(RENEW_S)
            try:
                await self.renew()
            except StoreError as error:
                log.warning("claims of webhooks not renewed", key="webhook.unrenewed", reason=str(error))

    async def renew(self) -> None:
        """Hold what is under way for longer.

        Raises:
            StoreError: the database does not take it now; claims go on as they are.
        """
        asked, sent_at = self.busy, self._clock()
        if not asked:
            return
        ours = await self._claims.renew(self._sender, asked, HOLD_S)
        for delivery in asked:
            if delivery in self._until:
                self._until[delivery] = sent_at + HOLD_S if delivery in ours else 0.0

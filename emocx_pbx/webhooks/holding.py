"""A sender's deliveries in progress: each is ours for some seconds at a time, and renewed while it lasts.

So the deliveries of a sender that died are free some seconds later, however long its receivers may take. And
a sender that was frozen does not send what others may have claimed meanwhile: it counts from when it *asked*
for a claim or a renewal, by a clock of its own that never jumps.
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

#: Seconds that a claim lasts after it was taken or renewed.
HOLD_S: Final = 6.0
#: Seconds between renewals.
RENEW_S: Final = 2.0
#: Seconds before the end of our claim from which nothing more is sent.
MARGIN_S: Final = 1.0
#: Seconds to wait when the database is back: others, unable to renew either, get to renew their claims first.
HEAD_START_S: Final = 3.0


class Holding:
    """One per sender."""

    def __init__(self, claims: Claims, sender: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`sender` is part of every claim's name; `clock` is monotonic seconds."""
        self._claims, self._sender, self._clock = claims, sender, clock
        self._until: dict[int, float] = {}
        self._some = asyncio.Event()

    @property
    def busy(self) -> list[int]:
        """The deliveries in progress."""
        return list(self._until)

    @contextmanager
    def asking(self) -> Iterator[Callable[[Iterable[int]], None]]:
        """A context: ask for claims inside it, and report which were obtained."""
        sent_at = self._clock()

        def took(deliveries: Iterable[int]) -> None:
            self._until |= dict.fromkeys(deliveries, sent_at + HOLD_S)
            self._some.set()

        yield took

    def may_send(self, delivery: int) -> bool:
        """Whether nobody else can have claimed it yet."""
        return self._clock() < self._until.get(delivery, 0.0) - MARGIN_S

    def over(self, delivery: int) -> None:
        """Drop a delivery that is no longer in progress."""
        self._until.pop(delivery, None)

    async def run(self) -> None:
        """Renew the claims regularly, until cancelled."""
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
        """Renew the claims on what is in progress.

        Raises:
            StoreError: the database does not accept it now; claims go on as they are.
        """
        asked, sent_at = self.busy, self._clock()
        if not asked:
            return
        ours = await self._claims.renew(self._sender, asked, HOLD_S)
        for delivery in asked:
            if delivery in self._until:
                self._until[delivery] = sent_at + HOLD_S if delivery in ours else 0.0

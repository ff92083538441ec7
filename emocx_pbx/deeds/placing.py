"""The deed of calling somebody: admitted and counted by the dialling policy, then dialled, and noted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.numbers import masked
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.errors import NotAllowedError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog

#: Seconds from admitting a number to dialling it: a decision is made in between.
ADMITTED_S: Final = 60.0
MOST_ADMITTED: Final = 1_000


class Rings(Protocol):
    """The part of CallBack that is needed."""

    async def ring(self, call: CallToPlace) -> None:
        """Dial the call's number."""


class Placing:
    """One per service: pages, API and chat place calls through it, so that limits hold for all together."""

    def __init__(
        self,
        dialling: Dialling,
        call_back: Rings,
        audit: AuditLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is monotonic seconds."""
        self._dialling, self._call_back, self._audit, self._clock = dialling, call_back, audit, clock
        self._admitted: OrderedDict[str, float] = OrderedDict()

    def remember(self, placed: Iterable[tuple[str, float]]) -> None:
        """Count calls that were placed before a restart.

        Args:
            placed: numbers in E.164 form, each with how many seconds ago it was called, the oldest first.
        """
        for number, seconds_ago in placed:
            self._dialling.was_placed(number, seconds_ago)

    def admit(self, text: str) -> str:
        """Check a number and count it as a call placed now; returns it in E.164 form, ready to dial.

        Raises:
            DiallingRefused: it can't be parsed, may not be called, or too many calls were placed.
        """
        number = self._dialling.admit(text)
        self._dialling.take(number)
        self._admitted[number] = self._clock()
        self._admitted.move_to_end(number)
        while len(self._admitted) > MOST_ADMITTED:
            self._admitted.popitem(last=False)
        return number

    async def ring(self, call: CallToPlace, by: Actor | None = None) -> None:
        """Dial a number that was just admitted; each admission holds for one call.

        Args:
            call: the call, with the number as returned by `admit`.
            by: who wants it, for the audit log; None: the customer, in the chat.

        Raises:
            NotAllowedError: the number was not admitted within the last minute.
            InputError, PeerUnavailable, RefusedError: as CallBack.ring.
        """
        at = self._admitted.pop(call.number, None)
        if at is None or self._clock() - at > ADMITTED_S:
            raise NotAllowedError("the number was not admitted, or too long ago")
        if by is not None:
            await self._audit.add(by, "call.placed", call.call_id, None, {"number": masked(call.number)})
        await self._call_back.ring(call)

"""Keeps one PBX's lease: stands by until it is free, renews it, and reports when it is taken and when
lost. Who holds it without a link to the PBX loses it to who has one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from emocx_pbx.errors import StoreError
from emocx_pbx.service.lease_state import LOOK_S, TTL_S, LeaseState
from emocx_pbx.store.fence import Term
from emocx_pbx.store.leases import Leases

log = structlog.get_logger()

#: Seconds for releasing it at an orderly stop; otherwise it simply expires.
GIVE_BACK_S: Final = 2.0
#: Seconds between two tries of a PBX whose holder is cut off from it. Two in a row must succeed, so that a
#: holder whose Asterisk was merely restarted is linked again before.
TRY_S: Final = 3.0


class Reach(Protocol):
    """Whether a controller reaches a PBX."""

    @property
    def linked(self) -> bool:
        """Whether the link to it is up."""

    async def tried(self) -> bool:
        """Whether a link can be made, within 2 s."""


class LeaseKeeper:
    """One for each PBX; `taken` and `lost` are called alternately, on the event loop."""

    def __init__(
        self,
        leases: Leases,
        pbx: str,
        holder: str,
        taken: Callable[[Term], None],
        lost: Callable[[Term], None],
        said: Callable[[str], None],
        reach: Reach,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `run` begins.

        Args:
            leases: the table of leases in the database.
            pbx: name of the PBX.
            holder: a readable name for this process; each run of the controller is a holder of its own.
            taken: called when the lease is ours: act from now on.
            lost: called when another controller acts, or may: stop at once.
            said: gets the state in words when it changes, e.g. "standby: ... acts".
            reach: whether we reach the PBX.
            clock: monotonic seconds.
        """
        self._leases, self._pbx, self._holder, self._clock = leases, pbx, holder, clock
        self._taken, self._lost, self._said = taken, lost, said
        self._reach = reach
        self._state = LeaseState()
        self._reached = 0
        """Tries in a row that reached a PBX whose holder is cut off from it."""
        self._next_try_at = 0.0
        self._words = ""
        self._hurry = asyncio.Event()

    @property
    def term(self) -> Term | None:
        """Ours, as far as we know."""
        return self._state.term

    def may_act(self) -> bool:
        """Whether nobody else can hold it yet."""
        return self._state.may_act(self._clock())

    def refused(self, term: Term) -> None:
        """Call when the database refused a write because this term is over."""
        if self._state.term == term:
            self._end(term)

    async def run(self) -> None:
        """Stand by, take, renew, until cancelled."""
        while True:
            began = self._clock()
            try:
                await (self._stand_by() if self._state.term is None else self._renew(self._state.term))
                self._state.answered(self._clock())
            except StoreError as error:
                self._state.away()
                self._tell(f"the database is away: {error}" if self._state.term is None else "")
                log.warning("lease not looked after", key="lease.away", pbx=self._pbx, why=str(error))
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._state.next_s(began), LOOK_S / 2)):
                    await self._hurry.wait()

    async def give_back(self) -> None:
        """Release it, so that a standby can take it at once. We write and do nothing more after this."""
        term = self._state.term
        self._state.lost()
        if term is None:
            return
        try:
            async with asyncio.timeout(GIVE_BACK_S):
                await self._leases.give_back(term)
        except (StoreError, TimeoutError) as error:
            log.warning("lease not given back, it runs out", key="lease.kept", why=str(error))

    async def _stand_by(self) -> None:
        lease = await self._leases.look(self._pbx)
        if lease is None or not lease.cut_off:
            self._reached = 0
        if lease is not None and lease.left_s > 0 and not (lease.cut_off and await self._reaches_instead()):
            without = " without a link to Asterisk" if lease.cut_off else ""
            self._tell(f"standby: {lease.holder} acts{without}")
            return
        sent_at = self._clock()
        if not self._state.may_take(sent_at):
            return
        term = await self._leases.take(self._pbx, self._holder, TTL_S)
        if term is None:
            return
        self._state.took(term, sent_at)
        self._tell("")
        log.info("this controller acts now", key="lease.taken", pbx=self._pbx, epoch=term.epoch)
        self._taken(term)

    async def _reaches_instead(self) -> bool:
        """Whether we have reached the PBX in the last two tries."""
        if self._clock() >= self._next_try_at:
            self._reached = self._reached + 1 if await self._reach.tried() else 0
            self._next_try_at = self._clock() + TRY_S
        return self._reached >= 2

    async def _renew(self, term: Term) -> None:
        sent_at = self._clock()
        known = self._state.on_offer
        cut_off = self._state.renewing(sent_at, self._reach.linked)
        if cut_off and not known:
            log.warning("without a link to Asterisk: others may act", key="lease.cut_off", pbx=self._pbx)
        if await self._leases.renew(term, TTL_S, cut_off):
            self._state.renewed(sent_at, cut_off)
        elif self._state.term == term:
            self._end(term)

    def _end(self, term: Term) -> None:
        self._state.lost()
        self._hurry.set()
        log.error(
            "another controller acts now, this one stands by", key="lease.lost", pbx=self._pbx,
            epoch=term.epoch,
        )  # fmt: skip
        self._lost(term)

    def _tell(self, words: str) -> None:
        if words != self._words:
            self._words = words
            self._said(words)

"""Which PBXes this controller acts for now. With records in a file: always all of them. With records in
PostgreSQL: those whose lease it holds, so that one of several controllers acts and the others stand by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.errors import LeaseLost
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.service.lease_keeper import LeaseKeeper, Reach
from emocx_pbx.store.fence import Term, fenced
from emocx_pbx.store.leases import Leases


class Office:
    """One per service."""

    def __init__(self, leases: Leases | None, holder: str, health: HealthBoard) -> None:
        """Prepare.

        Args:
            leases: the table of leases in the database; None: nobody else could act.
            holder: the name of this process by which others say who acts.
            health: told of the component `controller` for each PBX: up while this one acts.
        """
        self._leases, self._holder, self._health = leases, holder, health
        self._keepers: dict[str, LeaseKeeper] = {}
        self._words: dict[str, str] = {}
        """The state of each PBX, for people."""
        self.taken: Listeners[[str]] = Listeners()
        """Listeners get the name of a PBX that is ours to act for from now on."""
        self.lost: Listeners[[str]] = Listeners()
        """Listeners get the name of a PBX that is no longer ours: another controller acts, or may."""

    @property
    def shared(self) -> bool:
        """Whether another controller could act."""
        return self._leases is not None

    def may_act(self, pbx: str) -> bool:
        """Whether nobody else can act for a PBX yet. Does not query the database."""
        keeper = self._keepers.get(pbx)
        return self._leases is None or (keeper is not None and keeper.may_act())

    def holds(self, pbx: str) -> bool:
        """Whether we act for a PBX, as far as we know; also while the database is away."""
        keeper = self._keepers.get(pbx)
        return self._leases is None or (keeper is not None and keeper.term is not None)

    @property
    def holds_any(self) -> bool:
        """Whether we act for any PBX."""
        return self._leases is None or any(keeper.term is not None for keeper in self._keepers.values())

    def follows(self, call_id: str) -> bool:
        """The same for a call's PBX."""
        return self.holds(pbx_of(call_id))

    def term_of(self, call_id: str) -> Term:
        """The term in which we act for a call's PBX.

        Raises:
            LeaseLost: another controller acts for it, or none does.
        """
        return self._term(pbx_of(call_id))

    def _term(self, pbx: str) -> Term:
        keeper = self._keepers.get(pbx)
        if keeper is None or keeper.term is None:
            raise LeaseLost("another controller acts for this PBX")
        return keeper.term

    @contextmanager
    def fence(self, pbx: str) -> Iterator[None]:
        """A context: writes inside it that are not about calls happen only while we act for a PBX.

        Raises:
            LeaseLost: we act for none.
        """
        if self._leases is None:
            yield
            return
        with fenced([self._term(pbx)]):
            yield

    def epoch(self, pbx: str) -> int:
        """Number of our term for a PBX; 0: no terms are used here, or we have none."""
        keeper = self._keepers.get(pbx)
        return keeper.term.epoch if keeper is not None and keeper.term is not None else 0

    def refused(self, term: Term) -> None:
        """Call when the database refused a write: this term is over."""
        if keeper := self._keepers.get(term.pbx):
            keeper.refused(term)

    async def run(self, pbxes: Mapping[str, Reach]) -> None:
        """With a shared database: stand by for every PBX, and keep the leases that are ours, until
        cancelled. Each PBX's name comes with how it is known whether we reach it.
        """
        assert self._leases is not None
        for pbx, reach in pbxes.items():
            self._keepers[pbx] = LeaseKeeper(
                self._leases,
                pbx,
                self._holder,
                self._on_taken,
                self._on_lost,
                partial(self._said, pbx),
                reach,
            )
            self._said(pbx, "looking who acts")
        async with asyncio.TaskGroup() as group:
            for keeper in self._keepers.values():
                group.create_task(keeper.run(), name="lease")

    async def give_back(self) -> None:
        """Let others act at once; we write and do nothing after this."""
        await asyncio.gather(*(keeper.give_back() for keeper in self._keepers.values()))

    def _on_taken(self, term: Term) -> None:
        self._said(term.pbx, f"{self._holder} acts, term {term.epoch}")
        self.taken.tell(term.pbx)

    def _on_lost(self, term: Term) -> None:
        self._said(term.pbx, "standby: another controller acts")
        self.lost.tell(term.pbx)

    def _said(self, pbx: str, words: str) -> None:
        if words:
            self._words[pbx] = words
        # A controller that acts for one PBX does all it can: that PBX's pages, deeds and callers are its own.
        acts = self.holds_any
        for name, how in self._words.items():
            self._health.set(_component(name), acts, how)


def _component(pbx: str) -> str:
    return f"controller {pbx}" if pbx else "controller"

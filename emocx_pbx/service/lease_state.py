"""What a controller knows of one PBX's lease, and what follows from it. Pure.

A lease is taken and renewed in the database, by the database's clock. Whether we may *act* is measured by our
own clock, from when a renewal was **sent**, not answered: it may have been in transit for any time.
"""

from __future__ import annotations

from typing import Final

from emocx_pbx.store.fence import Term

#: Seconds that a lease lasts after its last renewal: how long a standby waits when the holder dies.
TTL_S: Final = 3.0
#: Seconds between renewals, and between a standby's checks.
RENEW_S: Final = 1.0
LOOK_S: Final = 0.2
#: Seconds before our lease expires at which we stop acting: what we asked of Asterisk is done by the end.
MARGIN_S: Final = 0.5
#: Seconds to wait when the database is back: the holder, unable to renew either, gets to renew first.
HEAD_START_S: Final = 1.5
#: Seconds without a link to the PBX after which its holder says so, for others who may have one.
CUT_OFF_S: Final = 5.0


class LeaseState:
    """One lease; all times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.term: Term | None = None
        """Ours, until it is known that somebody else has the lease; it may have run out meanwhile."""
        self._sent_at = 0.0
        self._back_at: float | None = None
        self._linked_at = 0.0
        self.on_offer = False
        """Whether the database may have it from us that whoever has a link to the PBX may take it."""

    def may_act(self, at: float) -> bool:
        """Whether nobody else can hold the lease yet."""
        return self.term is not None and not self.on_offer and at - self._sent_at < TTL_S - MARGIN_S

    def may_take(self, at: float) -> bool:
        """Whether we may ask for an expired lease."""
        return self.term is None and (self._back_at is None or at - self._back_at >= HEAD_START_S)

    def next_s(self, at: float) -> float:
        """Seconds until the database is to be asked again."""
        if self.term is None:
            return LOOK_S
        overdue = at - self._sent_at >= RENEW_S
        return LOOK_S if overdue else RENEW_S - (at - self._sent_at)

    def took(self, term: Term, sent_at: float) -> None:
        """The lease is ours since a request sent at `sent_at`."""
        self.term, self._sent_at, self._linked_at, self.on_offer = term, sent_at, sent_at, False

    def renewing(self, at: float, linked: bool) -> bool:
        """A renewal is sent now; whether it has to say that we are cut off from the PBX."""
        if linked:
            self._linked_at = at
        cut_off = at - self._linked_at >= CUT_OFF_S
        self.on_offer = self.on_offer or cut_off
        return cut_off

    def renewed(self, sent_at: float, cut_off: bool = False) -> None:
        """The lease was renewed by a request sent at `sent_at`."""
        self._sent_at, self.on_offer = max(self._sent_at, sent_at), cut_off

    def lost(self) -> None:
        """Somebody else holds the lease, or may."""
        self.term = None

    def away(self) -> None:
        """The database does not answer."""
        self._back_at = float("inf")

    def answered(self, at: float) -> None:
        """The database answers again."""
        if self._back_at == float("inf"):
            self._back_at = at

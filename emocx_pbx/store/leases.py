"""Leases: which controller acts for a PBX. One row for each PBX, in the database that its records are in.

So leases and records are one system: a controller's write is checked against its lease in the write's own
transaction (`fence.py`), and one that was frozen cannot overwrite its successor's records. All times are the
database's, as hosts' clocks may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.fence import Term
from emocx_pbx.store.sql import Query


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as the database has it."""

    holder: str
    epoch: int
    left_s: float
    """Seconds until it expires; 0 or less: it has expired."""
    cut_off: bool = False
    """Whether its holder has lost its link to the PBX: who has one may take it."""


class Leases(Protocol):
    """What keeps leases. Methods raise StoreUnavailable if the database does not answer in time."""

    async def look(self, pbx: str) -> Lease | None:
        """A PBX's lease as now held, or as last held; None: it never was."""

    async def take(self, pbx: str, holder: str, ttl_s: float) -> Term | None:
        """Take the lease for `ttl_s` seconds, if nobody holds it or its holder is cut off from the PBX;
        returns the new term, else None.
        """

    async def renew(self, term: Term, ttl_s: float, cut_off: bool = False) -> bool:
        """Extend a term by `ttl_s` seconds, even if its lease expired and nobody took it; False: it is
        over. `cut_off` says that its holder has no link to the PBX.
        """

    async def give_back(self, term: Term) -> None:
        """Release it, so that somebody else can take it at once."""


class OneHost:
    """Leases of an SQLite file: its host always holds them all."""

    async def look(self, pbx: str) -> Lease | None:
        """Nobody else could hold it."""
        return None

    async def take(self, pbx: str, holder: str, ttl_s: float) -> Term | None:
        """At once."""
        return Term(pbx, 0)

    async def renew(self, term: Term, ttl_s: float, cut_off: bool = False) -> bool:
        """It never ends."""
        return True

    async def give_back(self, term: Term) -> None:
        """To nobody."""


class ServerLeases:
    """Leases in a PostgreSQL database; each method is one statement and one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def look(self, pbx: str) -> Lease | None:
        """Read it."""
        row = await self._row(_LOOK, pbx=pbx)
        return Lease(**row) if row else None

    async def take(self, pbx: str, holder: str, ttl_s: float) -> Term | None:
        """Waits for writes in progress in the term before."""
        row = await self._row(_TAKE, pbx=pbx, holder=holder, ttl_s=ttl_s)
        return Term(pbx, row["epoch"]) if row and row["epoch"] is not None else None

    async def renew(self, term: Term, ttl_s: float, cut_off: bool = False) -> bool:
        """As long as the epoch is ours, nobody held it meanwhile, so it may even have expired."""
        row = await self._row(_RENEW, pbx=term.pbx, epoch=term.epoch, ttl_s=ttl_s, cut_off=cut_off)
        return row is not None

    async def give_back(self, term: Term) -> None:
        """It is set to have expired now."""
        await self._row(_GIVE_BACK, pbx=term.pbx, epoch=term.epoch)

    async def _row(self, query: Query, **values: object) -> Row | None:
        rows = await self._connection.about_leases(query, values)
        return rows[0] if rows else None


_NOW: Final = "extract(epoch FROM clock_timestamp())"
_LOOK: Final = Query(
    "look", "", f"SELECT holder, epoch, until - {_NOW} AS left_s, cut_off FROM lease WHERE pbx = $1", ("pbx",)
)
_TAKE: Final = Query("take", "", "SELECT emocx_take_lease($1, $2, $3) AS epoch", ("pbx", "holder", "ttl_s"))
_RENEW: Final = Query(
    "renew",
    "",
    f"UPDATE lease SET until = {_NOW} + $3, cut_off = $4 WHERE pbx = $1 AND epoch = $2 RETURNING until",
    ("pbx", "epoch", "ttl_s", "cut_off"),
)
_GIVE_BACK: Final = Query(
    "give_back",
    "",
    f"UPDATE lease SET until = {_NOW} WHERE pbx = $1 AND epoch = $2 RETURNING until",
    ("pbx", "epoch"),
)

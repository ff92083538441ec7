"""What the ranking needs from the store: outcomes of calls, agents' loads, and penalties to put back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from emocx_pbx.domain import LABELS, UNCERTAIN, Scores
from emocx_pbx.emotion.fusion import fuse
from emocx_pbx.routing.penalties import Kept, Key
from emocx_pbx.routing.ranking import RankingSample
from emocx_pbx.store.connection import Connection, Row

#: Most graded segments that a ranking rests on, the newest ones; older ones weigh next to nothing.
MAX_OUTCOMES = 20_000


class RankingRows:
    """Outcomes, loads and kept penalties."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = connection.sql

    async def outcomes(self, since: float, limit: int = MAX_OUTCOMES) -> list[RankingSample]:
        """Graded segments that began since then, newest first; those without a score are left out."""
        rows = await self._connection.ranking_rows("outcomes", since=since, limit=limit)
        # Thousands of rows take a while; nobody must wait for this.
        return await asyncio.to_thread(lambda: [_outcome(row) for row in rows])

    async def agents_calls(self, since: float) -> list[tuple[str, str, float]]:
        """Agent, customer's emotion before the call, and begin of every segment since then."""
        rows = await self._connection.rows("agents_calls", since=since)
        return [(row["agent"], row["emotion"] or UNCERTAIN, row["at"]) for row in rows]

    async def kept_penalties(self, pbx: str = "") -> dict[Key, Kept]:
        """Members of a PBX's queues whose penalty is not the administrator's own."""
        kept = [Kept(**dict(row)) for row in await self._connection.rows("kept_penalties", pbx=pbx)]
        return {k.key: k for k in kept}

    async def keep_penalties(
        self, remember: Iterable[Kept], forget: Iterable[Key] = (), pbx: str = ""
    ) -> None:
        """Remember and forget penalties of a PBX, in one transaction that survives any crash."""
        rows = [
            {
                "pbx": pbx,
                "queue": k.queue,
                "interface": k.interface,
                "original": k.original,
                "applied": k.applied,
                "applying": k.applying,
            }
            for k in remember
        ]
        gone = [{"pbx": pbx, "queue": queue, "interface": interface} for queue, interface in forget]
        if not rows and not gone:
            return
        async with self._connection.transaction() as c:
            await self._sql.keep_penalties(c, rows)
            await self._sql.forget_penalties(c, gone)


def _outcome(row: Row) -> RankingSample:
    return RankingSample(
        row["agent"], row["emotion"] or UNCERTAIN, row["score"], row["at"], signals=_signals(row)
    )


def _signals(row: Row) -> tuple[float, float, float, float] | None:
    """The customer's emotion at the segment's begin: from the query's signals and the first readings."""
    said: dict[str, float] = msgspec.json.decode(row["before"]) if row["before"] else {}
    first_readings: list[float | None] = msgspec.json.decode(row["after"]) if row["after"] else []
    before = Scores.of([said.get(str(label), 0.0) for label in LABELS]) if said else None
    sure = [value for value in first_readings if value is not None]
    after = Scores.of(sure) if len(sure) == len(LABELS) else None
    both = fuse(before, after)
    return both.probabilities if both else None

"""How speech models' answers lean on the site's lines: sums over callers, each of whom counts once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

import msgspec

from emocx_pbx.emotion.lines import LineCaller, LineEstimate
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.connection import Connection

#: Most lines of one model; beyond that no new ones are added (an endpoint per caller is not a trunk).
MOST_LINES: Final = 200
#: Sums over fewer callers are dropped when any customer is erased: they might reveal that one.
FEW: Final = 10


class LineEstimates:
    """The part of the store about lines."""

    def __init__(self, connection: Connection, now: Callable[[], float], audit: AuditLog) -> None:
        self._connection, self._now, self._audit = connection, now, audit

    async def listed(self) -> list[tuple[str, str, LineEstimate, float]]:
        """Model, line, estimate, and when the last call that it learnt from ended."""
        rows = await self._connection.rows("lines")
        return [
            (row["model"], row["line"], msgspec.json.decode(row["body"], type=LineEstimate), row["at"])
            for row in rows
        ]

    async def all(self) -> Mapping[str, Mapping[str, LineEstimate]]:
        """Every estimate, by model and line."""
        found: dict[str, dict[str, LineEstimate]] = {}
        for model, line, estimate, _ in await self.listed():
            found.setdefault(model, {})[line] = estimate
        return found

    async def learn(
        self, call_id: str, model: str, lines: Sequence[str], caller: LineCaller, at: float
    ) -> bool:
        """Have each of these lines learn from a call's customer; the call ended at `at` (Unix seconds).

        Returns:
            False: the model has learnt from this customer before, or it is unknown who called.
        """
        sql = self._connection.sql
        async with self._connection.transaction() as c:
            if await sql.was_counted(c, call_id=call_id, model=model) in (1, None):
                return False
            await sql.count_call(c, call_id=call_id, model=model)
            for line in lines:
                row = await sql.line(c, model=model, line=line)
                if row is None and await sql.number_of_lines(c, model=model) >= MOST_LINES:
                    continue
                known = msgspec.json.decode(row["body"], type=LineEstimate) if row else LineEstimate()
                estimate = known.with_caller(caller, at)
                body = msgspec.json.encode(asdict(estimate)).decode()
                await sql.put_line(c, model=model, line=line, body=body, callers=estimate.callers, at=at)
        return True

    async def reset(self, by: Actor, model: str | None = None, line: str | None = None) -> int:
        """Forget what was learnt (about one model, or one line), and who counted; returns how many lines that
        were.
        """
        async with self._connection.transaction() as c:
            number: int = await self._connection.sql.delete_lines(c, model=model, line=line)
            if line is None:
                # Callers count afresh; those of one line only do so because they are new to the other lines.
                await self._connection.sql.uncount_calls(c, model=model)
            subject = " ".join(part or "all" for part in (model, line))
            await self._audit.note(c, by, "lines.reset", subject, None, {"lines": number})
        return number

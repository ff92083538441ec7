"""Grades in the store: appended revision by revision, never overwritten."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.events.build import grade_revised
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.calls import Calls, segment_of
from emocx_pbx.store.connection import Connection, Row, Session
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import GradedSegment, GradeKind, GradeRow


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a grade, by a person or another rubric."""

    kind: GradeKind
    grade: Grade
    author: str
    """The author's name, as shown to people and receivers."""
    reason: str
    by: Actor
    """Who did it, for the audit log."""


class Grades:
    """Grades of segments and their revisions."""

    def __init__(
        self,
        connection: Connection,
        calls: Calls,
        outbox: Outbox,
        audit: AuditLog,
        now: Callable[[], float],
    ) -> None:
        self._connection, self._calls, self._outbox, self._audit = connection, calls, outbox, audit
        self._sql = connection.sql
        self._now = now

    async def save(
        self,
        call_id: str,
        segment_index: int,
        grade: Grade,
        events: Sequence[NewEvent] = (),
        at: float | None = None,
    ) -> bool:
        """Store the service's own grade of a segment (revision 0) with its events, in one transaction.

        Returns:
            False if the segment was graded before: then only events that were never queued are added.
        """
        row = GradeRow(call_id, segment_index, 0, "automatic", self._at(at), "emocx-pbx", "", grade)
        async with self._connection.transaction(about=[call_id]) as c:
            added: int = await self._add_grade(c, row)
            await self._outbox.put(c, events)
        self._outbox.tell(events)
        return added > 0

    async def revise(
        self,
        call_id: str,
        segment_index: int,
        revise: Callable[[Segment, GradeRow], Revision],
        at: float | None = None,
    ) -> GradeRow | None:
        """Append a revision to a segment's grade, with its event and its audit entry.

        Args:
            call_id: of the call.
            segment_index: of the segment.
            revise: makes the revision from the newest one, within the transaction, so that none comes in
                between.
            at: Unix seconds; default: now.

        Returns:
            The revision; None: there is no such grade.
        """
        async with self._connection.transaction(about=[call_id]) as c:
            found = await self._sql.newest_grade(c, call_id=call_id, number=segment_index)
            segment = await self._sql.one_segment(c, call_id=call_id, number=segment_index)
            if found is None or segment is None:
                return None
            newest = _grade(found)
            graded = segment_of(segment)
            new = revise(graded, newest)
            number = newest.revision + 1
            row = GradeRow(
                call_id, segment_index, number, new.kind, self._at(at), new.author, new.reason, new.grade
            )
            await self._add_grade(c, row)
            events = [
                grade_revised(
                    graded, row.grade, newest.grade, revision=number, kind=row.kind, author=row.author,
                    reason=row.reason, at=row.at,
                )
            ]  # fmt: skip
            await self._outbox.put(c, events)
            before = {"score": newest.grade.score, "revision": newest.revision}
            after = {"score": row.grade.score, "revision": number, "reason": row.reason, "author": row.author}
            subject = f"{call_id}#{segment_index}"
            await self._audit.note(c, new.by, f"grade.{row.kind}", subject, before, after)
        self._outbox.tell(events)
        return row

    async def of_call(self, call_id: str) -> tuple[GradeRow, ...]:
        """All revisions of the call's grades, by segment and revision."""
        rows = await self._connection.rows("grades_of_call", call_id=call_id)
        return tuple(_grade(row) for row in rows)

    async def between(
        self,
        since: float = -math.inf,
        until: float = math.inf,
        agent: str | None = None,
        limit: int = 1000,
    ) -> list[GradedSegment]:
        """The newest revision of each graded segment that began in a period, newest first."""
        rows = await self._connection.rows("grades", since=since, until=until, agent=agent, limit=limit)
        return [
            GradedSegment(
                _grade(row),
                row["agent"],
                row["queue"],
                row["segment_started_at"],
                row["segment_ended_at"],
                msgspec.json.decode(row["decision_body"], type=Decision) if row["decision_body"] else None,
            )
            for row in rows
        ]

    def _at(self, at: float | None) -> float:
        return self._now() if at is None else at

    async def _add_grade(self, c: Session, row: GradeRow) -> int:
        added: int = await self._sql.add_grade(
            c,
            call_id=row.call_id,
            number=row.segment,
            revision=row.revision,
            kind=row.kind,
            at=row.at,
            author=row.author,
            reason=row.reason,
            score=row.grade.score,
            letter=row.grade.letter,
            rubric=row.grade.rubric,
            body=msgspec.json.encode(row.grade).decode(),
        )
        await self._sql.show_grade(
            c,
            call_id=row.call_id,
            number=row.segment,
            revision=row.revision,
            kind=row.kind,
            at=row.at,
            score=row.grade.score,
            letter=row.grade.letter,
            low=row.grade.low,
            high=row.grade.high,
            evidence_s=row.grade.evidence_s,
        )
        await self._calls.refresh(c, row.call_id)
        return added


def _grade(row: Row) -> GradeRow:
    grade = msgspec.json.decode(row["body"], type=Grade)
    kind: GradeKind = row["kind"]
    return GradeRow(
        row["call_id"], row["number"], row["revision"], kind, row["at"], row["author"], row["reason"], grade
    )

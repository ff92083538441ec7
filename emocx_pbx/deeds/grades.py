"""Deeds on grades: a supervisor's override, an agent's dispute, regrading; by the rubric in force."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emocx_pbx.calls.grades import graded_segment
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.stored import stored_state
from emocx_pbx.domain import Grade, Segment
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.grading.revisions import disputed, overridden
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.grades import Revision
from emocx_pbx.store.rows import GradedSegment, GradeRow

#: Longest reason for a revision or correction, in characters: it is kept for ever and sent to receivers.
REASON_CHARS: Final = 500

#: Revisions made by people, which another rubric does not undo.
_BY_PEOPLE: Final = frozenset({"override", "dispute"})


async def rubric_in_force(store: Store, path: Path | None) -> Rubric:
    """The rubric that the service grades by, whatever its file says now.

    Args:
        store: where the service notes which one it loaded at its start.
        path: the rubric file in the settings, for a database on which no service has run yet.

    Raises:
        SettingsError: there is none in the store, and the file is invalid.
    """
    return await store.in_force.rubric() or load_rubric(path)


async def override(
    store: Store,
    rubric: Rubric,
    call_id: str,
    segment: int,
    score: float,
    reason: str,
    by: Actor,
    author: str | None = None,
) -> GradeRow:
    """Override a grade: append a person's own score; the old grade stays visible.

    Args:
        store: where grades are kept.
        rubric: the one in force; gives the letter.
        call_id: of the call.
        segment: index of its segment.
        score: 0 to 100.
        reason: why, 1 to REASON_CHARS characters.
        by: who does it.
        author: the name shown to people and receivers; default: who does it.

    Raises:
        InputError: the score is not a number from 0 to 100, or the reason is missing or too long.
        NotFoundError: there is no such graded segment.
    """
    reason, author = checked_reason(reason), author or by.name
    if not (math.isfinite(score) and 0 <= score <= 100):
        raise InputError(f"A score is a number from 0 to 100, not {score:g}.")

    def revise(graded: Segment, newest: GradeRow) -> Revision:
        grade = overridden(newest.grade, score, rubric, author, reason)
        return Revision("override", grade, author, reason, by)

    row = await store.grades.revise(call_id, segment, revise)
    if row is None:
        raise _no_grade(call_id, segment)
    return row


async def dispute(
    store: Store,
    call_id: str,
    segment: int,
    reason: str,
    by: Actor,
    author: str | None = None,
    own: str | None = None,
) -> GradeRow:
    """Contest a grade by a revision that says so; a supervisor answers with an override.

    Args:
        store: where grades are kept.
        call_id: of the call.
        segment: index of its segment.
        reason: why, 1 to REASON_CHARS characters.
        by: who does it.
        author: the name shown to people and receivers; default: who does it.
        own: the only agent whose grade may be contested; None: any agent's.

    Raises:
        InputError: the reason is missing or too long.
        NotFoundError: there is no such graded segment, or it is another agent's.
    """
    reason, author = checked_reason(reason), author or by.name

    def revise(graded: Segment, newest: GradeRow) -> Revision:
        if own is not None and graded.agent != own:
            raise _no_grade(call_id, segment)
        return Revision("dispute", disputed(newest.grade, author, reason), author, reason, by)

    row = await store.grades.revise(call_id, segment, revise)
    if row is None:
        raise _no_grade(call_id, segment)
    return row


@dataclass(frozen=True, slots=True)
class Regraded:
    """The grade that another rubric gives to one segment of a call."""

    segment: GradedSegment
    """The grade before."""
    grade: Grade


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The result of regrading."""

    changes: tuple[Regraded, ...]
    looked_at: int
    left_to_people: int
    """Segments whose newest revision is a person's, or whose call is gone."""


async def recompute(
    store: Store,
    rubric: Rubric,
    since: float,
    until: float,
    limit: int,
    by: Actor,
    author: str | None = None,
    *,
    dry_run: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Recomputed:
    """Append a revision where a rubric gives a different grade; revisions made by people stand.

    Args:
        store: where calls are kept.
        rubric: to grade by.
        since: Unix seconds; only segments that began at or after this.
        until: Unix seconds; only segments that began before this.
        limit: most segments to look at, the newest first.
        by: who does it.
        author: the name kept with each revision; default: who does it.
        dry_run: change nothing.
        progress: gets the share done, 0 to 1.
    """
    reason, author = f"recomputed by rubric {rubric.version}", author or by.name
    changes: list[Regraded] = []
    kept = 0
    graded = await store.grades.between(since, until, limit=limit)
    for done, newest in enumerate(graded):
        progress(done / len(graded))
        row = newest.row
        detail = await store.call(row.call_id)
        if detail is None or row.kind in _BY_PEOPLE:
            kept += 1
            continue
        call = stored_state(detail, Rules(rubric))
        new = graded_segment(call, call.segments[row.segment], rubric)
        if (new.score, new.letter, new.rubric) == (row.grade.score, row.grade.letter, row.grade.rubric):
            continue
        revision = Revision("recomputed", new, author, reason, by)
        if not dry_run and not await _regrade(store, row, revision):
            kept += 1
            continue
        changes.append(Regraded(newest, new))
    return Recomputed(tuple(changes), len(graded), kept)


async def _regrade(store: Store, seen: GradeRow, revision: Revision) -> bool:
    """Append the revision unless somebody has revised the grade meanwhile."""

    def revise(graded: Segment, newest: GradeRow) -> Revision:
        if newest.revision != seen.revision:
            raise _Meanwhile
        return revision

    try:
        return await store.grades.revise(seen.call_id, seen.segment, revise) is not None
    except _Meanwhile:
        return False


class _Meanwhile(InputError):
    """Somebody was quicker."""


def checked_reason(reason: str) -> str:
    """A reason as it is kept.

    Raises:
        InputError: it is missing or too long.
    """
    reason = reason.strip()
    if not reason:
        raise InputError("A reason is needed.")
    if len(reason) > REASON_CHARS:
        raise InputError(f"A reason has at most {REASON_CHARS} characters.")
    return reason


def _no_grade(call_id: str, segment: int) -> NotFoundError:
    return NotFoundError(f"no grade of segment {segment} of call {call_id}")

"""`emocx-pbx grades list|show|override|dispute|recompute`: grades, and people's word on them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import (
    Progress,
    add_common,
    existing_store,
    in_loop,
    local,
    moment,
    read_settings,
    show,
    table,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.domain import Grade, Segment
    from emocx_pbx.events.event import NewEvent
    from emocx_pbx.store.rows import GradeKind, GradeRow

#: Longest reason of a revision: it is kept for ever and sent to receivers.
COMMENT_CHARS = 500


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("grades", help="list and show grades; override or dispute one")
    inner = parser.add_subparsers(dest="grades_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="the valid grade of each agent's part, newest first")
    listing.add_argument(
        "--since", type=moment, default=-math.inf, metavar="TIME", help="e.g. 7d, 2026-11-24"
    )
    listing.add_argument("--until", type=moment, default=math.inf, metavar="TIME")
    listing.add_argument("--agent", help="only of this agent")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (default 50)")
    add_common(listing, in_loop(_list))
    one = inner.add_parser("show", help="every revision of a call's grades, with reasons")
    one.add_argument("call_id")
    add_common(one, in_loop(_show))
    override = inner.add_parser("override", help="append a grade of your own; the old one stays visible")
    override.add_argument("--score", type=float, required=True, help="0 to 100")
    dispute = inner.add_parser("dispute", help="append that the agent contests the grade")
    for kind, revising in (("override", override), ("dispute", dispute)):
        revising.add_argument("call_id")
        revising.add_argument(
            "--segment", type=int, default=0, help="the agent's part (default 0, the first)"
        )
        revising.add_argument("--author", required=True, help="who says so")
        revising.add_argument("--reason", required=True, help="why; kept for ever and sent to receivers")
        revising.set_defaults(kind=kind)
        add_common(revising, in_loop(_revise))
    again = inner.add_parser("recompute", help="grade stored calls by another rubric")
    again.add_argument("--rubric", type=Path, metavar="FILE", help="default: the settings' rubric")
    again.add_argument("--since", type=moment, default=-math.inf, metavar="TIME", help="e.g. 7d, 2026-11-24")
    again.add_argument("--until", type=moment, default=math.inf, metavar="TIME")
    again.add_argument("--limit", type=int, default=10_000, help="at most so many parts (default 10000)")
    again.add_argument("--dry-run", action="store_true", help="only show what would change")
    again.add_argument("--author", default="emocx-pbx", help="who wants it; kept with the revision")
    add_common(again, in_loop(_recompute))


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        graded = await store.grades(args.since, args.until, args.agent, limit=args.limit)
    rows = [
        (g.row.call_id, g.row.segment, g.agent, g.queue, local(g.started_at), score(g.row),
         g.row.grade.letter, f"{g.row.grade.evidence_s:.0f} s", g.row.kind)
        for g in graded
    ]  # fmt: skip
    head = ("call", "part", "agent", "queue", "began", "score", "letter", "evidence", "kind")
    show(args, {"grades": graded}, lambda: table(head, rows, "no grades"))
    return 0


async def _show(args: argparse.Namespace) -> int:
    from emocx_pbx.commands.calls import grade_words

    async with existing_store(read_settings(args)) as store:
        rows = await store.grades_of_call(args.call_id)
    if not rows:
        raise InputError(f"no grade of call {args.call_id} in the database")
    text = "\n".join("\n  ".join([f"part {row.segment}, {local(row.at)}", *grade_words(row)]) for row in rows)
    show(args, {"grades": rows}, lambda: text)
    return 0


async def _revise(args: argparse.Namespace) -> int:
    if len(args.reason) > COMMENT_CHARS:
        raise InputError(f"--reason: expected at most {COMMENT_CHARS} characters")
    from emocx_pbx.grading.revisions import disputed, overridden
    from emocx_pbx.grading.rubric import load_rubric

    kind: GradeKind = args.kind
    settings = read_settings(args)
    async with existing_store(settings) as store:
        rows = [r for r in await store.grades_of_call(args.call_id) if r.segment == args.segment]
        if not rows:
            raise InputError(f"no grade of part {args.segment} of call {args.call_id} in the database")
        segment = next(s for s in await store.segments(args.call_id) if s.index == args.segment)
        newest = rows[-1]
        if kind == "override":
            rubric = load_rubric(settings.rubric_path())
            grade = overridden(newest.grade, args.score, rubric, args.author, args.reason)
        else:
            grade = disputed(newest.grade, args.author, args.reason)
        row = await store.revise_grade(
            args.call_id, args.segment, grade, kind=kind, author=args.author, reason=args.reason,
            events=_revised(segment, newest.grade),
        )  # fmt: skip
    show(args, row, lambda: f"revision {row.revision} of part {row.segment} appended: {score(row)}")
    return 0


async def _recompute(args: argparse.Namespace) -> int:
    """Append a revision where the rubric gives another grade; people's own overrides stand."""
    from emocx_pbx.calls.call_state import Rules
    from emocx_pbx.calls.grades import graded_part
    from emocx_pbx.calls.stored import stored_state
    from emocx_pbx.grading.rubric import load_rubric

    settings = read_settings(args)
    rubric = load_rubric(args.rubric or settings.rubric_path())
    changes: list[dict[str, Any]] = []
    kept = 0
    async with existing_store(settings) as store:
        progress = Progress("recomputing")
        graded = await store.grades(args.since, args.until, limit=args.limit)
        for done, newest in enumerate(graded):
            progress(done / len(graded))
            row = newest.row
            detail = await store.call(row.call_id)
            if detail is None or row.kind in {"override", "dispute"}:
                kept += 1
                continue
            call = stored_state(detail, Rules(rubric))
            segment = call.segments[row.segment]
            new = graded_part(call, segment, rubric)
            if (new.score, new.letter, new.rubric) == (row.grade.score, row.grade.letter, row.grade.rubric):
                continue
            changes.append(
                {"call_id": row.call_id, "segment": row.segment, "agent": newest.agent,
                 "before": row.grade.score, "after": new.score, "letter_before": row.grade.letter,
                 "letter_after": new.letter}
            )  # fmt: skip
            if not args.dry_run:
                await store.revise_grade(
                    row.call_id, row.segment, new, kind="recomputed", author=args.author,
                    reason=f"recomputed by rubric {rubric.version}",
                    events=_revised(segment, row.grade),
                )  # fmt: skip
        progress.close()
    head = ("call", "part", "agent", "before", "after")
    rows = [
        (c["call_id"], c["segment"], c["agent"], f"{_points(c['before'])} {c['letter_before'] or ''}",
         f"{_points(c['after'])} {c['letter_after'] or ''}")
        for c in changes
    ]  # fmt: skip
    verb = "would change" if args.dry_run else "changed"
    end = f"\n{len(changes)} of {len(graded)} grades {verb}; {kept} that people revised were left"
    result = {"changes": changes, "looked_at": len(graded), "left_to_people": kept, "dry_run": args.dry_run}
    show(args, result, lambda: table(head, rows, "no grade is different") + end)
    return 0


def _revised(segment: Segment, before: Grade) -> Callable[[GradeRow], Sequence[NewEvent]]:
    """Builds what receivers hear of a revision."""
    from emocx_pbx.events.build import grade_revised

    return lambda row: [
        grade_revised(
            segment, row.grade, before, revision=row.revision, kind=row.kind, author=row.author,
            reason=row.reason, at=row.at,
        )
    ]  # fmt: skip


def _points(score: float | None) -> str:
    return "-" if score is None else f"{score:.0f}"


def score(row: GradeRow) -> str:
    """A grade's score for people."""
    return "insufficient evidence" if row.grade.score is None else f"{row.grade.score:.0f}"

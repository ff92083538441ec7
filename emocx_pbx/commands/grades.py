"""`emocx-pbx grades list|show|override|dispute|recompute`: grades, and their revisions by people."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import (
    Progress,
    add_common,
    add_limit,
    add_times,
    existing_store,
    in_loop,
    local,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError, SettingsError

if TYPE_CHECKING:
    from emocx_pbx.grading.rubric import Rubric
    from emocx_pbx.store.rows import GradeRow


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("grades", help="list and show grades; override or dispute one")
    inner = parser.add_subparsers(dest="grades_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="the valid grade of each agent's segment, newest first")
    add_times(listing)
    listing.add_argument("--agent", help="only of this agent")
    add_limit(listing)
    add_common(listing, in_loop(_list))
    one = inner.add_parser("show", help="every revision of a call's grades, with reasons")
    one.add_argument("call_id")
    add_common(one, in_loop(_show))
    override = inner.add_parser("override", help="append a grade of your own; the old one stays visible")
    override.add_argument("--score", type=float, required=True, help="0 to 100")
    dispute = inner.add_parser("dispute", help="record that the agent contests the grade")
    for kind, revising in (("override", override), ("dispute", dispute)):
        revising.add_argument("call_id")
        revising.add_argument(
            "--segment", type=int, default=0, help="the agent's segment (default 0, the first)"
        )
        revising.add_argument("--author", required=True, help="who says so")
        revising.add_argument("--reason", required=True, help="why; kept for ever and sent to receivers")
        revising.set_defaults(kind=kind)
        add_common(revising, in_loop(_revise))
    again = inner.add_parser("recompute", help="grade stored calls by another rubric")
    again.add_argument("--rubric", type=Path, metavar="FILE", help="default: the rubric in force")
    add_times(again)
    again.add_argument("--limit", type=int, default=10_000, help="at most this many segments (default 10000)")
    again.add_argument("--dry-run", action="store_true", help="only show what would change")
    again.add_argument("--author", default="emocx-pbx", help="who wants it; kept with the revision")
    add_common(again, in_loop(_recompute))


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        graded = await store.grades.between(args.since, args.until, args.agent, limit=args.limit)
    rows = [
        (g.row.call_id, g.row.segment, g.agent, g.queue, local(g.started_at), score(g.row),
         g.row.grade.letter, f"{g.row.grade.evidence_s:.0f} s", g.row.kind)
        for g in graded
    ]  # fmt: skip
    head = ("call", "segment", "agent", "queue", "began", "score", "letter", "evidence", "kind")
    show(args, {"grades": graded}, lambda: table(head, rows, "no grades"))
    return 0


async def _show(args: argparse.Namespace) -> int:
    from emocx_pbx.commands.calls import grade_words

    async with existing_store(read_settings(args)) as store:
        rows = await store.grades.of_call(args.call_id)
    if not rows:
        raise InputError(f"no grade of call {args.call_id} in the database")
    text = "\n".join(
        "\n  ".join([f"segment {row.segment}, {local(row.at)}", *grade_words(row)]) for row in rows
    )
    show(args, {"grades": rows}, lambda: text)
    return 0


async def _revise(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds import grades

    settings, by = read_settings(args), system_user()
    async with existing_store(settings) as store:
        which = (args.call_id, args.segment)
        if args.kind == "override":
            rubric = await grades.rubric_in_force(store, settings.rubric_path())
            row = await grades.override(store, rubric, *which, args.score, args.reason, by, args.author)
        else:
            row = await grades.dispute(store, *which, args.reason, by, args.author)
    show(args, row, lambda: f"revision {row.revision} of segment {row.segment} appended: {score(row)}")
    return 0


async def _recompute(args: argparse.Namespace) -> int:
    """Append a revision where the rubric gives a different grade; revisions made by people stand."""
    from emocx_pbx.deeds import grades
    from emocx_pbx.grading.rubric import load_rubric

    settings = read_settings(args)
    async with existing_store(settings) as store:
        if args.rubric is not None:
            rubric = load_rubric(args.rubric)
        else:
            rubric = await grades.rubric_in_force(store, settings.rubric_path())
            if not _is_the_files(rubric, settings.rubric_path()):
                print(
                    "emocx-pbx: the rubric's file is another one than the service started with: "
                    "restart the service, or name the file by --rubric",
                    file=sys.stderr,
                )
        progress = Progress("recomputing")
        done = await grades.recompute(
            store, rubric, args.since, args.until, args.limit, system_user(), args.author,
            dry_run=args.dry_run, progress=progress,
        )  # fmt: skip
        progress.close()
    changes: list[dict[str, Any]] = [
        {"call_id": c.segment.row.call_id, "segment": c.segment.row.segment, "agent": c.segment.agent,
         "before": c.segment.row.grade.score, "after": c.grade.score,
         "letter_before": c.segment.row.grade.letter, "letter_after": c.grade.letter}
        for c in done.changes
    ]  # fmt: skip
    head = ("call", "segment", "agent", "before", "after")
    rows = [
        (c["call_id"], c["segment"], c["agent"], f"{_points(c['before'])} {c['letter_before'] or ''}",
         f"{_points(c['after'])} {c['letter_after'] or ''}")
        for c in changes
    ]  # fmt: skip
    verb = "would change" if args.dry_run else "changed"
    left = done.left_to_people
    end = f"\n{len(changes)} of {done.looked_at} grades {verb}; {left} that people revised were left"
    result = {
        "changes": changes,
        "looked_at": done.looked_at,
        "left_to_people": left,
        "dry_run": args.dry_run,
    }
    show(args, result, lambda: table(head, rows, "no grade is different") + end)
    return 0


def _is_the_files(rubric: Rubric, path: Path | None) -> bool:
    from emocx_pbx.grading.rubric import load_rubric

    try:
        return load_rubric(path) == rubric
    except SettingsError:
        return False


def _points(score: float | None) -> str:
    return "-" if score is None else f"{score:.0f}"


def score(row: GradeRow) -> str:
    """A grade's score for people."""
    return "insufficient evidence" if row.grade.score is None else f"{row.grade.score:.0f}"

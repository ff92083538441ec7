"""`emocx-pbx calls list|show`: calls that the service knows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from emocx_pbx.commands.analyse import grade_lines
from emocx_pbx.commands.shared import (
    add_common,
    add_limit,
    add_times,
    existing_store,
    in_loop,
    local,
    mm_ss,
    read_settings,
    show,
    table,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.store.rows import CallDetail, GradeRow


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("calls", help="list calls, show one with its readings and grades")
    inner = parser.add_subparsers(dest="calls_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="calls, newest first")
    add_times(listing)
    listing.add_argument("--queue", help="only of this queue")
    listing.add_argument("--agent", help="only with this agent")
    add_limit(listing)
    add_common(listing, in_loop(_list))
    one = inner.add_parser("show", help="all that is known about one call")
    one.add_argument("call_id")
    add_common(one, in_loop(_show))


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        calls = await store.calls.between(args.since, args.until, args.queue, args.agent, limit=args.limit)
    rows = [(c.call_id, local(c.started_at), local(c.ended_at), c.queue, c.disposition) for c in calls]
    head = ("call", "started", "ended", "queue", "outcome")
    show(args, {"calls": calls}, lambda: table(head, rows, "no calls"))
    return 0


async def _show(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        detail = await store.call(args.call_id)
    if detail is None:
        raise InputError(f"no call {args.call_id} in the database")
    show(args, detail, lambda: words(detail))
    return 0


def words(detail: CallDetail) -> str:
    """A call for people: decision, segments, signals over time, grades with reasons."""
    call = detail.call
    lines = [
        f"call {call.call_id}  {local(call.started_at)} to {local(call.ended_at)}"
        + (f"  ({call.disposition}, {call.end_reason})" if call.end_reason else "  (still open)"),
    ]
    if call.callback:
        lines.append(f"callback {call.callback}")
    for visit in detail.visits:
        lines.append(
            f"queue {visit.queue}: {local(visit.entered_at)} to {local(visit.left_at)} ({visit.left})"
        )
    if detail.decision:
        lines += ["decision"] + [f"  {reason}" for reason in detail.decision.decision.reasons]
    lines.append("signals in the customer's speech" if detail.readings else "no readings")
    for reading in detail.readings:
        scores = reading.scores
        lines.append(
            f"  {mm_ss(reading.t0):>6}-{mm_ss(reading.t1):<6} {scores.emotion:<13} {scores.confidence:.2f}"
            f"  {'#' * round(10 * scores.confidence)}"
        )
    for alert in detail.alerts:
        until = f", over {local(alert.cleared_at)} ({alert.clear_reason})" if alert.cleared_at else ""
        lines.append(f"alert {alert.rule} at {mm_ss(alert.t1)}{until}: {alert.message}")
    newest = {row.segment: row for row in detail.grades}
    for segment in detail.segments:
        why = " ".join(part for part in (segment.end_reason, segment.ended_to) if part)
        lines.append(
            f"segment {segment.index}: {segment.agent} via {segment.via}, {local(segment.started_at)} to "
            f"{local(segment.ended_at)}" + (f" ({why})" if why else "")
        )
        if segment.index in newest:
            lines += [f"  {line}" for line in grade_words(newest[segment.index])]
    return "\n".join(lines)


def grade_words(row: GradeRow) -> list[str]:
    """A grade's revision with its sum, for people."""
    head, *rest = grade_lines(row.grade)
    if row.revision:
        rest.insert(0, f"revision {row.revision} ({row.kind}) by {row.author}: {row.reason}")
    return [head, *rest]

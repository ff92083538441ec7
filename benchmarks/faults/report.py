"""A run's outcome as JSON and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.faults.history import History
from benchmarks.faults.judge import IN_QUEUE_S, KINDS, Row, Verdict

#: Columns of counts; what concerns no single call is told below the table.
COUNTS: Final = (
    "late", "not_started", "not_ended", "ended_twice", "disorder", "ungraded", "overgraded", "two_bodies",
    "undelivered",
)  # fmt: skip
LATE: Final = "not in a queue within {} s"
HEADINGS: Final = (
    "fault", "times", "callers", "slowest to a queue, s", "without decision", LATE,
    "no call.started", "no call.ended", "two", "sequence", "no grade", "too many", "two bodies",
    "undelivered", "end told after, s", "repeated", "unseen",
)  # fmt: skip


def as_json(history: History, verdict: Verdict, conditions: dict[str, Any]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        **conditions,
        "kept": verdict.kept,
        "rows": [asdict(row) for row in verdict.rows],
        "total": asdict(verdict.total),
        "findings": [asdict(finding) for finding in verdict.findings],
        "windows": [asdict(window) for window in history.windows],
        "measures": history.measures and asdict(history.measures),
        "stalls": history.stalls,
        "talks": sum(len(caller.talks) for caller in history.callers),
        "events": len({delivery.event_id for delivery in history.deliveries if delivery.accepted}),
        "deliveries": len(history.deliveries),
    }


def table(rows: Sequence[Row], total: Row, in_queue_s: float = IN_QUEUE_S) -> list[str]:
    """The rows in Markdown, aligned for people too."""
    cells = [
        [heading.format(f"{in_queue_s:g}") for heading in HEADINGS],
        *(_cells(row) for row in (*rows, total)),
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _cells(row: Row) -> list[str]:
    counts = [str(row.findings[kind]) for kind in COUNTS]
    return [
        row.fault, str(row.times), str(row.callers), _seconds(row.slowest_to_queue_s), str(row.by_default),
        *counts, _seconds(row.told_after_s), str(row.repeated), str(row.unseen),
    ]  # fmt: skip


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def details(history: History, verdict: Verdict, most: int = 40) -> list[str]:
    """What the table does not say: usage, and each finding."""
    measures = history.measures
    lines = []
    for moment in ("idle", "warm", "late", "end"):
        usage = getattr(measures, moment, None)
        if usage is not None:
            lines.append(
                f"{moment}: controller {usage.controller_mib:.0f} MiB, {usage.controller_fds} descriptors; "
                f"workers {usage.workers_mib:.0f} MiB, {usage.workers_fds} descriptors; "
                f"web {usage.web_mib:.0f} MiB, {usage.web_fds} descriptors"
            )
    came = {caller.call_id: caller.arrived for caller in history.callers}
    for at, stood_s in history.stalls:
        held = [c for c, arrived in came.items() if at - 2.0 <= arrived <= at + stood_s]
        lines.append(f"the machine stood still for {stood_s:.1f} s; then came: {' '.join(held) or 'nobody'}")
    for finding in verdict.findings[:most]:
        lived = f" [{'; '.join(finding.faults)}]" if finding.faults else ""
        lines.append(f"{KINDS[finding.kind]}: {finding.subject}: {finding.what}{lived}")
    if len(verdict.findings) > most:
        lines.append(f"and {len(verdict.findings) - most} more (--json tells all)")
    return lines

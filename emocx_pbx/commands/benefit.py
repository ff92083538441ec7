"""`emocx-pbx benefit`: what routing by signals brought, against the holdout."""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import (
    Progress,
    add_common,
    add_times,
    existing_store,
    in_loop,
    read_settings,
    show,
    table,
)

if TYPE_CHECKING:
    from emocx_pbx.routing.benefit import CallResult, Comparison
    from emocx_pbx.store.database import Store

#: Newest calls looked at.
LIMIT = 100_000


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("benefit", help="compare routed calls with the holdout")
    add_times(parser, "30d, 2026-11-24")
    add_common(parser, in_loop(_benefit))


async def _benefit(args: argparse.Namespace) -> int:
    from emocx_pbx.routing.benefit import compare

    async with existing_store(read_settings(args)) as store:
        results = await _results(store, args.since, args.until)
    comparisons = compare(results)
    show(args, {"calls": len(results), "comparisons": comparisons}, lambda: words(comparisons))
    return 0


async def _results(store: Store, since: float, until: float) -> list[CallResult]:
    """Ended calls with a decision that was acted on, or left alone for the holdout."""
    from emocx_pbx.routing.benefit import CallResult

    decided = {
        row.call_id: row.decision.status
        for row in await store.decisions.between(since, until, LIMIT)
        if row.call_id and row.decision.status in {"ok", "default", "holdout"}
    }
    scores: dict[str, list[float]] = defaultdict(list)
    for graded in await store.grades.between(since, until, limit=LIMIT):
        if graded.row.grade.score is not None:
            scores[graded.row.call_id].append(graded.row.grade.score)
    calls = [
        c for c in await store.calls.between(since, until, limit=LIMIT) if c.ended_at and c.call_id in decided
    ]
    progress = Progress("reading calls")
    results = []
    for done, call in enumerate(calls):
        progress(done / len(calls))
        segments = await store.calls.segments(call.call_id)
        own = scores.get(call.call_id)
        results.append(
            CallResult(
                call.customer_key or call.call_id,
                "holdout" if decided[call.call_id] == "holdout" else "routed",
                sum(own) / len(own) if own else None,
                not segments,
                segments[0].started_at - call.started_at if segments else None,
                sum((s.ended_at or s.started_at) - s.started_at for s in segments) if segments else None,
            )
        )
    progress.close()
    return results


def words(comparisons: list[Comparison]) -> str:
    """A table, and plainly whether anything can be said."""
    rows = [
        (
            f"{c.measure} ({c.unit})", _number(c.routed), _number(c.holdout), _number(c.difference),
            f"{_number(c.low)} to {_number(c.high)}" if c.low is not None else "-",
            f"{c.routed_customers} / {c.holdout_customers}", c.verdict,
        )
        for c in comparisons
    ]  # fmt: skip
    head = ("measure", "routed", "holdout", "difference", "95 % interval", "customers", "verdict")
    text = table(head, rows, "")
    if all(c.verdict == "can't tell yet" for c in comparisons):
        text += "\nNothing can be told yet: the differences may be chance. More calls narrow the intervals."
        if not any(c.holdout_customers for c in comparisons):
            text += " There is no holdout: set routing.holdout, e.g. to 0.1."
    return text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"

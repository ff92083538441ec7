"""Rows of the database as items of people's lists. Pure."""

from __future__ import annotations

from typing import Final

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.store.list_rows import CallItem, QueueStays, SegmentItem
from emocx_pbx.store.sql import Row

#: Between the items of a list in one column.
_SEPARATOR: Final = "\x1f"


def call_item(row: Row) -> CallItem:
    """A list item from a row of `view_calls`."""
    queued, answered = row["queued_at"], row["answered_at"]
    over = answered if answered is not None else row["ended_at"]
    # A callback's ringing is not waiting.
    since = queued if queued is not None or row["callback"] is not None else row["started_at"]
    wait_s = None if over is None or since is None else max(0.0, over - since)
    return CallItem(
        row["call_id"],
        row["started_at"],
        row["ended_at"],
        row["end_reason"],
        row["queue"],
        row["customer_key"],
        row["caller"],
        row["status"],
        row["arrived_as"],
        row["left_as"],
        row["valence"],
        row["topic"],
        wait_s,
        row["talk_s"],
        _listed(row["agents"]),
        _listed(row["letters"]),
        row["score"],
        row["alerts"],
        bool(row["disputed"]),
        row["disposition"],
        row["hung_up_by"],
        row["callback"],
        tuple(row["visits"].split(_SEPARATOR)) if row["visits"] else (),
        tuple(row["transfers"].split(_SEPARATOR)) if row["transfers"] else (),
        pbx_of(row["call_id"]),
    )


def queue_stays(row: Row) -> QueueStays:
    """Stays in queues that share their facts, from one row of `queue_stays`."""
    waits = tuple(map(float, row["waits"].split(" ")))
    if min(waits) < 0.0:  # as where clocks differ
        waits = tuple([max(0.0, wait) for wait in waits])
    pbx, queue, left, arrived_as, left_as, ended, place = row[:7]
    score_sum = row["score_sum"] or 0.0
    return QueueStays(
        pbx, queue, left, arrived_as, left_as, bool(ended), place, waits, row["scored"], score_sum
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(text[1:-1].split(_SEPARATOR)) if text else ()


def segment_item(row: Row) -> SegmentItem:
    """A list item from a row of `view_grades`."""
    return SegmentItem(
        row["call_id"],
        row["number"],
        row["agent"],
        row["queue"],
        row["via"],
        row["started_at"],
        row["ended_at"],
        row["arrived_as"],
        row["score"],
        row["letter"],
        row["low"],
        row["high"],
        row["evidence_s"],
        row["revision"],
        row["grade_kind"],
        row["graded_at"],
        row["end_reason"],
        row["ended_to"],
        pbx_of(row["call_id"]),
    )

"""Writes of calls, carried out on the store: each one transaction, each idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from emocx_pbx.calls.effects import (
    LearnLines,
    Write,
    WriteAlerts,
    WriteDecision,
    WriteEnd,
    WriteGrade,
    WriteHold,
    WriteOptOut,
    WriteReadings,
    WriteSegment,
    WriteSpans,
    WriteStart,
    WriteTapped,
    WriteVisit,
)
from emocx_pbx.store.database import Store


async def carry_out_small(store: Store, writes: Sequence[WriteReadings | WriteSpans]) -> None:
    """Write readings and utterances in one transaction, all or none.

    Raises:
        StoreUnavailable: the store does not take changes now.
        StoreError: it never will take one of these.
    """
    readings = [w for w in writes if isinstance(w, WriteReadings)]
    await store.readings.add_many(
        [(w.call_id, w.readings, w.at, w.events) for w in readings],
        [(w.call_id, w.spans) for w in writes if isinstance(w, WriteSpans)],
    )


async def carry_out(store: Store, write: Write) -> None:
    """Write it.

    Raises:
        StoreUnavailable: the store does not take changes now; nothing of it was written.
        StoreError: it never will take this one.
    """
    match write:
        case WriteDecision():
            await store.decisions.record(
                write.decision, write.call_id, write.customer_key, write.text, write.events
            )
        case WriteStart():
            await store.calls.start(
                write.call_id,
                write.at,
                write.customer_key,
                write.caller,
                write.queue,
                write.decision_id,
                write.events,
                write.queued_at,
                write.callback,
            )
        case WriteOptOut():
            await store.calls.opt_out(write.call_id)
        case WriteVisit():
            await store.calls.save_visit(write.call_id, write.index, write.visit)
        case WriteSegment():
            await store.calls.save_segment(write.segment)
        case WriteHold():
            await store.calls.set_hold(write.call_id, write.at, write.on_hold)
        case WriteTapped():
            await store.calls.set_tapped(write.call_id, write.at)
        case WriteReadings():
            await store.readings.add(write.call_id, write.readings, write.at, write.events)
        case WriteSpans():
            await store.readings.add_spans(write.call_id, write.spans)
        case WriteAlerts():
            await store.alerts.save(write.rows, write.events)
        case WriteGrade():
            await store.grades.save(write.call_id, write.index, write.grade, write.events)
        case LearnLines():
            await store.lines.learn(write.call_id, write.model, write.lines, write.caller, write.at)
        case WriteEnd():
            await store.calls.end(
                write.call_id,
                write.at,
                write.reason,
                write.events,
                disposition=write.disposition,
                hung_up_by=write.hung_up_by,
                callback=write.callback,
            )
        case _:
            assert_never(write)

"""Writes of calls, carried out on the store: each one transaction, each idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
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
    WriteWords,
)
from emocx_pbx.domain import Words
from emocx_pbx.store.database import Store


class Writing:
    """Carries out what the ledger hands it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write_together(self, writes: Sequence[Write]) -> None:
        """Write changes in their order, in one transaction where the database can.

        Raises:
            StoreUnavailable: the store does not take changes now.
            StoreError: it never will take one of these.
        """
        async with self._store.together(durable=not all(map(_may_be_lost, writes))):
            for small, group in groupby(writes, key=_is_small):
                if small:
                    await self._write_small([w for w in group if isinstance(w, WriteReadings | WriteSpans)])
                    continue
                for write in group:
                    await self.write(write)

    async def _write_small(self, writes: Sequence[WriteReadings | WriteSpans]) -> None:
        """Readings and utterances, whose order among themselves is of no matter."""
        await self._store.readings.add_many(
            [(w.call_id, w.readings, w.at, w.events) for w in writes if isinstance(w, WriteReadings)],
            [(w.call_id, w.spans) for w in writes if isinstance(w, WriteSpans)],
        )

    async def write(self, write: Write) -> None:
        """Write it.

        Raises:
            StoreUnavailable: the store does not take changes now; nothing of it was written.
            StoreError: it never will take this one.
        """
        match write:
            case WriteDecision():
                await self._store.decisions.record(
                    write.decision, write.call_id, write.customer_key, write.text, write.events
                )
            case WriteStart():
                await self._store.calls.start(
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
                await self._store.calls.opt_out(write.call_id)
            case WriteVisit():
                await self._store.calls.save_visit(write.call_id, write.index, write.visit)
            case WriteSegment():
                await self._store.calls.save_segment(write.segment)
            case WriteHold():
                await self._store.calls.set_hold(write.call_id, write.at, write.on_hold)
            case WriteTapped():
                await self._store.calls.set_tapped(write.call_id, write.at)
            case WriteReadings():
                await self._store.readings.add(write.call_id, write.readings, write.at, write.events)
            case WriteSpans():
                await self._store.readings.add_spans(write.call_id, write.spans)
            case WriteWords():
                await self._store.readings.add_words(write.call_id, Words(write.t0, write.t1, write.text))
            case WriteAlerts():
                await self._store.alerts.save(write.rows, write.events)
            case WriteGrade():
                await self._store.grades.save(write.call_id, write.index, write.grade, write.events)
            case LearnLines():
                await self._store.lines.learn(write.call_id, write.model, write.lines, write.caller, write.at)
            case WriteEnd():
                await self._store.calls.end(
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


def _is_small(write: Write) -> bool:
    return isinstance(write, WriteReadings | WriteSpans)


def _may_be_lost(write: Write) -> bool:
    """A power cut may take it: grades are made from memory, and no receiver is told of it."""
    return isinstance(write, WriteSpans) or (isinstance(write, WriteReadings) and not write.events)

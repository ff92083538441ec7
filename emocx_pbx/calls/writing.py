"""Carries out writes about calls on the store: each is one transaction and idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol, assert_never

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
from emocx_pbx.errors import LeaseLost
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term, fenced


class InOffice(Protocol):
    """Knows for which PBXes this controller acts now."""

    def term_of(self, call_id: str) -> Term:
        """The number of our term for the call's PBX.

        Raises:
            LeaseLost: another controller acts for it.
        """

    def refused(self, term: Term) -> None:
        """Call when the store refused a write because this term is over."""


class Writing:
    """Carries out the ledger's changes; those about a call only while its PBX is ours to act for."""

    def __init__(self, store: Store, office: InOffice | None = None) -> None:
        """`office` knows which PBXes are ours; None: nobody else could act."""
        self._store, self._office = store, office

    async def write_together(self, writes: Sequence[Write]) -> None:
        """Write changes in order, in one transaction if the database can.

        Raises:
            StoreUnavailable: the store does not accept changes now.
            StoreError: it will never accept one of these.
        """
        async with self._store.together(durable=not all(map(_may_be_lost, writes))):
            for small, group in groupby(writes, key=_is_small):
                if small:
                    await self._write_small([w for w in group if isinstance(w, WriteReadings | WriteSpans)])
                    continue
                for write in group:
                    await self.write(write)

    def _terms(self, writes: Sequence[Write]) -> list[Term]:
        if self._office is None:
            return []
        return [self._office.term_of(call_id) for write in writes for call_id in calls_of(write)]

    async def _write_small(self, writes: Sequence[WriteReadings | WriteSpans]) -> None:
        """Readings and utterances, whose order among themselves does not matter."""
        with fenced(self._terms(writes)):
            await self._store.readings.add_many(
                [(w.call_id, w.readings, w.at, w.events) for w in writes if isinstance(w, WriteReadings)],
                [(w.call_id, w.spans) for w in writes if isinstance(w, WriteSpans)],
            )

    async def write(self, write: Write) -> None:
        """Write it.

        Raises:
            StoreUnavailable: the store does not accept changes now; nothing was written.
            StoreError: it will never accept this one; LeaseLost: another controller acts for its PBX.
        """
        terms = self._terms([write])
        try:
            with fenced(terms):
                await self._carry_out(write)
        except LeaseLost:
            if self._office is not None:
                self._office.refused(terms[0])
            raise

    async def write_in_term(self, write: Write, term: Term | None) -> None:
        """Write a change that was kept, in the term in which it was made; None: any controller may write it.

        Raises:
            StoreUnavailable, StoreError: as `write`; LeaseLost: that term is over.
        """
        with fenced([] if term is None else [term]):
            await self._carry_out(write)

    async def _carry_out(self, write: Write) -> None:
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


def calls_of(write: Write) -> Sequence[str]:
    """Ids of the calls that a change is about, all of one PBX. None if it is a query that has no call yet, or
    whose call another controller continues: any controller may decide those.
    """
    match write:
        case WriteSegment(segment=segment):
            return [segment.call_id]
        case WriteAlerts(rows=rows):
            return [row.call_id for row in rows]
        case WriteDecision(call_id=call_id, ours=ours):
            return [call_id] if call_id is not None and ours else []
        case _:
            return [write.call_id]


def _is_small(write: Write) -> bool:
    return isinstance(write, WriteReadings | WriteSpans)


def _may_be_lost(write: Write) -> bool:
    """A power cut may lose it: grades are made from memory, and no receiver is told of it."""
    return isinstance(write, WriteSpans) or (isinstance(write, WriteReadings) and not write.events)

"""Readings and utterances of calls, and people's labels for readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import msgspec

from emocx_pbx.domain import LABELS, LineZero, Reading, Scores, Span, Words
from emocx_pbx.events.event import NewEvent
from emocx_pbx.events.json_text import json_text
from emocx_pbx.store.audit import AuditLog, Entry
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import CorrectionRow

_PLAIN = tuple[float, float, float, float]


class Readings:
    """Readings and spans of calls; every method is one transaction or one read."""

    def __init__(self, connection: Connection, outbox: Outbox, audit: AuditLog) -> None:
        self._connection, self._outbox, self._audit = connection, outbox, audit
        self._sql = connection.sql

    async def add(
        self,
        call_id: str,
        readings: Sequence[Reading],
        at: float | None = None,
        events: Sequence[NewEvent] = (),
    ) -> None:
        """Store readings with their events; `at` moves last_seen_at.

        Each is stored once, by its times; one with words replaces the one without.
        """
        rows = [_reading_values(call_id, reading) for reading in readings]
        async with self._connection.transaction(durable=bool(events), about=[call_id]) as c:
            await self._sql.add_readings(c, rows)
            if at is not None:
                await self._sql.touch_call(c, call_id=call_id, at=at)
            await self._outbox.put(c, events)
        self._outbox.tell(events)

    async def add_spans(self, call_id: str, spans: Sequence[Span]) -> None:
        """Store utterances of either side (each once, by side and begin)."""
        async with self._connection.transaction(durable=False, about=[call_id]) as c:
            await self._sql.add_spans(c, _span_values(call_id, spans))

    async def add_many(
        self,
        read: Sequence[tuple[str, Sequence[Reading], float | None, Sequence[NewEvent]]],
        spans: Sequence[tuple[str, Sequence[Span]]],
    ) -> None:
        """The work of `add` and `add_spans`, for many calls in one transaction."""
        events = [event for _, _, _, events_of in read for event in events_of]
        latest = {call_id: at for call_id, _, at, _ in read if at is not None}  # each call's are in order
        about = {call_id for call_id, *_ in read} | {call_id for call_id, _ in spans}
        async with self._connection.transaction(durable=bool(events), about=about) as c:
            rows = [
                _reading_values(call_id, reading) for call_id, readings, _, _ in read for reading in readings
            ]
            if rows:
                await self._sql.add_readings(c, rows)
            for call_id, at in latest.items():
                await self._sql.touch_call(c, call_id=call_id, at=at)
            if spans:
                await self._sql.add_spans(
                    c, [row for call_id, said in spans for row in _span_values(call_id, said)]
                )
            await self._outbox.put(c, events)
        self._outbox.tell(events)

    async def of_call(self, call_id: str) -> tuple[Reading, ...]:
        """The call's readings, by time."""
        return tuple(_reading(row) for row in await self._connection.rows("readings", call_id=call_id))

    async def spans(self, call_id: str) -> tuple[Span, ...]:
        """The call's utterances of both sides, by time."""
        rows = await self._connection.rows("spans", call_id=call_id)
        return tuple(Span(row["side"], row["t0"], row["t1"]) for row in rows)

    async def add_words(self, call_id: str, words: Words) -> None:
        """Store what the customer said (each stretch once, by its begin)."""
        async with self._connection.transaction(durable=False) as c:
            await self._sql.add_words(c, call_id=call_id, t0=words.t0, t1=words.t1, text=words.text)

    async def words(self, call_id: str) -> tuple[Words, ...]:
        """What the customer said, by time, if it was kept."""
        rows = await self._connection.rows("said", call_id=call_id)
        return tuple(Words(row["t0"], row["t1"], row["text"]) for row in rows)

    async def correct(self, correction: CorrectionRow, noted: Entry) -> None:
        """Store a supervisor's label for a reading, with its audit entry."""
        values = {f.name: getattr(correction, f.name) for f in fields(correction)}
        async with self._connection.transaction() as c:
            await self._sql.add_correction(c, **values)
            await self._audit.write(c, noted)

    async def corrections(self, since: float = -math.inf) -> list[CorrectionRow]:
        """Supervisors' labels, oldest first."""
        return [CorrectionRow(**dict(row)) for row in await self._connection.rows("corrections", since=since)]


def _span_values(call_id: str, spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [{"call_id": call_id, "side": s.side, "t0": s.t0, "t1": s.t1} for s in spans]


def _reading_values(call_id: str, reading: Reading) -> dict[str, Any]:
    probabilities = zip((str(label) for label in LABELS), reading.scores.probabilities, strict=True)
    plain = reading.scores.plain
    return {
        "call_id": call_id,
        "t0": reading.t0,
        "t1": reading.t1,
        "speech_s": reading.speech_s,
        "threshold": reading.scores.threshold,
        "model": reading.model,
        "plain": None if plain is None else json_text(plain),
        "zero": None if reading.zero is None else json_text(asdict(reading.zero)),
        "voice": None if reading.voice is None else json_text(reading.voice),
        "words": None if reading.words is None else json_text(reading.words),
        **dict(probabilities),
    }


def _reading(row: Row) -> Reading:
    probabilities = (row["angry"], row["neutral"], row["disappointed"], row["happy"])
    plain = None if row["plain"] is None else msgspec.json.decode(row["plain"], type=_PLAIN)
    zero = None if row["zero"] is None else msgspec.json.decode(row["zero"], type=LineZero)
    scores = Scores(probabilities, row["threshold"], plain)
    voice = None if row["voice"] is None else msgspec.json.decode(row["voice"], type=_PLAIN)
    words = None if row["words"] is None else msgspec.json.decode(row["words"], type=_PLAIN)
    return Reading(row["t0"], row["t1"], row["speech_s"], scores, row["model"], zero, voice, words)

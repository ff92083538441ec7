"""Erasure: one customer on request, everybody after a time; complete when no copy is left in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from emocx_pbx.events.build import customer_erased
from emocx_pbx.events.json_text import json_text
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import SERVICE, AuditLog
from emocx_pbx.store.connection import Connection, Row, Session
from emocx_pbx.store.line_estimates import FEW
from emocx_pbx.store.outbox import Outbox, blanked

_OF_A_CALL: Final = (
    "reviews", "segments", "visits", "readings", "words", "spans", "holds", "corrections", "alerts", "grades",
)  # fmt: skip

#: Seconds that an erasure waits for readers that hold the write-ahead log, and between its checks.
SETTLE_S: Final = 15.0
SETTLE_EVERY_S: Final = 0.25
#: Bytes of the largest file rewritten after a purge, which nobody waits for: a gigabyte takes about ten
#: seconds.
PURGE_COMPACT_BYTES: Final = 512 * 1024 * 1024
#: Shortest spoken text, in characters, that nobody else is likely to say by chance.
OWN_WORDS: Final = 24
#: Bytes read at a time when looking for traces.
_CHUNK: Final = 1 << 20
#: Most calls and queries that one `customer.erased` names.
NAMED: Final = 500


@dataclass(slots=True)
class Erased:
    """What was removed, and whether it may still be readable in the file."""

    counts: dict[str, int] = field(default_factory=dict)
    """Numbers of rows by kind; `blanked_calls` and `blanked_events` were kept without personal fields."""
    live: list[str] = field(default_factory=list)
    """Live calls, which must forget their customer too."""
    calls: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Keys, numbers and ids under which the customer may stand in exports."""
    personal: set[str] = field(default_factory=set)
    """Keys and numbers only: these must not be found anywhere in the file any more."""
    texts: set[str] = field(default_factory=set)
    """Texts of the customer's queries, if they were kept."""
    said: set[str] = field(default_factory=set)
    """What the customer said in calls, if it was kept and is long enough not to be anybody else's words."""
    settled: bool = False
    """No copy is left in the database's write-ahead log."""

    def add(self, kind: str, number: int) -> None:
        """Add to the number removed of a kind."""
        if number > 0:
            self.counts[kind] = self.counts.get(kind, 0) + number


class _TakenBackError(Exception):
    """Rolls a rehearsal back."""


class Erasure:
    """Erases in all tables."""

    def __init__(
        self, connection: Connection, outbox: Outbox, audit: AuditLog, now: Callable[[], float]
    ) -> None:
        self._connection, self._outbox, self._audit, self._now = connection, outbox, audit, now
        self._sql = connection.sql

    async def erase(
        self,
        customer_key: str | None = None,
        callers: Sequence[str] = (),
        by: Actor = SERVICE,
        settle_s: float = SETTLE_S,
        dry: bool = False,
    ) -> Erased:
        """Remove a customer everywhere, by the CRM's key, the spellings of the calling number, or both.

        A live call stays, but nothing about it points to the customer any more, nor will anything written
        later. An event with pending deliveries is kept without personal fields until it is delivered.
        Receivers learn from `customer.erased` which calls and queries are concerned. Call `settle`
        afterwards.

        `dry`: do it and roll it back, to report what would be removed.
        """
        key, numbers = customer_key or None, _json([n for n in callers if n])
        erased = Erased(personal={name for name in (customer_key, *callers) if name})
        erased.names |= erased.personal
        needles = [_needle("customer_key", key)] if key else []
        needles += [_needle("caller", number) for number in callers if number]
        # Looking through the bodies of a million events takes a while: others must not wait to write
        # meanwhile.
        seen = await self._connection.view_rows("events_with", needles=_json(needles))
        events: list[Any] = []
        with suppress(_TakenBackError):
            async with self._connection.transaction() as c:
                await self._forget(c, erased, key, numbers, needles, seen)
                if dry:
                    raise _TakenBackError
                if erased.counts:
                    # Sums over few callers might reveal this one.
                    await self._sql.delete_lines_of_few(c, callers=FEW)
                    await self._sql.open_erasure(c, at=self._now(), asked_for=1)
                    events = self._erased_events(erased)
                    await self._outbox.put(c, events)
                # Also if nothing was found: what waits on a host's disk may name them.
                await self._audit.note(c, by, "privacy.erased", "a customer", None, erased.counts)
        if not dry:
            self._outbox.tell(events)
            erased.settled = await self.settle(settle_s, erased.personal | erased.said)
        return erased

    async def _forget(
        self,
        c: Session,
        erased: Erased,
        key: str | None,
        numbers: str,
        needles: Sequence[str],
        seen: Sequence[Row],
    ) -> None:
        await self._find(c, erased, key, numbers)
        for call_id in erased.calls:
            await self._blank_stream(c, call_id, erased, live=call_id in erased.live)
            await self._forget_call(c, call_id, call_id not in erased.live, erased)
        for decision_id in erased.decisions:
            await self._blank_stream(c, f"decision/{decision_id}", erased)
            erased.add("decisions", await self._sql.delete_decision(c, decision_id=decision_id))
        for row in seen:
            await self._blank_event(c, row["event_id"], erased)
        calls = [_needle("call_id", call_id) for call_id in erased.calls]
        decisions = [_needle("decision_id", decision_id) for decision_id in erased.decisions]
        answers = _json([*needles, *calls, *decisions])
        erased.add("answers", await self._sql.delete_answers_with(c, needles=answers))

    async def _find(self, c: Session, erased: Erased, key: str | None, numbers: str) -> None:
        async for row in self._sql.calls_of_customer(c, customer_key=key, callers=numbers):
            erased.calls.append(row["call_id"])
            erased.personal |= {name for name in (row["customer_key"], row["caller"]) if name}
            erased.names |= {row["call_id"], *erased.personal}
            if row["ended_at"] is None:
                erased.live.append(row["call_id"])
        calls = _json(erased.calls)
        async for row in self._sql.decisions_of_customer(c, customer_key=key, calls=calls):
            erased.decisions.append(row["decision_id"])
            erased.names.add(row["decision_id"])
            if row["text"]:
                erased.texts.add(row["text"])

    def _erased_events(self, erased: Erased) -> list[Any]:
        at = self._now()
        number = max(len(erased.calls), len(erased.decisions), 1)
        return [
            customer_erased(erased.calls[i : i + NAMED], erased.decisions[i : i + NAMED], at)
            for i in range(0, number, NAMED)
        ]

    async def forgotten(self, calls: Sequence[str]) -> list[str]:
        """Those of some live calls whose customers were erased meanwhile, by whichever process."""
        return [row["call_id"] for row in await self._connection.rows("forgotten_of", calls=_json(calls))]

    async def kept(self) -> dict[str, Any]:
        """How many calls are stored, and when the oldest began (None: there are none)."""
        row = await self._connection.row("kept")
        return dict(row) if row else {"calls": 0, "oldest_at": None}

    async def purge(self, before: float, by: Actor = SERVICE) -> Erased:
        """Remove calls that ended before a time, with all that belongs to them, and old queries; `settle`.

        Pending deliveries of events that old are removed with them.
        """
        purged = Erased()
        async with self._connection.transaction() as c:
            calls = []
            async for row in self._sql.calls_ended_before(c, before=before):
                calls.append(row["call_id"])
                purged.personal |= {name for name in (row["customer_key"], row["caller"]) if name}
            decisions = []
            async for row in self._sql.loose_decisions_before(c, before=before):
                decisions.append(row["decision_id"])
                purged.personal |= {row["customer_key"]} - {None}
            for call_id in calls:
                purged.add("events", await self._sql.delete_events(c, stream=call_id))
                await self._forget_call(c, call_id, True, purged)
            for decision_id in decisions:
                purged.add("events", await self._sql.delete_events(c, stream=f"decision/{decision_id}"))
                purged.add("decisions", await self._sql.delete_decision(c, decision_id=decision_id))
            purged.add("events", await self._sql.delete_events_before(c, before=before))
            purged.add("answers", await self._sql.delete_answers_before(c, before=before))
            await self._sql.drop_forgotten(c)
            await self._sql.delete_lines_before(c, before=before)
            await self._sql.delete_agent_queues_before(c, before=before)
            await self._sql.delete_review_rounds(c, before=before)
            await self._sql.delete_trainings_before(c, before=before)
            if purged.counts:
                await self._sql.open_erasure(c, at=self._now(), asked_for=0)
                await self._audit.note(c, by, "privacy.purged", "old calls", None, purged.counts)
        purged.settled = await self.settle(SETTLE_S, purged.personal | purged.said)
        return purged

    async def settle(self, within_s: float = SETTLE_S, names: Collection[str] | None = None) -> bool:
        """Remove every copy of what was erased from the database's files, including after a crash.

        Args:
            within_s: seconds to wait for readers of the write-ahead log.
            names: what must not be found anywhere; None: unknown, so the file is rewritten to be sure.

        Returns:
            False if somebody was reading the log for longer: copies stay until this succeeds. Also if it was
                only a purge and the file is too large to rewrite: copies stay until their space is reused.
        """
        row = await self._connection.row("open_erasures")
        if row is None or row["newest"] is None:
            return True
        if not await self._fold(within_s):
            return False
        # Rows that were moved between pages leave copies in them that no deleting overwrites.
        path = self._connection.path
        if path is None:  # a server's own files: the server overwrites deleted rows when told to
            await self._connection.compact()
            async with self._connection.transaction() as c:
                await self._sql.close_erasures(c, newest=row["newest"])
            return True
        left = 1 if names is None else await asyncio.to_thread(traces_in, path, names)
        rewrite = row["asked_for"] or path.stat().st_size <= PURGE_COMPACT_BYTES
        if left and rewrite:
            await self._connection.compact()
            if not await self._fold(within_s):
                return False
        async with self._connection.transaction() as c:
            await self._sql.close_erasures(c, newest=row["newest"])
        return bool(rewrite or not left)

    async def _fold(self, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while not await self._connection.checkpoint():
            if loop.time() >= until:
                return False
            await asyncio.sleep(SETTLE_EVERY_S)
        return True

    async def _forget_call(self, c: Session, call_id: str, ended: bool, erased: Erased) -> None:
        erased.add("decisions", await self._sql.delete_decisions_of_call(c, call_id=call_id))
        async for row in self._sql.said(c, call_id=call_id):
            if len(row["text"]) >= OWN_WORDS:
                erased.said.add(row["text"])
        if not ended:
            erased.add("words", await self._sql.delete_words(c, call_id=call_id))
            await self._sql.forget_call(c, call_id=call_id)
            erased.add("blanked_calls", await self._sql.blank_call(c, call_id=call_id))
            return
        for kind in _OF_A_CALL:
            erased.add(kind, await getattr(self._sql, f"delete_{kind}")(c, call_id=call_id))
        erased.add("calls", await self._sql.delete_call(c, call_id=call_id))

    async def _blank_stream(self, c: Session, stream: str, erased: Erased, *, live: bool = False) -> None:
        if live:  # the call's sequence goes on, so none of its events may be missing
            for row in [row async for row in self._sql.events_of_stream(c, stream=stream)]:
                await self._blank_body(c, row, erased, erase=0)
            return
        erased.add("events", await self._sql.delete_finished_events(c, stream=stream))
        for row in [row async for row in self._sql.pending_events(c, stream=stream)]:
            await self._blank_body(c, row, erased, erase=1)

    async def _blank_body(self, c: Session, row: Row, erased: Erased, *, erase: int) -> None:
        body = blanked(row["body"])
        if erase or body != row["body"]:
            changed = await self._sql.blank_event(c, event_id=row["event_id"], body=body, erase=erase)
            erased.add("blanked_events", changed)

    async def _blank_event(self, c: Session, event_id: str, erased: Erased) -> None:
        """Blank or remove an event that names the customer, of whichever call."""
        erased.add("events", await self._sql.delete_finished_event(c, event_id=event_id))
        row = await self._sql.event_body(c, event_id=event_id)
        if row is not None:
            await self._blank_body(c, row, erased, erase=0)

    # Exports.

    async def add_export(self, folder: str) -> None:
        """Note that customers' words or voices were exported to a folder; an erasure looks there too."""
        async with self._connection.transaction() as c:
            await self._sql.add_export(c, folder=folder, at=self._now())

    async def exports(self) -> list[str]:
        """Folders that were exported to."""
        return [row["folder"] for row in await self._connection.rows("exports")]


def traces_in(path: Path, names: Collection[str]) -> int:
    """How many of the names still stand somewhere in the bytes of a database's files."""
    # As they are in rows, and as JSON encodes them in events.
    needles = {form: name for name in names if name for form in (name.encode(), _in_json(name))}
    longest = max(map(len, needles), default=0)
    found: set[str] = set()
    for file in sorted(path.parent.glob(f"{path.name}*")):
        with file.open("rb") as stream:
            tail = b""
            while found < set(needles.values()) and (chunk := stream.read(_CHUNK)):
                text = tail + chunk
                found |= {name for form, name in needles.items() if name not in found and form in text}
                tail = text[-longest:]
    return len(found)


def _in_json(name: str) -> bytes:
    return json_text(name)[1:-1].encode()


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()


def _needle(name: str, value: str) -> str:
    """A field as it appears in JSON written by us."""
    return f'"{name}":{json_text(value)}'

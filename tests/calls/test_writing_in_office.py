"""Writes of calls while another controller may act for their PBX: on a real PostgreSQL."""

from __future__ import annotations

from unittest.mock import create_autospec

import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.calls.effects import WriteEnd, WriteSpans, WriteStart, WriteTapped
from emocx_pbx.calls.hands import Acting
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.writing import Writing
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision, Span
from emocx_pbx.errors import LeaseLost
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import CallEnded
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term


class Office:
    """Acts for `north` and `south`, as far as it knows; calls are named `pbx/...`."""

    def __init__(self, *terms: Term) -> None:
        self.terms = {term.pbx: term for term in terms}
        self.observed: list[Term] = []

    def term_of(self, call_id: str) -> Term:
        try:
            return self.terms[call_id.partition("/")[0]]
        except KeyError:
            raise LeaseLost from None

    def refused(self, term: Term) -> None:
        self.observed.append(term)


@ON_POSTGRESQL
async def test_only_calls_of_the_pbx_that_is_lost_are_not_written(place: str) -> None:
    store = await Store.open(place)
    north = await store.leases.take("north", "one", 60.0)
    south = await store.leases.take("south", "one", 60.0)
    assert north and south
    office = Office(north, south)
    writing = Writing(store, office)
    for call_id in ("north/1", "south/1"):
        await writing.write(WriteStart(call_id, 1.0))
    await store.leases.give_back(north)
    assert await store.leases.take("north", "other", 60.0)
    small = [
        WriteSpans("north/1", (Span("customer", 0.0, 1.0),)),
        WriteSpans("south/1", (Span("customer", 0.0, 1.0),)),
    ]
    with pytest.raises(LeaseLost):
        await writing.write_together(small)
    assert office.observed == [], "which of them it was is not known yet"
    for write in small:
        try:
            await writing.write(write)
        except LeaseLost:
            assert write is small[0]
    with pytest.raises(LeaseLost):
        await writing.write(WriteEnd("north/1", 9.0, "hangup", "answered", None, None, ()))
    await writing.write(WriteTapped("south/1", 7.0))
    assert office.observed == [north, north]
    mine, theirs = await store.call("south/1"), await store.call("north/1")
    assert mine and mine.spans and mine.call.tapped_at == 7.0
    assert theirs and not theirs.spans and theirs.call.ended_at is None
    with pytest.raises(LeaseLost):
        await writing.write(WriteTapped("west/1", 7.0))
    await store.close()


@ON_POSTGRESQL
async def test_what_is_decided_for_another_controllers_call_is_written_and_nothing_else_follows(
    place: str,
) -> None:
    store = await Store.open(place)
    ledger = Ledger(Writing(store, Office()), lambda up, why: None, lambda *what: None)
    journeys = Journeys(
        Rules(load_rubric()), ledger, create_autospec(Acting), lambda *what: None, acts=lambda call_id: False
    )
    decision = Decision("d", 5.0, "ok", "care", "angry", 0.9, {"angry": 0.9}, upset=0.9)
    caller = Caller("north/1", "crm-1", "support")
    journeys.put(DecidedQuery(decision, caller, "where is it"))
    journeys.put(CallEnded("north/1", 9.0, "hangup"))
    assert journeys.calls == {}
    await ledger.drain()
    stored = await store.decisions.get("d")
    assert stored and stored.decision == decision
    events = await store.outbox.events_of_call("north/1")
    assert [event.type for event in events] == ["query.routed"]
    await store.close()

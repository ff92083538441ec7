"""What a worker decided alone, while NATS was away, and controllers hear of later."""

from __future__ import annotations

from unittest.mock import create_autospec

from emocx_pbx.calls.hands import Acting
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.writing import Writing
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import CallEnded, QueueJoined
from emocx_pbx.store.database import Store

DECISION = Decision("d", 5.0, "ok", "care", "angry", 0.9, {"angry": 0.9}, upset=0.9)
LATE = DecidedQuery(DECISION, Caller("1.1", "crm-1"), "where is it")


def following(store: Store) -> tuple[Journeys, Ledger]:
    ledger = Ledger(Writing(store), lambda up, why: None, lambda *what: None)
    rules = Rules(load_rubric())
    return Journeys(rules, ledger, create_autospec(Acting), lambda *what: None), ledger


async def test_a_late_decision_is_stored_once_and_begins_no_call(place: str) -> None:
    store = await Store.open(place)
    journeys, ledger = following(store)
    journeys.settled(["1.1"])
    for _ in range(2):  # the stream may repeat it
        journeys.put_late(LATE)
    assert journeys.calls == {}
    await ledger.drain()
    stored = await store.decisions.get("d")
    assert stored and (stored.decision, stored.call_id) == (DECISION, "1.1")
    assert [event.type for event in await store.outbox.events_of_call("1.1")] == ["query.routed"]
    await store.close()


async def test_a_late_decision_is_of_its_call_that_goes_on(place: str) -> None:
    store = await Store.open(place)
    journeys, ledger = following(store)
    journeys.put(QueueJoined("1.1", 6.0, "care", 1))
    journeys.put_late(LATE)
    call = journeys.calls["1.1"]
    assert (call.decision, call.customer) == (DECISION, "crm-1")
    journeys.put(CallEnded("1.1", 9.0, "hangup"))
    await ledger.drain()
    types = [event.type for event in await store.outbox.events_of_call("1.1")]
    assert types.count("query.routed") == 1 and types.count("call.started") == 1
    await store.close()

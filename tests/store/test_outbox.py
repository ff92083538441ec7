"""The outbox: order within a call, repeats, and replays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import DueDelivery, FailedAttempt

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, [CRM], now=lambda: 1000.0)
    yield opened
    await opened.close()


async def three_events(store: Store, call_id: str, at: float = 100.0) -> None:
    for n, kind in enumerate(("call.started", "call.graded", "call.ended")):
        await store.outbox.add_event(kind, call_id, {}, at + n)


async def claimed(store: Store) -> list[DueDelivery]:
    return await store.outbox.claim("crm", now=5000.0, limit=50, hold_s=0.0)


async def test_only_the_first_pending_event_of_a_call_is_due(store: Store) -> None:
    await three_events(store, "a")
    await three_events(store, "b")
    due = await claimed(store)
    assert [(d.stream, d.sequence) for d in due] == [("a", 1), ("b", 1)]
    await store.outbox.delivered(due[0].delivery_id, 1001.0, 200)
    await store.outbox.retry_later(due[1].delivery_id, FailedAttempt(1001.0, 500, "HTTP 500"), 6.0)
    assert [(d.stream, d.sequence) for d in await store.outbox.claim("crm", 1005.0, 50, 0.0)] == [("a", 2)]
    later = await store.outbox.claim("crm", 1006.0, 50, 0.0)
    assert {(d.stream, d.sequence, d.attempts) for d in later} == {("a", 2, 0), ("b", 1, 1)}


async def test_what_was_given_up_no_longer_blocks_its_call(store: Store) -> None:
    await three_events(store, "a")
    (first,) = await claimed(store)
    await store.outbox.gave_up(first.delivery_id, FailedAttempt(1001.0, 404, "HTTP 404"))
    (second,) = await claimed(store)
    assert second.sequence == 2
    (failed,) = await store.outbox.deliveries(state="failed")
    assert (failed.last_status, failed.last_error, failed.attempts) == (404, "HTTP 404", 1)


async def test_next_due_is_that_of_the_first_pending_ones(store: Store) -> None:
    assert await store.outbox.due_in_s("crm") is None
    await three_events(store, "a")
    assert await store.outbox.due_in_s("crm") == 0.0
    (first,) = await claimed(store)
    await store.outbox.retry_later(first.delivery_id, FailedAttempt(1001.0, None, "no answer"), 300.0)
    assert await store.outbox.due_in_s("crm") == 300.0


async def test_ids_are_made_of_what_happened(store: Store) -> None:
    one = NewEvent("call.graded", "c", {"x": 1}, 5.0, "0")
    assert one.event_id == NewEvent("call.graded", "c", {"x": 2}, 9.0, "0").event_id
    others = [
        NewEvent("call.graded", "c", {}, 5.0, "1"),
        NewEvent("call.graded", "d", {}, 5.0, "0"),
        NewEvent("call.alert", "c", {}, 5.0, "0"),
    ]
    assert len({e.event_id for e in [one, *others]}) == 4
    assert "." not in one.event_id


async def replay_state(store: Store, **filters: Any) -> tuple[int, set[tuple[str | None, str]]]:
    number = await store.outbox.replay(**filters)
    return number, {(d.call_id, d.type) for d in await store.outbox.deliveries(state="pending")}


async def test_replay_of_one_of_a_call_of_a_range_and_of_failures(store: Store) -> None:
    await three_events(store, "a", 100.0)
    await three_events(store, "b", 200.0)
    while due := await claimed(store):
        for d in due:
            done = (
                store.outbox.gave_up(d.delivery_id, FailedAttempt(1.0, 500, "x"))
                if d.stream == "b" and d.sequence == 2
                else None
            )
            await (done or store.outbox.delivered(d.delivery_id, 1.0, 200))
    assert await replay_state(store, state="failed") == (1, {("b", "call.graded")})
    one = (await store.outbox.events_of_call("a"))[2].event_id
    assert await replay_state(store, event_id=one) == (1, {("b", "call.graded"), ("a", "call.ended")})
    number, pending = await replay_state(store, call_id="a")
    assert (number, len(pending)) == (3, 4)
    number, pending = await replay_state(store, since=200.0, until=202.0)
    assert (number, len(pending)) == (2, 5)
    assert (await store.outbox.replay(type="call.ended"), await store.outbox.replay(receiver="nobody")) == (
        2,
        0,
    )


async def test_a_receiver_added_later_can_get_what_it_missed(store: Store, place: Path | str) -> None:
    await three_events(store, "a")
    erp = WebhookSettings(name="erp", url="http://127.0.0.1:3/", secret=CRM.secret, events=("call.ended",))
    later = await Store.open(place, [CRM, erp])
    assert await later.outbox.replay(receiver="erp", state="failed") == 0
    assert await later.outbox.replay(receiver="erp") == 1
    assert [d.type for d in await later.outbox.deliveries(receiver="erp")] == ["call.ended"]
    await later.close()


async def test_a_disabled_receiver_is_listed_and_enabled_by_a_replay_that_names_it(store: Store) -> None:
    await store.outbox.disable("crm", 5.0, "HTTP 410")
    assert await store.outbox.disabled() == {"crm": "HTTP 410"}
    await store.outbox.replay(receiver="crm")
    assert await store.outbox.disabled() == {}

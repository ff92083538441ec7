"""PostgreSQL frozen, killed and back: deadlines hold, errors tell what passes, nothing is written twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from emocx_pbx.errors import StoreError, StoreUnavailable
from emocx_pbx.events.event import NewEvent
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store import postgres
from emocx_pbx.store.database import Store

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One of these tests' own: others must not wait for it."""
    with PrivatePostgres(durable=True) as server:
        yield server


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for; they are read when a store is opened."""
    monkeypatch.setattr(postgres, "ACQUIRE_S", 0.5)
    monkeypatch.setattr(postgres, "ANSWER_MORE_S", 0.2)
    monkeypatch.setattr(postgres, "ANSWER_S", dict.fromkeys(postgres.ANSWER_S, 0.5))


@pytest.fixture
async def store(server: PrivatePostgres) -> AsyncIterator[Store]:
    if not server.running:  # a test that failed left it so
        server.start()
    opened = await Store.open(server.url(), [CRM], now=lambda: 1000.0)
    await opened.calls.start("c", 100.0, "key", None, None, None)
    yield opened
    server.thaw()
    await opened.close()


async def until_back(store: Store) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await store.calls.between(limit=1)
                return
            except StoreUnavailable:
                continue


async def test_a_frozen_server_costs_a_deadline_and_no_more(
    brief: None, store: Store, server: PrivatePostgres
) -> None:
    server.freeze()
    works: list[Callable[[], Awaitable[object]]] = [
        store.calls.between,
        lambda: store.calls.touch("c", 5000.0),
    ]
    for work in works:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="does not answer in time"):
            async with asyncio.timeout(30):
                await work()
        assert time.monotonic() - began < 25.0
    server.thaw()
    await until_back(store)
    await store.calls.touch("c", 6000.0)
    call = await store.call("c")
    assert call and call.call.last_seen_at == 6000.0


async def test_a_killed_server_is_told_at_once_and_used_again_when_it_is_back(
    brief: None, store: Store, server: PrivatePostgres
) -> None:
    event = NewEvent("call.alert", "c", {}, 100.0, "one")
    server.kill()
    with pytest.raises(StoreUnavailable):
        await store.calls.between()
    with pytest.raises(StoreUnavailable):
        await store.outbox.add_events([event])
    server.start()
    await until_back(store)
    for _ in range(2):  # who was refused asks again, perhaps once too often
        await store.outbox.add_events([event])
    assert [e.type for e in await store.outbox.events_of_call("c")].count("call.alert") == 1


async def test_a_change_whose_connection_the_server_ended_is_told_as_one_that_may_be_tried_again(
    store: Store, server: PrivatePostgres
) -> None:
    with pytest.raises(StoreUnavailable, match="the server ended the connection"):
        async with store._connection.transaction(about=["c"]) as change:
            await store._connection.sql.touch_call(change, call_id="c", at=7000.0)
            async with postgres.connected(server.url(), "test", 10.0) as other:
                await other.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'emocx-pbx writer' AND state LIKE 'idle in transaction%'"
                )
    await store.calls.touch("c", 6500.0)
    call = await store.call("c")
    assert call and call.call.last_seen_at == 6500.0


async def test_what_breaks_a_rule_does_not_pass(store: Store) -> None:
    with pytest.raises(StoreError) as refused:
        async with store._connection.transaction() as c:
            await c.execute("INSERT INTO call (call_id, started_at, last_seen_at) VALUES ('c', 1, 1)")
    assert not isinstance(refused.value, StoreUnavailable)
    await store.calls.touch("c", 7000.0)


async def test_waiting_for_anothers_transaction_ends_in_time(
    store: Store, server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_S", 0.2)
    other = await Store.open(server.url(), [CRM])
    async with store._connection.transaction(about=["c"]) as c:
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await other.calls.touch("c", 1.0)
        await other.calls.start("d", 1.0, None, None, None, None)  # about another call: nobody waits
        await c.hold("c")
    await other.calls.touch("c", 8000.0)
    await other.close()


async def test_two_stores_number_a_calls_events_without_a_gap(
    store: Store, server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await Store.open(server.url(), [CRM])
    await asyncio.gather(
        *(
            one.outbox.add_event("call.alert", "both", {"n": n}, 1.0, str(n))
            for n in range(20)
            for one in (store, other)
        )
    )
    events = await store.outbox.events_of_call("both")
    assert [event.sequence for event in events] == list(range(1, 21)), "the same event twice counts once"
    await other.close()

"""A sender whose receivers or store are away, come back, or change while it runs."""

from __future__ import annotations

import asyncio
import base64
import random
import socket
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from webhooks.sender_bench import POSTER, Clock, Outcomes, Sending, call, settings
from webhooks.webhook_receiver import Receiver, says

from emocx_pbx.errors import InputError, SettingsError, StoreError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.schedule import AttemptOutcome
from emocx_pbx.webhooks.sender import Sender


async def test_no_receiver_at_all_is_a_failure(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, unused_port: int
) -> None:
    await call(store, "c", 1)
    async with sending(settings(receiver, url=f"http://127.0.0.1:{unused_port}/hook")):
        await outcomes.number(1)
    (row,) = await store.outbox.deliveries()
    assert row.state == "pending"
    assert "127.0.0.1" in (row.last_error or "")


async def test_killed_during_a_delivery_it_is_sent_again_with_the_same_id(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    receiver.answers = [receiver.hang]
    await call(store, "c", 2)
    async with sending(settings(receiver)):
        await receiver.until(1)
    assert outcomes.said == []
    receiver.release.set()
    async with sending(settings(receiver)):
        await outcomes.number(2)
    assert [g.place[1] for g in receiver.got] == [1, 1, 2]
    assert len({g.id for g in receiver.got}) == 2


async def test_receivers_are_independent(
    receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock, tmp_path: Path, unused_port: int
) -> None:
    broken = settings(receiver, "erp", url=f"http://127.0.0.1:{unused_port}/")
    both = await Store.open(tmp_path / "both.db", [settings(receiver), broken], clock)
    async with sending(settings(receiver), broken, of=both):
        await call(both, "c", 3)
        await outcomes.until(
            lambda said: said.count(("crm", "delivered")) == 3 and ("erp", "retried") in said
        )
    counts = await both.lists.delivery_counts(0.0)
    assert counts == {("crm", "delivered"): 3, ("erp", "pending"): 3}
    await both.close()


async def test_a_store_that_refuses_pauses_the_receiver_and_nothing_dies(
    store: Store,
    receiver: Receiver,
    sending: Sending,
    outcomes: Outcomes,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = asyncio.Event()

    async def refuse(*args: object, **more: object) -> None:
        monkeypatch.undo()
        refused.set()
        raise StoreError("disk full")

    monkeypatch.setattr(store.outbox, "delivered", refuse)
    await call(store, "c", 1)
    async with sending(settings(receiver)) as sender:
        async with asyncio.timeout(10):
            await refused.wait()
        await call(store, "d", 1)
        assert len(receiver.got) == 1
        clock.skipped = 60.0  # the pause is over, and so is the claim
        sender.notify()
        await outcomes.number(2)
    assert sorted(g.place for g in receiver.got) == [("c", 1), ("c", 1), ("d", 1)]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_all_arrives_in_each_calls_order(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock, seed: int
) -> None:
    chance = random.Random(seed)

    async def moody(request: web.Request) -> web.Response:
        status = chance.choice([200, 200, 200, 500, 302, 404])
        if status == 404:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status)

    receiver.by_default = moody
    calls = 6
    await asyncio.gather(*(call(store, f"c{n}", 4) for n in range(calls)))
    async with sending(settings(receiver)) as sender:
        tried = 0
        while outcomes.said.count(("crm", "delivered")) < 4 * calls:
            await outcomes.number(tried + 1)
            tried = len(outcomes.said)
            async with store._connection.transaction() as c:
                await c.execute("UPDATE delivery SET next_at = 0, attempts = 0 WHERE state = 'pending'")
            sender.notify()
    for n in range(calls):
        places = [g.place[1] for g in receiver.got if g.place[0] == f"c{n}"]
        assert places == sorted(places)
        assert set(places) == {1, 2, 3, 4}


async def test_wrong_receivers_are_refused_at_once(store: Store, receiver: Receiver, clock: Clock) -> None:
    with pytest.raises(SettingsError, match="secret"):
        Sender(store.outbox, lambda: [settings(receiver, secret="x")], POSTER, clock)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_receivers_come_change_and_go_while_it_runs(
    tmp_path: Path, receiver: Receiver, clock: Clock
) -> None:
    by, new = Actor("root", "127.0.0.1"), "whsec_" + base64.b64encode(b"n" * 32).decode()
    store = await Store.open(tmp_path / "other.db", [], clock)
    sender = Sender(store.outbox, store.receivers.current, POSTER, clock)
    store.outbox.news.subscribe(sender.notify)
    store.receivers.changes.subscribe(sender.receivers_changed)
    task = asyncio.create_task(sender.run())
    await store.outbox.add_event("call.started", "before", {}, 1.0)
    await store.receivers.add(settings(receiver), by)
    await store.outbox.add_event("call.started", "c1", {}, 2.0)
    await receiver.until(1)
    await store.receivers.rotate("crm", new, 120.0, by)
    await store.outbox.add_event("call.started", "c2", {}, 3.0)
    await receiver.until(2)
    clock.skipped += 120.0
    receiver.secret = new
    assert await sender.test("crm") == AttemptOutcome(200)
    await store.outbox.add_event("call.started", "c3", {}, 4.0)
    await receiver.until(4)
    await store.receivers.remove("crm", by)
    await store.outbox.add_event("call.started", "c4", {}, 5.0)
    assert await store.outbox.due_in_s("crm") is None
    with pytest.raises(InputError, match="no receiver crm"):
        await sender.test("crm")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [row.action for row in await store.audit.rows()] == [
        "webhook.removed", "webhook.rotated", "webhook.added",
    ]  # fmt: skip
    await store.close()
    assert [got.body["type"] for got in receiver.got] == [
        "call.started", "call.started", "webhook.test", "call.started",
    ]  # fmt: skip
    assert [len(got.headers["webhook-signature"].split()) for got in receiver.got] == [1, 2, 1, 1]


async def test_when_a_receiver_is_back_all_that_waits_goes_out_in_order(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock
) -> None:
    """An outage of some seconds must not hold a call's events until its next own attempt in five minutes."""
    receiver.by_default = says(503)
    for n in range(4):
        await call(store, f"c{n}", 3)
    async with sending(settings(receiver)) as sender:
        await outcomes.number(4)
        clock.skipped += 6.1
        sender.notify()
        await outcomes.number(8)  # twice each: the third would come after five minutes
        receiver.by_default = None
        await call(store, "new", 1)
        await outcomes.until(lambda said: said.count(("crm", "delivered")) == 13)
    for n in range(4):
        places = [g.place[1] for g in receiver.got if g.place[0] == f"c{n}"]
        assert places == [1, 1, 1, 2, 3]
    assert {d.attempts for d in await store.outbox.deliveries(state="delivered")} == {1, 3}


async def test_a_quiet_receiver_is_probed_until_it_is_back(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock
) -> None:
    receiver.by_default = says(500)
    await call(store, "a", 2)
    await call(store, "b", 2)
    async with sending(settings(receiver)) as sender:
        await outcomes.number(2)
        clock.skipped += 6.1
        sender.notify()
        await outcomes.number(4)
        clock.skipped += 6.1
        sender.notify()
        await receiver.until(5)  # one probe, which uses up no attempt
        assert [d.attempts for d in await store.outbox.deliveries() if d.sequence == 1] == [2, 2]
        receiver.by_default = None
        clock.skipped += 11
        sender.notify()
        await outcomes.until(lambda said: said.count(("crm", "delivered")) == 4)
    assert outcomes.said.count(("crm", "retried")) == 4


def delivered(number: int, said: list[tuple[str, str]]) -> bool:
    return said.count(("crm", "delivered")) == number


async def test_an_event_that_is_refused_for_itself_keeps_its_schedule(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock
) -> None:
    """Two that are never taken look like an outage; others that arrive must not use up their attempts."""

    async def picky(request: web.Request) -> web.Response:
        poisoned = b'"call_id":"poison' in await request.read()
        return web.Response(status=422 if poisoned else 200)

    receiver.by_default = picky
    await call(store, "poison-1", 1)
    await call(store, "poison-2", 1)
    async with sending(settings(receiver)) as sender:
        await outcomes.number(2)
        for n in range(20):
            await call(store, f"fine-{n}", 1)
            sender.notify()
            await outcomes.until(partial(delivered, n + 1))
    tries = [g.place[0] for g in receiver.got if g.place[0] is not None and g.place[0].startswith("poison")]
    assert len(tries) <= 4
    waiting = await store.outbox.deliveries(state="pending")
    assert [(d.attempts, d.next_at - clock() < 10) for d in waiting] == [(1, True), (1, True)]

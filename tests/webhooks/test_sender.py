"""The sender against a real receiver: order, retries, hangs, and crashes."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from webhooks.sender_bench import Clock, Outcomes, Sending, call, settings
from webhooks.webhook_receiver import SECRET, Receiver, says

from emocx_pbx.store.database import Store
from emocx_pbx.webhooks import sender as module


async def test_events_arrive_signed_and_in_order(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    async with sending(settings(receiver)):
        await asyncio.gather(*(call(store, f"c{n}") for n in range(5)))
        got = await receiver.until(15)
        await outcomes.number(15)
    for n in range(5):
        assert [g.place[1] for g in got if g.place[0] == f"c{n}"] == [1, 2, 3]
    assert got[0].headers["Content-Type"] == "application/json"
    assert outcomes.said == [("crm", "delivered")] * 15
    assert await store.lists.delivery_counts(0.0) == {("crm", "delivered"): 15}


async def test_what_was_there_before_the_start_is_sent(
    store: Store, receiver: Receiver, sending: Sending
) -> None:
    await call(store, "c", 2)
    async with sending(settings(receiver)):
        await receiver.until(2)


async def test_a_failure_is_tried_again_with_the_same_id_and_holds_only_its_own_call(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock
) -> None:
    receiver.answers = [says(500)]
    await call(store, "failing", 2)
    async with sending(settings(receiver)) as sender:
        await outcomes.number(1)
        await call(store, "other", 2)
        await outcomes.number(3)
        assert [g.place for g in receiver.got] == [("failing", 1), ("other", 1), ("other", 2)]
        (waiting,) = [d for d in await store.outbox.deliveries() if d.attempts == 1 and d.state == "pending"]
        assert (waiting.last_status, waiting.last_error) == (500, "HTTP 500")
        assert 4 < waiting.next_at - clock() <= 6
        clock.skipped += 6
        sender.notify()
        got = await receiver.until(5)
    assert [g.place for g in got[3:]] == [("failing", 1), ("failing", 2)]
    assert got[3].id == got[0].id
    assert got[3].body == got[0].body
    assert got[3].headers["webhook-timestamp"] > got[0].headers["webhook-timestamp"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, status: int
) -> None:
    receiver.answers = [says(status, location=receiver.url)]
    await call(store, "c", 1)
    async with sending(settings(receiver)):
        await outcomes.number(1)
    assert len(receiver.got) == 1
    (row,) = await store.outbox.deliveries()
    assert (row.state, row.last_status) == ("pending", status)
    assert "not followed" in (row.last_error or "")


async def test_a_receiver_that_hangs_is_a_failure(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    receiver.by_default = receiver.hang
    await call(store, "c", 1)
    async with sending(settings(receiver, timeout_s=0.2)):
        await outcomes.number(1)
    (row,) = await store.outbox.deliveries()
    assert (row.state, row.last_status, row.last_error) == ("pending", None, "no answer within 0.2 s")


async def test_an_endless_answer_is_cut_and_its_status_counts(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not receiver.release.is_set():
            await response.write(b"x" * 65536)
        return response

    receiver.answers = [endless]
    await call(store, "c", 2)
    async with sending(settings(receiver)):
        await outcomes.number(2)
    assert outcomes.said == [("crm", "delivered")] * 2


async def test_a_gone_receiver_is_disabled_and_what_is_pending_waits_for_a_replay(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    receiver.answers = [says(410)]
    await call(store, "c", 3)
    async with sending(settings(receiver)):
        await outcomes.number(1)
        assert outcomes.said == [("crm", "failed")]
        assert list(await store.outbox.disabled()) == ["crm"]
        await call(store, "d", 1)
        assert len(receiver.got) == 1
        assert await store.outbox.replay(receiver="crm", state="failed") == 1
        got = await receiver.until(5)
    assert sorted(g.place for g in got[1:]) == [("c", 1), ("c", 2), ("c", 3), ("d", 1)]


async def test_retry_after_pauses_the_whole_receiver(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes, clock: Clock
) -> None:
    receiver.answers = [says(429, retry_after="60")]
    await call(store, "c", 1)
    async with sending(settings(receiver)) as sender:
        await outcomes.number(1)
        await call(store, "d", 1)
        clock.skipped += 50
        sender.notify()
        clock.skipped += 11
        sender.notify()
        first, *later = await receiver.until(3)
    # "d" was due at once, but came only after the minute that the answer to "c" asked for.
    assert {g.place for g in later} == {("c", 1), ("d", 1)}
    sent = [int(g.headers["webhook-timestamp"]) for g in (first, *later)]
    assert min(sent[1:]) >= sent[0] + 59


async def test_the_sender_gives_up_after_the_last_attempt_and_goes_on_with_the_call(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    receiver.answers = [says(500)] * 10
    await call(store, "c", 2)
    async with sending(settings(receiver)) as sender:
        for n in range(1, 11):
            await outcomes.number(n)
            # Skipping days would leave the five minutes that the receiver's verifier allows.
            async with store._connection.transaction() as c:
                await c.execute("UPDATE delivery SET next_at = 0 WHERE state = 'pending'")
            sender.notify()
        await outcomes.number(11)
    assert [g.place[1] for g in receiver.got] == [1] * 10 + [2]
    assert outcomes.said[8:] == [("crm", "retried"), ("crm", "failed"), ("crm", "delivered")]


async def test_a_receiver_is_never_asked_more_than_a_few_things_at_once(
    store: Store, receiver: Receiver, sending: Sending, outcomes: Outcomes
) -> None:
    receiver.by_default = receiver.hang
    calls = module.CONCURRENCY + 4
    await asyncio.gather(*(call(store, f"c{n}", 2) for n in range(calls)))
    async with sending(settings(receiver)):
        await receiver.until(module.CONCURRENCY)
        receiver.release.set()
        await outcomes.number(2 * calls)
    assert receiver.most_at_once == module.CONCURRENCY


async def test_during_a_rotation_both_secrets_sign(
    store: Store, receiver: Receiver, sending: Sending
) -> None:
    await call(store, "c", 1)
    new = "whsec_" + "B" * 32
    async with sending(settings(receiver, secret=f"{new} {SECRET}")):
        (got,) = await receiver.until(1)  # which verifies with the old one
    assert len(got.headers["webhook-signature"].split()) == 2

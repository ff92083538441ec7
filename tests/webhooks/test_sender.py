"""The sender against a real receiver: order, retries, hangs, and crashes."""

from __future__ import annotations

import asyncio
import base64
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from webhooks.webhook_receiver import SECRET, Receiver, says

from emocx_pbx.errors import InputError, SettingsError, StoreError
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks import sender as module
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.schedule import AttemptOutcome
from emocx_pbx.webhooks.sender import Sender

#: The receivers of these tests are on this machine.
POSTER = Poster(Networks(["127.0.0.0/8"]))


class Clock:
    """Real time plus what a test skipped."""

    skipped = 0.0

    def __call__(self) -> float:
        return time.time() + self.skipped


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(place, receiver, clock):
    opened = await Store.open(place, [settings(receiver)], clock)
    yield opened
    await opened.close()


def settings(receiver: Receiver, name: str = "crm", **changes: object) -> WebhookSettings:
    return WebhookSettings(
        **{"name": name, "url": receiver.url, "secret": SECRET, "timeout_s": 5.0, **changes}
    )


class Outcomes:
    """What the sender said of its attempts; said after the store has it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, name: str, result: str) -> None:
        self.said.append((name, result))
        self._changed.set()

    async def until(self, wanted: Callable[[list[tuple[str, str]]], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted(self.said):
                self._changed.clear()
                await self._changed.wait()

    async def number(self, wanted: int) -> None:
        await self.until(lambda said: len(said) >= wanted)


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


@pytest.fixture
def sending(store, clock, outcomes):
    """A sender at work, ended at the end."""

    @asynccontextmanager
    async def at_work(*receivers: WebhookSettings, of: Store = store) -> AsyncIterator[Sender]:
        sender = Sender(
            of.outbox, lambda: receivers, POSTER, clock, rng=random.Random(1), on_outcome=outcomes
        )
        of.outbox.news.subscribe(sender.notify)
        task = asyncio.create_task(sender.run())
        yield sender
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    return at_work


async def call(store: Store, call_id: str, events: int = 3) -> None:
    for n in range(events):
        await store.outbox.add_event("call.alert", call_id, {"n": n}, time.time(), str(n))


async def test_events_arrive_signed_and_in_order(store, receiver, sending, outcomes):
    async with sending(settings(receiver)):
        await asyncio.gather(*(call(store, f"c{n}") for n in range(5)))
        got = await receiver.until(15)
        await outcomes.number(15)
    for n in range(5):
        assert [g.place[1] for g in got if g.place[0] == f"c{n}"] == [1, 2, 3]
    assert got[0].headers["Content-Type"] == "application/json"
    assert outcomes.said == [("crm", "delivered")] * 15
    assert await store.outbox.counts() == {("crm", "delivered"): 15}


async def test_what_was_there_before_the_start_is_sent(store, receiver, sending):
    await call(store, "c", 2)
    async with sending(settings(receiver)):
        await receiver.until(2)


async def test_a_failure_is_tried_again_with_the_same_id_and_holds_only_its_own_call(
    store, receiver, sending, outcomes, clock
):
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
async def test_redirects_are_not_followed(store, receiver, sending, outcomes, status):
    receiver.answers = [says(status, location=receiver.url)]
    await call(store, "c", 1)
    async with sending(settings(receiver)):
        await outcomes.number(1)
    assert len(receiver.got) == 1
    (row,) = await store.outbox.deliveries()
    assert (row.state, row.last_status) == ("pending", status)
    assert "not followed" in row.last_error


async def test_a_receiver_that_hangs_is_a_failure(store, receiver, sending, outcomes):
    receiver.by_default = receiver.hang
    await call(store, "c", 1)
    async with sending(settings(receiver, timeout_s=0.2)):
        await outcomes.number(1)
    (row,) = await store.outbox.deliveries()
    assert (row.state, row.last_status, row.last_error) == ("pending", None, "no answer within 0.2 s")


async def test_no_receiver_at_all_is_a_failure(store, receiver, sending, outcomes, unused_port):
    await call(store, "c", 1)
    async with sending(settings(receiver, url=f"http://127.0.0.1:{unused_port}/hook")):
        await outcomes.number(1)
    (row,) = await store.outbox.deliveries()
    assert row.state == "pending"
    assert "127.0.0.1" in row.last_error


async def test_an_endless_answer_is_cut_and_its_status_counts(store, receiver, sending, outcomes):
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
    store, receiver, sending, outcomes
):
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


async def test_retry_after_pauses_the_whole_receiver(store, receiver, sending, outcomes, clock):
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


async def test_it_gives_up_after_the_last_attempt_and_goes_on_with_the_call(
    store, receiver, sending, outcomes
):
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


async def test_a_receiver_is_never_asked_more_than_a_few_things_at_once(store, receiver, sending, outcomes):
    receiver.by_default = receiver.hang
    calls = module.CONCURRENCY + 4
    await asyncio.gather(*(call(store, f"c{n}", 2) for n in range(calls)))
    async with sending(settings(receiver)):
        await receiver.until(module.CONCURRENCY)
        receiver.release.set()
        await outcomes.number(2 * calls)
    assert receiver.most_at_once == module.CONCURRENCY


async def test_killed_during_a_delivery_it_is_sent_again_with_the_same_id(store, receiver, sending, outcomes):
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


async def test_receivers_are_independent(receiver, sending, outcomes, clock, tmp_path, unused_port):
    broken = settings(receiver, "erp", url=f"http://127.0.0.1:{unused_port}/")
    both = await Store.open(tmp_path / "both.db", [settings(receiver), broken], clock)
    async with sending(settings(receiver), broken, of=both):
        await call(both, "c", 3)
        await outcomes.until(
            lambda said: said.count(("crm", "delivered")) == 3 and ("erp", "retried") in said
        )
    counts = await both.outbox.counts()
    assert counts == {("crm", "delivered"): 3, ("erp", "pending"): 3}
    await both.close()


async def test_a_store_that_refuses_pauses_the_receiver_and_nothing_dies(
    store, receiver, sending, outcomes, clock
):
    refused = asyncio.Event()
    really = store.outbox.delivered

    async def refuse(*args: object, **more: object) -> None:
        store.outbox.delivered = really
        refused.set()
        raise StoreError("disk full")

    store.outbox.delivered = refuse
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


async def test_during_a_rotation_both_secrets_sign(store, receiver, sending):
    await call(store, "c", 1)
    new = "whsec_" + "B" * 32
    async with sending(settings(receiver, secret=f"{new} {SECRET}")):
        (got,) = await receiver.until(1)  # which verifies with the old one
    assert len(got.headers["webhook-signature"].split()) == 2


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_all_arrives_in_each_calls_order(
    store, receiver, sending, outcomes, clock, seed
):
    chance = random.Random(seed)

    async def moody(request: web.Request) -> web.Response:
        status = chance.choice([200, 200, 200, 500, 302, 404])
        if status == 404:
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


async def test_wrong_receivers_are_refused_at_once(store, receiver, clock):
    with pytest.raises(SettingsError, match="secret"):
        Sender(store.outbox, lambda: [settings(receiver, secret="x")], POSTER, clock)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_receivers_come_change_and_go_while_it_runs(tmp_path, receiver, clock):
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
    assert await store.outbox.next_due("crm") is None
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
    store, receiver, sending, outcomes, clock
):
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


async def test_a_quiet_receiver_is_probed_until_it_is_back(store, receiver, sending, outcomes, clock):
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


async def test_an_event_that_is_refused_for_itself_keeps_its_schedule(
    store, receiver, sending, outcomes, clock
):
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
            await outcomes.until(lambda said, n=n: said.count(("crm", "delivered")) == n + 1)
    tries = [g.place[0] for g in receiver.got if g.place[0].startswith("poison")]
    assert len(tries) <= 4
    waiting = await store.outbox.deliveries(state="pending")
    assert [(d.attempts, d.next_at - clock() < 10) for d in waiting] == [(1, True), (1, True)]

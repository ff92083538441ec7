"""Several senders on one store: order, one delivery a try, and a receiver's limit hold over all of them."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from databases import ON_POSTGRESQL, Databases
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import DueDelivery, FailedAttempt
from emocx_pbx.webhooks import holding
from emocx_pbx.webhooks import sender as module
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.sender import CONCURRENCY, Sender

CALLS, EVENTS, SENDERS = 40, 4, 4

ALONE = """
import asyncio, sys
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks import holding
from emocx_pbx.webhooks import sender as module
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster

async def main(place: str, url, secret) -> None:
    crm = WebhookSettings("crm", url, secret, timeout_s=1.0)
    store = await Store.open(place, [crm])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    module.HOLD_S = holding.HOLD_S = 2.0
    await module.Sender(store.outbox, lambda: [crm], Poster(Networks(["127.0.0.0/8"]))).run()

asyncio.run(main(*sys.argv[1:]))
"""


async def filled(store: Store) -> None:
    for n in range(EVENTS):
        for number in range(CALLS):
            await store.outbox.add_event("call.alert", f"c{number}", {"n": n}, time.time(), str(n))


def firsts_in_order(crm: Receiver) -> None:
    """Every event came, and those of a call in their order."""
    assert Counter(d.call_id for d in crm.events) == {f"c{n}": EVENTS for n in range(CALLS)}
    for number in range(CALLS):
        assert [d.data["n"] for d in crm.events if d.call_id == f"c{number}"] == list(range(EVENTS))


@ON_POSTGRESQL
async def test_of_four_senders_each_takes_its_share_and_one_is_killed(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_S", 2.0)
    monkeypatch.setattr(holding, "HOLD_S", 2.0)
    settled = asyncio.Event()
    async with Receiver() as crm, asyncio.TaskGroup() as group:
        receiver = WebhookSettings("crm", crm.url, crm.secret, timeout_s=1.0)
        stores = [await Store.open(place, [receiver]) for _ in range(SENDERS - 1)]
        await filled(stores[0])
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ALONE, place, crm.url, crm.secret, stdin=-1, stdout=-1
        )
        assert killed.stdout and killed.stdin
        assert await killed.stdout.readline() == b"ready\n"
        # It alone first, dead in the middle of as many attempts as it may make at a time.
        crm.delay_s = lambda: 0.5
        killed.stdin.write(b"go\n")
        await crm.wait(lambda: len(crm.deliveries) >= CONCURRENCY, 20)
        killed.kill()
        await killed.wait()
        crm.delay_s = lambda: 0.0
        poster = Poster(Networks(["127.0.0.0/8"]))
        senders = [
            Sender(
                store.outbox,
                lambda: [receiver],
                poster,
                rng=random.Random(n),
                on_outcome=lambda name, result: settled.set(),
            )
            for n, store in enumerate(stores)
        ]
        running = [group.create_task(sender.run()) for sender in senders]

        async with asyncio.timeout(60):
            settled.clear()  # before asking, or an outcome that comes meanwhile is missed
            while await stores[0].outbox.pending():
                await settled.wait()
                settled.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        firsts_in_order(crm)
        again = [number for number in Counter(d.id for d in crm.deliveries).values() if number > 1]
        assert len(again) <= CONCURRENCY, "only what the killed one had under way came twice"
        assert set(again) <= {2}
        rows = await stores[0].outbox.deliveries(limit=1000)
        assert all((row.state, row.attempts) == ("delivered", 1) for row in rows)
        for store in stores:
            await store.close()


async def test_rest_that_one_sender_was_asked_for_all_of_them_give(place: str) -> None:
    asked = time.time()
    async with Receiver() as crm, asyncio.TaskGroup() as group:
        receiver = WebhookSettings("crm", crm.url, crm.secret)
        stores = [await Store.open(place, [receiver]) for _ in range(2)]
        outcome = asyncio.Event()
        sender = Sender(
            stores[0].outbox,
            lambda: [receiver],
            Poster(Networks(["127.0.0.0/8"])),
            on_outcome=lambda name, result: outcome.set(),
        )
        crm.answer, crm.headers = lambda received: 429, {"Retry-After": "600"}
        await stores[0].outbox.add_event("call.alert", "c", {}, asked)
        running = group.create_task(sender.run())
        async with asyncio.timeout(20):
            await outcome.wait()
        running.cancel()
        await stores[1].outbox.add_event("call.alert", "d", {}, asked)
        rest_s = await stores[1].outbox.rest_s("crm")
        assert 590 < rest_s + time.time() - asked < 660, "as the answer asked, told to all"
        other = Sender(stores[1].outbox, lambda: [receiver], Poster(Networks(["127.0.0.0/8"])))
        waits = await other._start_due(receiver, set(), group)
        assert waits == module.POLL_S and len(crm.deliveries) == 1, "nothing was taken"
        await stores[1].outbox.enable("crm")
        assert await stores[1].outbox.rest_s("crm") < 0, "whoever turns it on again need not wait"
        for store in stores:
            await store.close()


step = st.tuples(st.integers(0, SENDERS - 1), st.sampled_from(["take", "done", "later", "late", "vanish"]))


@given(steps=st.lists(step, max_size=40), data=st.data())
@limits(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_four_senders_do_order_and_limit_hold(
    steps: list[tuple[int, str]],
    data: st.DataObject,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    databases: Databases,
) -> None:
    async def tried(place: str | Path) -> None:
        receiver = WebhookSettings("crm", "http://127.0.0.1:1/", "whsec_" + "A" * 32)
        store = await Store.open(place, [receiver], now=lambda: 0.0)
        for n in range(3):
            for call_id in "abc":
                await store.outbox.add_event("call.alert", call_id, {"n": n}, 0.0, str(n))
        now = 1.0
        held: list[list[DueDelivery]] = [[] for _ in range(SENDERS)]
        observed: dict[str, list[int]] = {call_id: [] for call_id in "abc"}
        for who, what in steps:
            if what == "take":
                held[who] += await store.outbox.claim("crm", now, 2, 10.0, at_most=2, sender=str(who))
                under_way = [d for all_of in held for d in all_of if d.delivery_id]
                assert len(under_way) <= 2
                assert len({d.stream for d in under_way}) == len(under_way), "one of a call at a time"
            elif what == "vanish":
                held[who].clear()
                now += 11.0  # its claims end, and so do the others'
                held = [[] for _ in range(SENDERS)]
            elif held[who]:
                one = held[who].pop(data.draw(st.integers(0, len(held[who]) - 1)))
                if what == "late":
                    now += 11.0
                    held = [[] for _ in range(SENDERS)]
                    taken = await store.outbox.claim("crm", now, 9, 10.0, sender="other")
                    if any(d.delivery_id == one.delivery_id for d in taken):
                        assert not await store.outbox.delivered(one.delivery_id, now, 200, held=one)
                    await store.outbox.release("other")
                elif what == "later":
                    assert await store.outbox.retry_later(
                        one.delivery_id, FailedAttempt(now, 500, "x"), now, held=one
                    )
                else:
                    assert await store.outbox.delivered(one.delivery_id, now, 200, held=one)
                    observed[one.stream].append(one.sequence)
        now += 11.0
        while taken := await store.outbox.claim("crm", now, 9, 10.0):
            for one in taken:
                assert await store.outbox.delivered(one.delivery_id, now, 200, held=one)
                observed[one.stream].append(one.sequence)
        assert observed == {call_id: [1, 2, 3] for call_id in "abc"}
        await store.close()

    if kind == "sqlite":
        asyncio.run(tried(tmp_path_factory.mktemp("outbox") / "emocx.db"))
        return
    with databases.one() as url:
        asyncio.run(tried(url))

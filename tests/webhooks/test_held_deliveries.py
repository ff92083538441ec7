"""What a sender holds: by the database's clock, renewed while it lasts, not its own once it stood still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import FailedAttempt
from emocx_pbx.webhooks import holding
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.schedule import AttemptOutcome
from emocx_pbx.webhooks.sender import Sender

CRM = WebhookSettings("crm", "http://127.0.0.1:1/", "whsec_" + "A" * 32)


async def both(place: str, monkeypatch: pytest.MonkeyPatch, ahead_s: float = 0.0) -> tuple[Store, Store]:
    """Stores of two hosts; the clock of the second is wrong by so much."""
    right, really = await Store.open(place, [CRM]), time.time
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: really() + ahead_s)
        return right, await Store.open(place, [CRM])


@ON_POSTGRESQL
@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
async def test_a_wrong_clock_of_a_host_delays_and_doubles_nothing(
    place: str, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    right, wrong = await both(place, monkeypatch, ahead_s)
    for writer, other in ((right, wrong), (wrong, right)):
        await writer.outbox.add_event("call.alert", "c", {}, 1.0, str(ahead_s) + str(writer is wrong))
        due = await other.outbox.due_in_s("crm")
        assert due is not None and due <= 0, "as soon as it is written"
        (mine,) = await writer.outbox.claim("crm", None, 9, 60.0, sender="writer")
        assert await other.outbox.claim("crm", None, 9, 60.0, sender="other") == []
        due = await other.outbox.due_in_s("crm")
        assert due is not None and 50 < due <= 60
        assert await writer.outbox.retry_later(
            mine.delivery_id, FailedAttempt(1.0, 429, "x"), 0.0, held=mine, rest_s=90.0
        )
        for store in (writer, other):
            assert 80 < await store.outbox.rest_s("crm") <= 90
        await other.outbox.enable("crm")
        (again,) = await other.outbox.claim("crm", None, 9, 60.0, sender="other")
        assert await other.outbox.delivered(again.delivery_id, 1.0, 200, held=again)
    for store in (right, wrong):
        await store.close()


@ON_POSTGRESQL
async def test_a_claim_that_is_renewed_stays_and_one_that_another_has_is_not_ours(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await both(place, monkeypatch)
    for call_id in "ab":
        await one.outbox.add_event("call.alert", call_id, {}, 1.0)
    mine = [d.delivery_id for d in await one.outbox.claim("crm", None, 9, 0.0, sender="one")]
    assert await one.outbox.claim("crm", None, 9, 60.0, sender="one", busy=mine) == [], "under way already"
    (taken,) = await other.outbox.claim("crm", None, 1, 60.0, sender="other")
    assert await one.outbox.renew("one", mine, 60.0) == set(mine) - {taken.delivery_id}
    assert await other.outbox.claim("crm", None, 9, 60.0, sender="other") == []
    for store in (one, other):
        await store.close()


class Slow:
    """A receiver that is there, and takes as long as it is let; a poster that asks at the last moment."""

    def __init__(self) -> None:
        self.there, self.go = asyncio.Event(), asyncio.Event()
        self.sent = 0

    async def post(
        self,
        receiver: WebhookSettings,
        headers: Mapping[str, str],
        body: bytes,
        still: Callable[[], bool] = lambda: True,
    ) -> AttemptOutcome | None:
        self.there.set()
        await self.go.wait()
        if not still():
            return None
        self.sent += 1
        return AttemptOutcome(200)


@ON_POSTGRESQL
async def test_a_sender_renews_what_a_slow_receiver_takes_its_time_for(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "RENEW_S", 0.01)
    one, other = await both(place, monkeypatch)
    slow = Slow()
    taken = asyncio.Event()
    sender = Sender(one.outbox, lambda: [CRM], slow, on_outcome=lambda *what: taken.set())  # type: ignore[arg-type]
    renewed, really = asyncio.Event(), one.outbox.renew

    async def renew(*asked: object) -> set[int]:
        ours = await really(*asked)  # type: ignore[arg-type]
        renewed.set()
        return ours

    monkeypatch.setattr(one.outbox, "renew", renew)
    await one.outbox.add_event("call.alert", "a", {}, 1.0)
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(20):
        await slow.there.wait()
        async with one._connection.transaction() as c:
            await c.execute("UPDATE delivery SET claimed_until = 0")
        renewed.clear()
        await renewed.wait()
        renewed.clear()
        await renewed.wait()
        assert await other.outbox.claim("crm", None, 9, 60.0, sender="other") == []
        slow.go.set()
        await taken.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for store in (one, other):
        await store.close()


@ON_POSTGRESQL
async def test_a_sender_that_froze_sends_and_settles_nothing_that_another_has_taken(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await both(place, monkeypatch)
    slow, skipped, real = Slow(), 0.0, time.monotonic
    sender = Sender(one.outbox, lambda: [CRM], slow)  # type: ignore[arg-type]
    sender._holding._clock = lambda: real() + skipped
    over = asyncio.Event()
    monkeypatch.setattr(sender._holding, "over", lambda delivery: over.set())
    await one.outbox.add_event("call.alert", "a", {}, 1.0)
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(20):
        await slow.there.wait()
        # It stands still now; its claim ends, and another one takes what it had.
        skipped = holding.HOLD_S
        async with one._connection.transaction() as c:
            await c.execute("UPDATE delivery SET claimed_until = 0")
        (taken,) = await other.outbox.claim("crm", None, 9, 60.0, sender="other")
        slow.go.set()
        await over.wait()
    assert slow.sent == 0, "it found out before it sent"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await other.outbox.delivered(taken.delivery_id, 1.0, 200, held=taken)
    (row,) = await other.outbox.deliveries()
    assert (row.state, row.attempts) == ("delivered", 1)
    for store in (one, other):
        await store.close()


@ON_POSTGRESQL
async def test_what_a_late_answer_says_of_its_receiver_counts_only_for_whoever_still_has_it(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await both(place, monkeypatch)
    await one.outbox.add_event("call.alert", "a", {}, 1.0)
    (mine,) = await one.outbox.claim("crm", None, 9, 0.0, sender="one")
    (theirs,) = await other.outbox.claim("crm", None, 9, 60.0, sender="other")
    late = mine.delivery_id
    assert not await one.outbox.gave_up(late, FailedAttempt(1.0, 410, "HTTP 410"), held=mine, disable=True)
    assert not await one.outbox.retry_later(late, FailedAttempt(1.0, 429, "x"), 9.0, held=mine, rest_s=600.0)
    assert await one.outbox.rest_s("crm") < 0, "neither disabled nor resting"
    assert await other.outbox.gave_up(late, FailedAttempt(1.0, 410, "HTTP 410"), held=theirs, disable=True)
    assert await one.outbox.disabled() == {"crm": "HTTP 410"}
    for store in (one, other):
        await store.close()


async def test_nothing_is_posted_that_is_somebody_elses_at_the_last_moment() -> None:
    async with Receiver() as crm:
        receiver, poster = WebhookSettings("crm", crm.url, crm.secret), Poster(Networks(["127.0.0.0/8"]))
        assert await poster.post(receiver, {}, b"{}", lambda: False) is None
        assert crm.deliveries == []

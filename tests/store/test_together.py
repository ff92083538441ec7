"""What the ledger writes together: one commit, all or nothing, told of only once it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emocx_pbx.calls.effects import Write, WriteReadings, WriteSegment, WriteSpans, WriteStart, WriteTapped
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.writing import Writing
from emocx_pbx.domain import Reading, Scores, Segment, Span
from emocx_pbx.errors import StoreError
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
READING = Reading(0.0, 4.0, 4.0, Scores((0.7, 0.1, 0.1, 0.1)))


def started(call_id: str) -> WriteStart:
    event = NewEvent("call.started", call_id, {}, 1.0)
    return WriteStart(call_id, 1.0, queue="care", queued_at=1.0, events=(event,))


def begun(call_id: str) -> list[Write]:
    segment = Segment(call_id, 0, "bob", "PJSIP/bob", "care", "queue", 2.0)
    return [
        started(call_id),
        WriteSegment(segment),
        WriteTapped(call_id, 2.0),
        WriteReadings(call_id, (READING,), 6.0, ()),
        WriteSpans(call_id, (Span("customer", 0.0, 4.0),)),
    ]


#: SQLite has no place for the number.
WRONG = WriteSegment(Segment("c9", 2**70, "bob", "PJSIP/bob", "care", "queue", 2.0))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "emocx.db", [CRM], now=lambda: 1000.0)
    yield opened
    await opened.close()


async def test_all_of_it_is_there_and_told_of_once_it_is(store: Store) -> None:
    observed: list[int] = []
    looks: list[asyncio.Task[None]] = []

    async def look() -> None:
        observed.append(
            len(await store.outbox.events_of_call("c1")) + len(await store.outbox.events_of_call("c2"))
        )

    store.outbox.news.subscribe(lambda: looks.append(asyncio.ensure_future(look())))
    await Writing(store).write_together([*begun("c1"), *begun("c2")])
    await asyncio.gather(*looks)
    assert observed == [2]  # once, and both are there
    for call_id in ("c1", "c2"):
        call = await store.call(call_id)
        assert call is not None and call.call.tapped_at == 2.0
        assert (len(call.segments), len(call.readings), len(call.spans)) == (1, 1, 1)


async def test_one_that_cannot_be_written_takes_all_back(store: Store) -> None:
    observed: list[None] = []
    store.outbox.news.subscribe(lambda: observed.append(None))
    with pytest.raises((StoreError, OverflowError)):
        await Writing(store).write_together([*begun("c1"), WRONG])
    assert await store.call("c1") is None and not observed
    await Writing(store).write_together(begun("c1"))
    assert await store.call("c1") is not None and observed


async def test_what_others_write_meanwhile_is_their_own(store: Store) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def together() -> None:
        async with store.together(durable=True):
            await Writing(store).write(started("c1"))
            entered.set()
            await go_on.wait()
            raise StoreError("after all not")

    group = asyncio.ensure_future(together())
    await entered.wait()
    other = asyncio.ensure_future(Writing(store).write(started("c2")))
    await asyncio.sleep(0)
    assert not other.done()  # it waits for its turn
    go_on.set()
    await asyncio.gather(group, other, return_exceptions=True)
    assert await store.call("c1") is None and await store.call("c2") is not None


async def test_the_ledger_writes_all_but_the_bad_one(store: Store) -> None:
    counted: list[str] = []
    ledger = Ledger(Writing(store), lambda up, why: None, lambda *what: counted.append(what[0]))
    for write in (*begun("c1"), WRONG, *begun("c2")):
        ledger.add(write)
    await ledger.drain()
    assert counted == ["changes_regrouped", "changes_failed"]
    for call_id in ("c1", "c2"):
        call = await store.call(call_id)
        assert call is not None and call.segments and call.readings

"""Erasing a customer leaves nothing that points to him, not even in the database file's bytes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment, Span
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
KEY, NUMBER, TEXT = "customer-4711", "+49301234567", "where is my parcel"


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path / "emocx.db", [CRM], clock=lambda: 1000.0)
    yield opened
    await opened.close()


async def call(store: Store, call_id: str, key: str | None, number: str | None, ended: bool = True) -> None:
    decision = Decision(f"d-{call_id}", 90.0, "ok", "vip", "angry", 0.9, None)
    await store.record_decision(
        decision,
        None,
        key,
        TEXT,
        [NewEvent("query.routed", None, {"customer_key": key}, 90.0, f"d-{call_id}")],
    )
    personal = {"customer_key": key, "caller": number, "queue": "vip"}
    await store.start_call(
        call_id,
        100.0,
        key,
        number,
        "vip",
        f"d-{call_id}",
        [NewEvent("call.started", call_id, personal, 100.0)],
    )
    await store.save_segment(Segment(call_id, 0, "bob", "PJSIP/bob", "vip", "queue", 101.0))
    await store.add_readings(call_id, [Reading(0, 3, 3, Scores((1, 0, 0, 0)))])
    await store.add_spans(call_id, [Span("agent", 0, 1)])
    await store.set_hold(call_id, 102.0, True)
    if ended:
        await store.save_grade(call_id, 0, Grade(50.0, "C", 40.0, 60.0, 9.0))
        await store.end_call(call_id, 120.0, "hangup", [NewEvent("call.ended", call_id, personal, 120.0)])


async def deliver_all(store: Store) -> None:
    while due := await store.due_deliveries("crm", 2000.0, 50):
        for delivery in due:
            await store.delivered(delivery.delivery_id, 1500.0, 200)


def written(tmp_path) -> bytes:
    return b"".join(file.read_bytes() for file in tmp_path.iterdir())


async def test_a_customer_is_gone_and_the_others_are_not(store, tmp_path):
    await call(store, "his", KEY, NUMBER)
    await call(store, "hers", "customer-2", "+4930999")
    await deliver_all(store)
    assert KEY.encode() in written(tmp_path)
    other = await store.call("hers")
    counts = await store.erase(customer_key=KEY)
    assert counts == {
        "decisions": 1,
        "segments": 1,
        "readings": 1,
        "spans": 1,
        "holds": 1,
        "grades": 1,
        "calls": 1,
        "events": 3,
    }
    assert await store.call("his") is None
    assert await store.call("hers") == other
    for word in (KEY, NUMBER):
        assert word.encode() not in written(tmp_path)
    assert await store.erase(customer_key=KEY) == {}


async def test_by_calling_number(store, tmp_path):
    await call(store, "his", None, NUMBER)
    assert (await store.erase(caller=NUMBER))["calls"] == 1
    assert await store.call("his") is None


async def test_nothing_named_erases_nothing(store):
    await call(store, "his", None, None)
    assert await store.erase() == {}
    assert await store.erase("", "") == {}


async def test_what_a_receiver_is_owed_is_sent_without_personal_fields_and_then_gone(store, tmp_path):
    await call(store, "his", KEY, NUMBER)
    counts = await store.erase(customer_key=KEY)
    assert counts["blanked_events"] == 3
    assert KEY.encode() not in written(tmp_path)
    bodies = []
    while due := await store.due_deliveries("crm", 2000.0, 50):
        for delivery in due:
            bodies.append(msgspec.json.decode(delivery.body))
            await store.delivered(delivery.delivery_id, 1500.0, 200)
    assert [b["type"] for b in bodies] == ["query.routed", "call.started", "call.ended"]
    assert all(b["data"]["customer_key"] is None for b in bodies)
    assert bodies[2]["data"]["queue"] == "vip"
    assert await store.deliveries() == []


async def test_a_call_going_on_stays_but_no_longer_points_to_him(store):
    await call(store, "now", KEY, NUMBER, ended=False)
    counts = await store.erase(customer_key=KEY)
    assert counts["blanked_calls"] == 1
    (found,) = await store.open_calls()
    assert (found.call.customer_key, found.call.caller) == (None, None)
    assert await store.end_call("now", 130.0, "hangup", [NewEvent("call.ended", "now", {}, 130.0)]) is True


async def test_a_chat_query_without_a_call_is_erased_too(store):
    decision = Decision("chat", 90.0, "ok", "vip", "angry", 0.9, None)
    await store.record_decision(decision, None, KEY, TEXT, [NewEvent("query.routed", None, {}, 90.0, "chat")])
    await deliver_all(store)
    assert await store.erase(customer_key=KEY) == {"events": 1, "decisions": 1}
    assert await store.decision("chat") is None


async def test_old_calls_go_and_later_ones_stay(store):
    await call(store, "old", KEY, NUMBER)
    await call(store, "open", None, None, ended=False)
    await store.record_decision(
        replace(Decision("lone", 50.0, "ok", "vip", "angry", 0.9, None)), None, None, None
    )
    assert await store.purge(before=119.0) != {}  # chat events of that time
    assert await store.call("old") is not None
    counts = await store.purge(before=121.0)
    assert (counts["calls"], counts["grades"]) == (1, 1)
    assert await store.call("old") is None
    assert await store.decision("lone") is None
    assert (await store.call("open")).call.ended_at is None

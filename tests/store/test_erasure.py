"""Erasing a customer leaves nothing that points to them, not even in the database file's bytes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from databases import ON_SQLITE

from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment, Span, Words
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store import erasure
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.erasure import traces_in

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
KEY, NUMBER, TEXT = "customer-4711", "+49301234567", "where is my parcel"
SAID = "nobody ever answers my letters"


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, [CRM], now=lambda: 1000.0)
    yield opened
    await opened.close()


async def call(store: Store, call_id: str, key: str | None, number: str | None, ended: bool = True) -> None:
    decision = Decision(f"d-{call_id}", 90.0, "ok", "vip", "angry", 0.9, None)
    await store.decisions.record(
        decision,
        None,
        key,
        TEXT,
        [NewEvent("query.routed", None, {"customer_key": key}, 90.0, f"d-{call_id}")],
    )
    personal = {"customer_key": key, "caller": number, "queue": "vip"}
    await store.calls.start(
        call_id,
        100.0,
        key,
        number,
        "vip",
        f"d-{call_id}",
        [NewEvent("call.started", call_id, personal, 100.0)],
    )
    await store.calls.save_segment(Segment(call_id, 0, "bob", "PJSIP/bob", "vip", "queue", 101.0))
    await store.readings.add(call_id, [Reading(0, 3, 3, Scores((1, 0, 0, 0)))])
    await store.readings.add_spans(call_id, [Span("agent", 0, 1)])
    await store.readings.add_words(call_id, Words(0, 3, f"{SAID} of {key}"))
    await store.calls.set_hold(call_id, 102.0, True)
    if ended:
        await store.grades.save(call_id, 0, Grade(50.0, "C", 40.0, 60.0, 9.0))
        await store.calls.end(call_id, 120.0, "hangup", [NewEvent("call.ended", call_id, personal, 120.0)])


async def deliver_all(store: Store) -> None:
    while due := await store.outbox.claim("crm", 2000.0, 50, 0.0):
        for delivery in due:
            await store.outbox.delivered(delivery.delivery_id, 1500.0, 200)


def written(tmp_path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in tmp_path.iterdir())


@ON_SQLITE
async def test_a_customer_is_gone_and_the_others_are_not(store: Store, tmp_path: Path) -> None:
    await call(store, "his", KEY, NUMBER)
    await call(store, "hers", "customer-2", "+4930999")
    await deliver_all(store)
    assert KEY.encode() in written(tmp_path)
    other = await store.call("hers")
    counts = (await store.erasure.erase(customer_key=KEY)).counts
    assert counts == {
        "decisions": 1,
        "segments": 1,
        "readings": 1,
        "words": 1,
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
    assert (await store.erasure.erase(customer_key=KEY)).counts == {}


async def test_by_calling_number(store: Store, tmp_path: Path) -> None:
    await call(store, "his", None, NUMBER)
    assert (await store.erasure.erase(callers=[NUMBER])).counts["calls"] == 1
    assert await store.call("his") is None


async def test_nothing_named_erases_nothing(store: Store) -> None:
    await call(store, "his", None, None)
    assert (await store.erasure.erase()).counts == {}
    assert (await store.erasure.erase("", [""])).counts == {}


async def test_what_a_receiver_is_owed_is_sent_without_personal_fields_and_then_gone(
    store: Store, tmp_path: Path
) -> None:
    await call(store, "his", KEY, NUMBER)
    counts = (await store.erasure.erase(customer_key=KEY)).counts
    assert counts["blanked_events"] == 3
    assert KEY.encode() not in written(tmp_path)
    bodies = []
    while due := await store.outbox.claim("crm", 2000.0, 50, 0.0):
        for delivery in due:
            bodies.append(msgspec.json.decode(delivery.body))
            await store.outbox.delivered(delivery.delivery_id, 1500.0, 200)
    [observed] = [b for b in bodies if b["type"] == "customer.erased"]
    bodies.remove(observed)
    assert [b["type"] for b in bodies] == ["query.routed", "call.started", "call.ended"]
    assert all(b["data"]["customer_key"] is None for b in bodies)
    assert bodies[2]["data"]["queue"] == "vip"
    assert (observed["type"], observed["data"]["calls"], observed["data"]["decisions"]) == (
        "customer.erased", ["his"], ["d-his"]
    )  # fmt: skip
    assert [d.type for d in await store.outbox.deliveries()] == ["customer.erased"]


async def test_a_call_going_on_stays_but_no_longer_points_to_him(store: Store) -> None:
    await call(store, "now", KEY, NUMBER, ended=False)
    counts = (await store.erasure.erase(customer_key=KEY)).counts
    assert counts["blanked_calls"] == 1
    (found,) = await store.calls.open()
    assert (found.call.customer_key, found.call.caller) == (None, None)
    assert await store.calls.end("now", 130.0, "hangup", [NewEvent("call.ended", "now", {}, 130.0)]) is True


async def test_a_chat_query_without_a_call_is_erased_too(store: Store) -> None:
    decision = Decision("chat", 90.0, "ok", "vip", "angry", 0.9, None)
    await store.decisions.record(
        decision, None, KEY, TEXT, [NewEvent("query.routed", None, {}, 90.0, "chat")]
    )
    await deliver_all(store)
    assert (await store.erasure.erase(customer_key=KEY)).counts == {"events": 1, "decisions": 1}
    assert await store.decisions.get("chat") is None


async def test_old_calls_go_and_later_ones_stay(store: Store) -> None:
    await call(store, "old", KEY, NUMBER)
    await call(store, "open", None, None, ended=False)
    await store.decisions.record(
        replace(Decision("lone", 50.0, "ok", "vip", "angry", 0.9, None)), None, None, None
    )
    assert (await store.erasure.purge(before=119.0)).counts != {}  # chat events of that time
    assert await store.call("old") is not None
    counts = (await store.erasure.purge(before=121.0)).counts
    assert (counts["calls"], counts["grades"]) == (1, 1)
    assert await store.call("old") is None
    assert await store.decisions.get("lone") is None
    still = await store.call("open")
    assert still is not None and still.call.ended_at is None


async def test_what_is_written_of_a_live_call_later_does_not_point_to_its_customer_either(
    store: Store, tmp_path: Path
) -> None:
    await call(store, "now", KEY, NUMBER, ended=False)
    erased = await store.erasure.erase(customer_key=KEY)
    assert erased.live == ["now"]
    # Whoever still holds the key in memory goes on telling it.
    personal = {"customer_key": KEY, "caller": NUMBER}
    await store.decisions.record(
        Decision("d-2", 125.0, "ok", "vip", "angry", 0.9, None), "now", KEY, TEXT,
        [NewEvent("query.routed", "now", personal, 125.0, "d-2")],
    )  # fmt: skip
    await store.calls.start("now", 126.0, KEY, NUMBER, "vip", None)
    graded = NewEvent("call.graded", "now", personal, 128.0, "0")
    await store.grades.save("now", 0, Grade(50.0, "C", 40.0, 60.0, 9.0), [graded])
    await store.calls.end("now", 130.0, "hangup", [NewEvent("call.ended", "now", personal, 130.0)])
    await deliver_all(store)
    for word in (KEY, NUMBER, TEXT):
        assert word.encode() not in written(tmp_path)
    assert (await store.erasure.erase(customer_key=KEY, callers=[NUMBER])).counts == {}
    detail = await store.call("now")
    assert detail is not None
    assert [e.sequence for e in detail.events] == [1, 2, 3, 4], "none is missing, none came twice"


async def test_a_key_in_events_of_a_call_that_lost_it_is_found(store: Store, tmp_path: Path) -> None:
    # As a version before left it: the row was blanked, the last events were not.
    await call(store, "old", None, None)
    late = {"customer_key": KEY, "caller": NUMBER, "queue": "vip"}
    await store.outbox.add_event("call.graded", "old", late, 121.0, "0")
    await deliver_all(store)
    assert (await store.erasure.erase(customer_key=KEY)).counts == {"events": 1}
    for word in (KEY, NUMBER):
        assert word.encode() not in written(tmp_path)


async def test_kept_answers_to_requests_go_too(store: Store) -> None:
    await call(store, "his", KEY, NUMBER)
    for key, body in (("a", b'{"decision_id":"d-his","call_id":"his"}'), ("b", b'{"decision_id":"other"}')):
        await store.idempotency.claim("token", key, "hash")
        await store.idempotency.keep("token", key, 200, body)
    assert (await store.erasure.erase(customer_key=KEY)).counts["answers"] == 1
    assert (await store.idempotency.claim("token", "a", "hash")).state == "new"
    assert (await store.idempotency.claim("token", "b", "hash")).state == "known"


async def test_a_key_that_json_writes_otherwise_is_found(store: Store, tmp_path: Path) -> None:
    key = 'K "D" \\ 4711/Zürich'
    await call(store, "his", None, None)
    await store.outbox.add_event("call.graded", "his", {"customer_key": key}, 121.0, "0")
    await deliver_all(store)
    assert (await store.erasure.erase(customer_key=key)).counts == {"events": 1}


async def test_the_log_tells_of_an_erasure_but_not_whom(store: Store) -> None:
    await call(store, "his", KEY, NUMBER)
    await store.erasure.erase(customer_key=KEY, by=Actor("root", "command line"))
    [row] = await store.audit.rows(action="privacy.")
    assert (row.actor, row.action, row.subject) == ("root", "privacy.erased", "a customer")
    assert KEY not in str(row)


# What is still in the write-ahead log.


@ON_SQLITE
async def test_while_somebody_reads_the_log_an_erasure_is_not_done_and_says_so(
    store: Store, tmp_path: Path
) -> None:
    await call(store, "his", KEY, NUMBER)
    await deliver_all(store)
    reader = sqlite3.connect(tmp_path / "emocx.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM call").fetchone()
    async with asyncio.timeout(5):
        erased = await store.erasure.erase(customer_key=KEY, settle_s=0.0)
    assert erased.counts["calls"] == 1 and not erased.settled
    assert KEY.encode() in written(tmp_path), "what the answer says is so"
    # Another one that finds nothing may not call it done either.
    again = await store.erasure.erase(customer_key=KEY, settle_s=0.0)
    assert again.counts == {} and not again.settled
    reader.close()
    assert await store.erasure.settle()
    for word in (KEY, NUMBER):
        assert word.encode() not in written(tmp_path)


@ON_SQLITE
async def test_purging_leaves_no_copy_in_the_log_either(store: Store, tmp_path: Path) -> None:
    for number in range(50):
        await call(store, f"c{number}", f"{KEY}-{number}", NUMBER)
    await deliver_all(store)
    assert (await store.erasure.purge(before=2000.0)).settled
    for word in (KEY, NUMBER):
        assert word.encode() not in written(tmp_path)


@ON_SQLITE
async def test_a_purge_that_a_reader_kept_from_its_end_is_made_good(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "SETTLE_S", 0.0)
    await call(store, "his", KEY, NUMBER)
    await deliver_all(store)
    reader = sqlite3.connect(tmp_path / "emocx.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM call").fetchone()
    purged = await store.erasure.purge(before=2000.0)
    assert purged.counts["calls"] == 1 and not purged.settled
    again = await store.erasure.purge(before=2000.0)
    assert again.counts == {} and not again.settled
    reader.close()
    await store.close()
    later = await Store.open(tmp_path / "emocx.db", [CRM], now=lambda: 1000.0)  # as after a crash
    assert await later.erasure.settle()
    for word in (KEY, NUMBER):
        assert word.encode() not in written(tmp_path)
    await later.close()


CRASHES = """
import asyncio, os, sys
from pathlib import Path
from emocx_pbx.store.sqlite import SqliteConnection
from emocx_pbx.store.database import Store

async def killed(self):
    os._exit(9)

async def main():
    SqliteConnection.checkpoint = killed
    store = await Store.open(Path(sys.argv[1]))
    await store.erasure.erase(customer_key=sys.argv[2])

asyncio.run(main())
"""


async def test_a_crash_in_the_middle_is_made_good_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    store = await Store.open(path, [CRM], now=lambda: 1000.0)
    await call(store, "his", KEY, NUMBER)
    await deliver_all(store)
    code = await asyncio.to_thread(
        lambda: subprocess.run([sys.executable, "-c", CRASHES, str(path), KEY], check=False).returncode
    )
    assert code == 9
    assert KEY.encode() in written(tmp_path)
    assert await store.call("his") is None
    assert await store.erasure.settle()
    assert KEY.encode() not in written(tmp_path)
    await store.close()


@ON_SQLITE
async def test_no_copy_is_left_in_pages_that_rows_were_moved_out_of(store: Store, tmp_path: Path) -> None:
    """B-trees move rows between pages as they grow, which secure_delete does not see."""
    named = [f"key-{n:02d}-of-somebody-{'x' * (n % 50)}" for n in range(50)]
    async with store._connection.transaction() as c:
        for n in random.Random(1).sample(range(700), 700):
            await c.execute(
                "INSERT INTO call (call_id, started_at, ended_at, last_seen_at, customer_key)"
                f" VALUES ('{n:05d}.{n * 7919 % 997}', {100.0 + n}, 900.0, 900.0, '{named[n % 50]}')"
            )
    for key in named:
        assert (await store.erasure.erase(customer_key=key)).settled
        assert traces_in(tmp_path / "emocx.db", [key]) == 0


@ON_SQLITE
async def test_a_large_file_is_not_rewritten_for_a_purge(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PURGE_COMPACT_BYTES", 0)
    monkeypatch.setattr(erasure, "traces_in", lambda path, names: 1)
    await call(store, "his", KEY, NUMBER)
    purged = await store.erasure.purge(before=2000.0)
    assert purged.counts["calls"] == 1 and not purged.settled
    assert await store.erasure.settle(), "nothing more is tried of it"


def test_traces_are_found_as_json_writes_them(tmp_path: Path) -> None:
    key = 'K "D" \\ 4711/Zürich'
    (tmp_path / "emocx.db").write_bytes(b'{"customer_key":"K \\"D\\" \\\\ 4711/Z\xc3\xbcrich"}')
    assert traces_in(tmp_path / "emocx.db", [key]) == 1
    assert traces_in(tmp_path / "emocx.db", [key[:-1] + "k"]) == 0


@ON_SQLITE
async def test_a_purge_looks_for_traces_of_who_asked_without_a_call(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.decisions.record(Decision("d", 100.0, "ok", "s", "angry", 0.9, None), None, KEY, None)
    looked: list[set[str]] = []

    def traces(path: Path, names: Iterable[str]) -> int:
        looked.append(set(names))
        return 0

    monkeypatch.setattr(erasure, "traces_in", traces)
    await store.erasure.purge(before=2000.0)
    assert looked == [{KEY}]


def test_traces_are_found_where_chunks_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_CHUNK", 8)
    (tmp_path / "a.db").write_bytes(b"......custom")
    (tmp_path / "a.db-wal").write_bytes(b"12345customer-4711.....")
    assert traces_in(tmp_path / "a.db", ["customer-4711", "customer-4712"]) == 1

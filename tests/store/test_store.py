"""The store: what is committed stays, what is redone changes nothing, and each call ends once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from databases import ON_SQLITE

from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment, Span, Visit, Words
from emocx_pbx.errors import StoreError
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store
from emocx_pbx.store.grades import Revision
from emocx_pbx.store.rows import CallDetail, CorrectionRow, GradeRow

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
LIVE = WebhookSettings(
    name="live", url="http://127.0.0.1:2/", secret="whsec_" + "B" * 32, events=("call.reading", "call.ended")
)
DECISION = Decision("d1", 90.0, "ok", "vip", "angry", 0.9, {"angry": 0.9}, reasons=("said so",))
SEGMENT = Segment("c1", 0, "bob", "PJSIP/bob", "vip", "queue", 110.0)
READING = Reading(0.5, 3.5, 2.9, Scores((0.7, 0.1, 0.1, 0.1), 0.4), "cnn/1")
GRADE = Grade(
    61.5, "B", 55.0, 70.0, 20.0, (Contribution("base", 61.5, "all", (0,)),), facts={"agent_talk_share": 0.5}
)


def event(kind: str, call_id: str | None = "c1", at: float = 100.0, **data: object) -> NewEvent:
    return NewEvent(kind, call_id, data, at, str(data.pop("of", "")))


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, [CRM, LIVE], now=lambda: 1000.0)
    yield opened
    await opened.close()


async def known(store: Store, call_id: str) -> CallDetail:
    detail = await store.call(call_id)
    assert detail is not None
    return detail


def always(word: Revision) -> Callable[[Segment, GradeRow], Revision]:
    return lambda part, newest: word


async def a_whole_call(store: Store, call_id: str = "c1") -> None:
    """Told from the beginning to the end, as the service does it."""
    await store.decisions.record(DECISION, None, "cust-1", "where is my money")
    await store.calls.start(call_id, 100.0, None, "+4930", "vip", "d1", [event("call.started", call_id)])
    await store.calls.save_segment(replace(SEGMENT, call_id=call_id))
    await store.calls.set_tapped(call_id, 110.2)
    await store.calls.set_tapped(call_id, 140.2)
    await store.readings.add(call_id, [READING], 114.0, [event("call.reading", call_id, of="0.5")])
    await store.readings.add_spans(call_id, [Span("customer", 0.4, 3.5), Span("agent", 4.0, 5.0)])
    await store.calls.set_hold(call_id, 120.0, True)
    await store.calls.set_hold(call_id, 125.0, False)
    closed = replace(SEGMENT, call_id=call_id, ended_at=130.0, end_reason="agent_hung_up")
    await store.calls.save_segment(closed)
    await store.calls.save_visit(call_id, 0, Visit("vip", 100.0, 110.0, "answered"))
    await store.grades.save(call_id, 0, GRADE, [event("call.graded", call_id, of="0")])
    await store.calls.end(call_id, 131.0, "hangup", [event("call.ended", call_id, 131.0)])


async def test_a_call_is_told_back_as_it_was(store: Store) -> None:
    await a_whole_call(store)
    detail = await known(store, "c1")
    assert (detail.call.customer_key, detail.call.caller, detail.call.queue) == ("cust-1", "+4930", "vip")
    assert (detail.call.tapped_at, detail.call.ended_at, detail.call.end_reason) == (110.2, 131.0, "hangup")
    assert detail.decision is not None and detail.decision.decision == DECISION
    assert (detail.decision.text, detail.decision.call_id) == ("where is my money", "c1")
    assert [(s.agent, s.ended_at, s.end_reason) for s in detail.segments] == [("bob", 130.0, "agent_hung_up")]
    assert detail.readings == (READING,)
    assert [s.side for s in detail.spans] == ["customer", "agent"]
    assert [(h.started_at, h.ended_at) for h in detail.holds] == [(120.0, 125.0)]
    assert [(g.revision, g.kind, g.grade) for g in detail.grades] == [(0, "automatic", GRADE)]
    assert [(e.type, e.sequence) for e in detail.events] == [
        ("call.started", 1),
        ("call.reading", 2),
        ("call.graded", 3),
        ("call.ended", 4),
    ]
    assert await store.call("nobody") is None


async def test_what_is_heard_of_many_calls_in_one_transaction(store: Store) -> None:
    await store.decisions.record(DECISION, None, "cust-1", "where is my money")
    for call_id in ("c1", "c2"):
        await store.calls.start(call_id, 100.0, None, "+4930", "vip", None, [])
    later = replace(READING, t0=4.0, t1=7.0)
    for _ in range(2):  # told twice, kept once
        await store.readings.add_many(
            [
                ("c1", [READING], 114.0, [event("call.reading", "c1", of="0.5")]),
                ("c2", [READING], 114.0, []),
                ("c1", [later], 117.5, []),
            ],
            [("c2", [Span("customer", 0.4, 3.5)]), ("c1", [])],
        )
    assert await store.readings.of_call("c1") == (READING, later)
    assert await store.readings.of_call("c2") == (READING,)
    assert await store.readings.spans("c2") == (Span("customer", 0.4, 3.5),)
    await store.readings.add_many([], [])


async def test_each_receiver_gets_the_events_it_wants(store: Store) -> None:
    await a_whole_call(store)
    rows = await store.outbox.deliveries(limit=50)
    assert sorted((r.receiver, r.type) for r in rows) == [
        ("crm", "call.ended"),
        ("crm", "call.graded"),
        ("crm", "call.started"),
        ("live", "call.ended"),
        ("live", "call.reading"),
    ]
    assert await store.lists.delivery_counts(0.0) == {("crm", "pending"): 3, ("live", "pending"): 2}


async def test_doing_everything_again_changes_nothing(store: Store) -> None:
    await a_whole_call(store)
    before = await store.call("c1"), await store.outbox.deliveries(limit=50)
    assert await store.grades.save("c1", 0, GRADE, [event("call.graded", of="0")]) is False
    assert await store.calls.end("c1", 500.0, "lost", [event("call.ended", at=500.0)]) is False
    await a_whole_call(store)
    assert (await store.call("c1"), await store.outbox.deliveries(limit=50)) == before


async def test_a_call_has_one_terminal_event_whatever_is_tried(store: Store) -> None:
    await a_whole_call(store)
    await store.calls.end("c1", 140.0, "lost", [NewEvent("call.ended", "c1", {}, 140.0, "another")])
    await store.outbox.add_event("call.alert", "c1", {}, 141.0, "too late")
    await store.outbox.add_event("grade.revised", "c1", {}, 150.0, "0:1")
    types = [e.type for e in (await known(store, "c1")).events]
    assert types.count("call.ended") == 1
    assert types[-2:] == ["call.ended", "grade.revised"]


async def test_a_failed_transaction_leaves_neither_grade_nor_event(store: Store) -> None:
    unencodable = NewEvent("call.graded", "c1", {"no": object()}, 1.0, "0")
    with pytest.raises(TypeError):
        await store.grades.save("c1", 0, GRADE, [event("call.alert"), unencodable])
    assert await store.grades.of_call("c1") == ()
    assert await store.outbox.events_of_call("c1") == ()
    assert await store.grades.save("c1", 0, GRADE, [event("call.graded", of="0")]) is True


async def test_a_cancelled_transaction_is_rolled_back_and_the_next_one_works(store: Store) -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def halfway() -> None:
        async with store._connection.transaction() as c:
            await store._connection.sql.start_call(
                c,
                call_id="x",
                at=1.0,
                customer_key=None,
                caller=None,
                queue=None,
                decision_id=None,
                queued_at=None,
                callback=None,
                pbx="",
            )
            entered.set()
            await never.wait()

    task = asyncio.create_task(halfway())
    entering = asyncio.create_task(entered.wait())
    await asyncio.wait({task, entering}, return_when=asyncio.FIRST_COMPLETED)
    assert entering.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.call("x") is None
    await a_whole_call(store)
    assert await store.call("c1") is not None


async def test_many_writers_at_once(store: Store) -> None:
    await asyncio.gather(*(a_whole_call(store, f"c{n}") for n in range(12)))
    for n in range(12):
        assert [e.sequence for e in (await known(store, f"c{n}")).events] == [1, 2, 3, 4]


async def test_open_calls_are_told_with_their_open_segments(store: Store) -> None:
    await a_whole_call(store, "ended")
    await store.calls.start("open", 200.0, "k", None, "vip", None)
    await store.calls.save_segment(replace(SEGMENT, call_id="open", ended_at=205.0, started_at=201.0))
    await store.calls.save_segment(replace(SEGMENT, call_id="open", index=1, agent="eve", started_at=206.0))
    await store.calls.touch("open", 260.0)
    await store.calls.touch("open", 250.0)
    (found,) = await store.calls.open()
    assert (found.call.call_id, found.call.last_seen_at, found.next_segment) == ("open", 260.0, 2)
    assert [s.agent for s in found.segments] == ["eve"]
    await store.calls.set_hold("open", 261.0, True)
    assert await store.calls.end("open", 270.0, "lost") is True
    detail = await known(store, "open")
    assert [(s.ended_at, s.end_reason) for s in detail.segments] == [(205.0, None), (270.0, "lost")]
    assert detail.holds[0].ended_at == 270.0
    assert await store.calls.open() == []


async def test_grades_are_appended_never_overwritten(store: Store) -> None:
    await a_whole_call(store)
    better = Grade(80.0, "A", 80.0, 80.0, 20.0)
    for n, author in enumerate(("kim", "lee"), start=1):
        word = Revision("override", better, author, "heard it", Actor("root", "command line"))
        row = await store.grades.revise("c1", 0, always(word))
        assert row and row.revision == n
    assert await store.grades.revise("c1", 7, always(word)) is None
    noted = await store.audit.rows(action="grade.")
    assert [(a.actor, a.action, a.subject) for a in noted] == [("root", "grade.override", "c1#0")] * 2
    (graded,) = await store.grades.between(agent="bob")
    assert (graded.row.author, graded.row.grade.score, graded.decision) == ("lee", 80.0, DECISION)
    assert [g.grade.score for g in (await known(store, "c1")).grades] == [61.5, 80.0, 80.0]
    assert [e.type for e in (await known(store, "c1")).events][-2:] == ["grade.revised"] * 2
    with pytest.raises(StoreError, match="never overwritten"):
        async with store._connection.transaction() as c:
            await c.execute("UPDATE grade SET score = 100")


async def test_lists_filter_by_time_agent_and_queue(store: Store) -> None:
    await a_whole_call(store)
    assert [c.call_id for c in await store.calls.between(agent="bob", queue="vip")] == ["c1"]
    assert await store.calls.between(agent="eve") == []
    assert await store.calls.between(since=101.0) == []
    assert await store.grades.between(until=110.0) == []
    assert [d.decision.decision_id for d in await store.decisions.between(since=90.0)] == ["d1"]
    decided = await store.decisions.get("d1")
    assert decided is not None and decided.customer_key == "cust-1"
    assert await store.decisions.get("d9") is None


async def test_corrections_are_kept_as_labels(store: Store) -> None:
    correction = CorrectionRow("c1", 0.5, 3.5, "neutral", "kim", "just loud", 400.0)
    await store.readings.correct(correction, Entry(Actor("kim", ""), "reading.corrected", "c1@0.50"))
    assert await store.readings.corrections() == [correction]
    assert [row.action for row in await store.audit.rows()] == ["reading.corrected"]


async def test_news_is_told_only_after_it_is_committed(store: Store) -> None:
    seen: list[int] = []
    store.outbox.news.subscribe(lambda: seen.append(1))
    await store.calls.touch("c1", 5.0)
    assert seen == []
    await store.outbox.add_event("call.started", "c1", {}, 1.0)
    assert seen == [1]


async def test_a_newer_database_or_no_database_is_refused(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="use a newer one"):
        await Store.open(tmp_path / "newer.db")
    (tmp_path / "letter.db").write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(StoreError, match=r"letter\.db"):
        await Store.open(tmp_path / "letter.db")
    with pytest.raises(StoreError, match="can't be used"):
        await Store.open(tmp_path / "no" / "where.db")


@ON_SQLITE
async def test_the_database_is_for_the_services_user_only(store: Store, tmp_path: Path) -> None:
    await a_whole_call(store)
    for file in tmp_path.iterdir():  # noqa: ASYNC240
        assert file.stat().st_mode & 0o077 == 0, file.name


async def test_another_process_sees_and_may_write_too(store: Store, place: Path | str) -> None:
    await a_whole_call(store)
    other = await Store.open(place, [CRM])
    assert (await known(other, "c1")).call.end_reason == "hangup"
    assert await other.outbox.replay(receiver="crm", call_id="c1") == 3
    await other.close()
    await store.calls.touch("c1", 999.0)
    assert (await known(store, "c1")).call.last_seen_at == 999.0


async def test_what_was_committed_is_there_after_reopening(place: Path | str) -> None:
    first = await Store.open(place, [CRM])
    await a_whole_call(first)
    before = await first.call("c1")
    await first.close()
    second = await Store.open(place, [CRM])
    assert await second.call("c1") == before
    await second.close()


async def test_a_closed_store_and_a_locked_database_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.store.sqlite.BUSY_TIMEOUT_S", 0.05)
    store = await Store.open(tmp_path / "a.db", [CRM])
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        await store.calls.touch("c1", 1.0)
    other.execute("ROLLBACK")
    other.close()
    await store.calls.touch("c1", 1.0)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.calls.touch("c1", 1.0)
    with pytest.raises(StoreError, match="closed"):
        await store.call("c1")


async def test_words_take_the_place_of_the_reading_by_voice(store: Store) -> None:
    both = replace(
        READING,
        scores=Scores((0.9, 0.05, 0.03, 0.02), 0.5),
        voice=READING.scores.probabilities,
        words=(0.95, 0.03, 0.01, 0.01),
    )
    await store.calls.start("c1", 100.0, None, None, "vip", None, [])
    for reading in (READING, both, both, READING):
        await store.readings.add("c1", [reading])
    assert await store.readings.of_call("c1") == (both,)


async def test_what_was_said_is_kept_with_its_call(store: Store) -> None:
    await store.calls.start("c1", 100.0, None, None, "vip", None, [])
    for words in (Words(4.0, 6.0, "nobody answers"), Words(0.5, 3.5, "charged twice"), Words(0.5, 3.5, "x")):
        await store.readings.add_words("c1", words)
    detail = await known(store, "c1")
    assert [words.text for words in detail.said] == ["charged twice", "nobody answers"]

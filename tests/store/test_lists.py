"""Lists for people: filters, pages by place, sums; kept right as calls are told of."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from databases import ON_SQLITE
from msgspec import structs

from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment, Visit
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store import migrate
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.connection import Reader
from emocx_pbx.store.database import Store
from emocx_pbx.store.grades import Revision
from emocx_pbx.store.list_rows import (
    CallFilter,
    DecisionFilter,
    DeliveryFilter,
    GradeFilter,
    QueueStays,
    Spread,
)
from emocx_pbx.store.lists import place_of_call, place_of_decision, place_of_grade
from emocx_pbx.store.rows import GradeKind
from emocx_pbx.store.sql import Row
from emocx_pbx.store.standard_sums import DAY_S

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
ANGRY_QUERY = DecisionFilter(emotion="angry")
ANGRY, HAPPY = (0.9, 0.05, 0.03, 0.02), (0.02, 0.05, 0.03, 0.9)


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, [CRM], now=lambda: 1000.0)
    yield opened
    await opened.close()


async def tell(
    store: Store,
    number: int,
    *,
    queue: str = "care",
    agents: tuple[str, ...] = ("bob",),
    arrived_as: str | None = "angry",
    readings: tuple[tuple[float, float, float, float], ...] = (ANGRY, HAPPY, HAPPY, HAPPY),
    score: float | None = 70.0,
    status: str = "ok",
    customer: str | None = None,
    alert: bool = False,
    ended: bool = True,
) -> str:
    """One call that begins at 100 * number, told as the journeys tell it; its id."""
    at, call_id = 100.0 * number, f"c{number:03d}"
    decision_id = None
    if arrived_as is not None:
        decision_id = f"d{number:03d}"
        decision = Decision(decision_id, at, status, queue, arrived_as, 0.9, None, "bill", rule="r")
        await store.decisions.record(decision, call_id, customer, None)
    await store.calls.start(call_id, at, customer, f"+49{number}", queue, decision_id, queued_at=at + 2)
    for index, agent in enumerate(agents):
        began = at + 10 + 20 * index
        segment = Segment(call_id, index, agent, f"PJSIP/{agent}", queue, "queue", began)
        await store.calls.save_segment(segment)
        await store.calls.set_tapped(call_id, at + 10)
        await store.readings.add(
            call_id,
            [Reading(4.0 * i, 4.0 * i + 4, 4.0, Scores(r, 0.4), "m/1") for i, r in enumerate(readings)],
        )
        await store.calls.save_segment(replace(segment, ended_at=began + 15, end_reason="agent_hung_up"))
        letter = None if score is None else "B"
        await store.grades.save(call_id, index, Grade(score, letter, None, None, 9.0), at=began + 18)
    left: tuple[float | None, str | None] = (at + 10, "answered") if agents else (None, None)
    if ended and not agents:
        left = (at + 60, "abandoned")
    await store.calls.save_visit(call_id, 0, Visit(queue, at + 2, *left))
    if alert:
        await store.outbox.add_event("call.alert", call_id, {}, at + 20)
    if ended:
        reason = "hangup" if agents else "abandoned"
        await store.calls.end(
            call_id,
            at + 60,
            reason,
            [NewEvent("call.ended", call_id, {}, at + 60)],
            disposition=left[1] or "lost",
        )
    return call_id


async def revise(store: Store, kind: GradeKind, score: float, letter: str) -> None:
    grade = Grade(score, letter, None, None, 9.0)
    word = Revision(kind, grade, "eve", "so it was", Actor("eve", ""))
    await store.grades.revise("c002", 0, lambda segment, newest: word)


async def ids(store: Store, **which: object) -> list[str]:
    return [item.call_id for item in await store.lists.calls(CallFilter(**which))]  # type: ignore[arg-type]


async def test_a_call_as_lists_show_it(store: Store) -> None:
    await tell(store, 1, agents=("bob", "eve"), customer="crm-1")
    (call,) = await store.lists.calls(CallFilter())
    assert (call.arrived_as, call.status, call.topic, call.left_as) == ("angry", "ok", "bill", "happy")
    assert (call.wait_s, call.talk_s, call.agents, call.letters) == (8.0, 30.0, ("bob", "eve"), ("B", "B"))
    assert (call.score, call.disputed, call.alerts) == (70.0, False, 0)
    assert call.valence == pytest.approx(0.859)


async def test_what_is_not_known_is_none(store: Store) -> None:
    await tell(store, 1, arrived_as=None, readings=(), score=None)
    await tell(store, 2, agents=(), arrived_as=None)
    unheard = (await store.lists.calls(CallFilter(outcome="answered")))[0]
    assert (unheard.arrived_as, unheard.left_as, unheard.score, unheard.letters) == (None, None, None, ("-",))
    gave_up = (await store.lists.calls(CallFilter(outcome="abandoned")))[0]
    assert (gave_up.call_id, gave_up.wait_s, gave_up.agents) == ("c002", 58.0, ())
    assert await ids(store, arrived_as="none") == ["c002", "c001"]


async def test_weak_signals_at_the_end_are_uncertain(store: Store) -> None:
    await tell(store, 1, readings=((0.3, 0.3, 0.2, 0.2),))
    assert await ids(store, left_as="uncertain") == ["c001"]


async def test_filters(store: Store) -> None:
    await tell(store, 1, queue="care", agents=("bob",), arrived_as="angry", alert=True, customer="crm-Alpha")
    await tell(store, 2, queue="sales", agents=("eve",), arrived_as="happy", score=None, customer="crm-beta")
    await tell(store, 3, queue="sales", agents=("bob", "eve"), arrived_as="angry", readings=(ANGRY,))
    await tell(store, 4, ended=False)
    assert await ids(store) == ["c004", "c003", "c002", "c001"]
    assert await ids(store, queue="sales") == ["c003", "c002"]
    assert await ids(store, agent="eve") == ["c003", "c002"]
    assert await ids(store, agent="ev") == []
    assert await ids(store, arrived_as="happy") == ["c002"]
    assert await ids(store, left_as="angry") == ["c003"]
    assert await ids(store, letter="-") == ["c002"]
    assert await ids(store, alert=True) == ["c001"]
    assert await ids(store, alert=False, since=200.0, until=400.0) == ["c003", "c002"]
    assert await ids(store, outcome="open") == ["c004"]
    assert await ids(store, search="ALPHA") == ["c001"]
    assert await ids(store, search="+492") == ["c002"]
    assert await ids(store, search="c003") == ["c003"]
    assert await ids(store, search="%") == []


async def test_pages_join_without_a_gap_also_for_calls_of_the_same_moment(store: Store) -> None:
    for number in range(7):
        await store.calls.start(f"x{number}", 50.0, None, None, "care", None)
    seen: list[str] = []
    page = await store.lists.calls(CallFilter(), limit=3)
    while page:
        seen += [item.call_id for item in page]
        page = await store.lists.calls(CallFilter(), limit=3, after=place_of_call(page[-1]))
    assert seen == [f"x{number}" for number in range(6, -1, -1)]


async def test_grades_by_pages_with_their_valid_revision(store: Store) -> None:
    for number in range(1, 4):
        await tell(store, number, agents=("bob", "eve"))
    first = await store.lists.grades(GradeFilter(), limit=4)
    rest = await store.lists.grades(GradeFilter(), limit=4, after=place_of_grade(first[-1]))
    assert [(g.call_id, g.segment) for g in first + rest] == [
        ("c003", 1), ("c003", 0), ("c002", 1), ("c002", 0), ("c001", 1), ("c001", 0)
    ]  # fmt: skip
    await revise(store, "dispute", 70.0, "B")
    (segment,) = await store.lists.grades(GradeFilter(disputed=True))
    assert (segment.call_id, segment.revision, segment.kind, segment.arrived_as) == (
        "c002",
        1,
        "dispute",
        "angry",
    )
    assert await ids(store, disputed=True) == ["c002"]
    await revise(store, "override", 95.0, "A")
    assert await ids(store, disputed=True) == []
    assert [g.letter for g in await store.lists.grades(GradeFilter(letter="A", agent="bob"))] == ["A"]
    assert (await store.lists.calls(CallFilter(letter="A")))[0].letters == ("A", "B")


async def test_decisions_and_deliveries_by_pages(store: Store) -> None:
    for number in range(1, 6):
        await tell(store, number, arrived_as="angry" if number % 2 else "happy")
    page = await store.lists.decisions(ANGRY_QUERY, limit=2)
    rest = await store.lists.decisions(ANGRY_QUERY, limit=2, after=place_of_decision(page[-1]))
    assert [row.decision.decision_id for row in page + rest] == ["d005", "d003", "d001"]
    deliveries = await store.lists.deliveries(DeliveryFilter(type="call.ended"), limit=3)
    older = await store.lists.deliveries(DeliveryFilter(type="call.ended"), before=deliveries[-1].delivery_id)
    assert [d.call_id for d in deliveries + older] == ["c005", "c004", "c003", "c002", "c001"]
    assert await store.lists.deliveries(DeliveryFilter(state="failed")) == []
    assert len(await store.lists.deliveries(DeliveryFilter(call_id="c001"))) == 1


async def test_sums_by_agent(store: Store) -> None:
    await tell(store, 1, score=60.0)
    await tell(store, 2, score=80.0)
    await tell(store, 3, arrived_as="happy", agents=("eve",), score=None)
    cells = await store.lists.agents_by_cell(100.0, 1000.0, 100.0)
    assert [structs.astuple(cell) for cell in cells] == [
        ("bob", "angry", 0, 1, 60.0, 3600.0), ("bob", "angry", 1, 1, 80.0, 6400.0)
    ]  # fmt: skip
    letters = await store.lists.agents_by_letter(0.0, 1000.0, "eve")
    assert [(row.letter, row.segments) for row in letters] == [("-", 1)]


async def test_a_queues_day_and_the_names_of_filters(store: Store) -> None:
    await tell(store, 1)
    await tell(store, 2, queue="sales", agents=(), arrived_as=None)
    first, second = await store.lists.queue_stays(0.0, 1000.0, 1000.0, 10)
    assert first == QueueStays("", "care", "answered", "angry", "happy", True, 1, (8.0,), 1, 70.0)
    assert (second.queue, second.left, second.arrived_as, second.scored) == ("sales", "abandoned", "none", 0)
    names = await store.lists.names()
    assert (names.queues, names.agents) == (("care", "sales"), ("bob",))
    assert (await store.lists.names(since=150.0)).agents == ()


async def test_each_stay_counts_in_the_queue_where_it_was(store: Store) -> None:
    stays = {
        "c1": (Visit("a", 102.0, 107.0, "timeout"), Visit("b", 107.0, 110.0, "answered")),
        "c2": (Visit("a", 202.0, 260.0, "key"), Visit("b", 260.0, 265.0, "abandoned")),
    }
    for call_id, visits in stays.items():
        at = visits[0].entered_at
        await store.calls.start(call_id, at, None, None, "a", None, queued_at=at)
        for number, visit in enumerate(visits):
            await store.calls.save_visit(call_id, number, visit)
        await store.calls.end(call_id, 300.0, "hangup", [], disposition=visits[-1].left or "")
    found = [(s.queue, s.left, s.waits) for s in await store.lists.queue_stays(0.0, 1000.0, 1000.0)]
    assert found == [
        ("a", "key", (58.0,)),
        ("a", "timeout", (5.0,)),
        ("b", "abandoned", (5.0,)),
        ("b", "answered", (3.0,)),
    ]
    second, first = await store.lists.calls(CallFilter())
    assert first.visits == ("a: timeout", "b: answered")
    assert (second.visits, second.disposition) == (("a: key", "b: abandoned"), "abandoned")


async def test_stays_are_counted_together_and_go_on_until_now(store: Store) -> None:
    for number in (1, 2):
        await tell(store, number)
    for call_id, at in (("c3", 210.0), ("c4", 250.0)):
        await store.calls.start(call_id, at, None, None, "care", None, queued_at=at)
        await store.calls.save_visit(call_id, 0, Visit("care", at, None, None))
    found = await store.lists.queue_stays(0.0, 1000.0, 300.0)
    answered, waiting = sorted(found, key=lambda some: some.ended, reverse=True)
    assert (waiting.left, waiting.ended, sorted(waiting.waits)) == (None, False, [50.0, 90.0])
    assert (answered.number, answered.waits, answered.scored, answered.score_sum) == (2, (8.0, 8.0), 2, 140.0)


async def test_a_stay_that_ended_before_it_began_took_no_time(store: Store) -> None:
    """As where hosts' clocks differ."""
    for call_id, left_at in (("c1", 99.0), ("c2", 104.0)):
        await store.calls.start(call_id, 100.0, None, None, "care", None, queued_at=100.0)
        await store.calls.save_visit(call_id, 0, Visit("care", 100.0, left_at, "abandoned"))
    (stays,) = await store.lists.queue_stays(0.0, 1000.0, 1000.0)
    assert sorted(stays.waits) == [0.0, 4.0]


async def test_a_month_of_stays_is_not_read_where_pages_would_wait_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(store, 1)

    readers = []
    fetched = store._connection._fetched

    async def noting(reader: Reader, *asked: Any) -> list[Row]:
        readers.append(reader)
        return await fetched(reader, *asked)

    monkeypatch.setattr(store._connection, "_fetched", noting)
    (stays,) = await store.lists.queue_stays(0.0, 30 * DAY_S, 31 * DAY_S)
    assert (stays.number, readers) == (1, ["ranking"])


async def test_arms_count_each_customer_once(store: Store) -> None:
    await tell(store, 1, customer="a", score=60.0)
    await tell(store, 2, customer="a", score=80.0)
    await tell(store, 3, customer="b", score=50.0)
    await tell(store, 4, customer="c", status="holdout", agents=())
    await tell(store, 5, customer="d", status="monitor")
    arms = await store.lists.arms(0.0, 1000.0)
    assert (arms["routed"].customers, arms["routed"].calls) == (2, 3)
    assert arms["routed"].score == Spread(2, 60.0, 200.0)
    assert arms["holdout"].abandoned == Spread(1, 1.0, None)
    assert arms["holdout"].score.number == 0


@ON_SQLITE
async def test_what_was_stored_before_is_found_too(tmp_path: Path, store: Store) -> None:
    """A database of the version before gets the same columns by its migration."""
    await tell(store, 1, agents=("bob", "eve"), customer="crm-1", alert=True)
    await tell(store, 2, agents=(), arrived_as=None)
    want = await store.lists.calls(CallFilter())
    want_grades = await store.lists.grades(GradeFilter())
    old = tmp_path / "old.db"
    files = sorted(migrate.MIGRATIONS.glob("*.sql"))
    before = tmp_path / "migrations"
    before.mkdir()
    for path in files[: next(i for i, f in enumerate(files) if f.name.endswith("_views.sql"))]:
        (before / path.name).write_text(path.read_text())
    async with aiosqlite.connect(old, isolation_level=None) as connection:
        await migrate.migrate(connection, before)
    copy_common(tmp_path / "emocx.db", old)
    opened = await Store.open(old)
    # When a call joined its first queue was not kept then.
    assert await opened.lists.calls(CallFilter()) == [
        replace(item, wait_s=item.wait_s + 2.0 if item.wait_s else None) for item in want
    ]
    assert await opened.lists.grades(GradeFilter()) == want_grades
    assert [r.decision.emotion for r in await opened.lists.decisions(ANGRY_QUERY)] == ["angry"]
    await opened.close()


#: Today's names of what the first schemas called otherwise.
COLUMNS = {"endpoint": "receiver"}
TABLES = {"endpoint": "disabled_receiver"}


def copy_common(source: Path, target: Path) -> None:
    """Copy the rows of every table, by the columns that both have."""
    with sqlite3.connect(target) as c:
        c.execute("ATTACH ? AS source", (str(source),))
        for (table,) in c.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if table.startswith("sqlite_"):
                continue
            columns = [row[1] for row in c.execute(f"PRAGMA main.table_info({table})")]
            names, today = ", ".join(columns), ", ".join(COLUMNS.get(name, name) for name in columns)
            source_table = TABLES.get(table, table)
            c.execute(f"INSERT INTO main.{table} ({names}) SELECT {today} FROM source.{source_table}")
    c.close()


async def test_a_supervisor_chooses_among_agents_who_had_calls_of_their_queues(store: Store) -> None:
    await tell(store, 1, queue="care", agents=("bob",))
    await tell(store, 50, queue="sales", agents=("eve", "bob"))
    names = await store.lists.names(team=frozenset({"care"}))
    assert (names.queues, names.agents) == (("care",), ("bob",))
    assert (await store.lists.names(team=frozenset({"sales"}))).agents == ("bob", "eve")
    assert (await store.lists.names(team=frozenset({"none"}))).agents == ()
    # Bob's call in care was long before, though he had others since.
    assert (await store.lists.names(4500.0, frozenset({"care"}))).agents == ()
    await store.erasure.purge(4500.0)
    assert (await store.lists.names(team=frozenset({"care"}))).agents == ()

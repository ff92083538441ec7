"""Searching long lists stretch by stretch: pages joined are the list, however short the time of each."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Decision, Grade, Segment, Visit
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store import searching
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import (
    CallFilter,
    CallItem,
    DecisionFilter,
    DeliveryFilter,
    GradeFilter,
    ListPosition,
    Team,
)
from emocx_pbx.store.searching import Page, Stretches

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
CALLS = 24
CARE = frozenset({"care"})

CALL_FILTERS = (
    CallFilter(),
    CallFilter(since=300.0, until=900.0, queue="care"),
    CallFilter(agent="bob"),
    CallFilter(agent="eve", arrived_as="angry"),
    CallFilter(arrived_as="happy", letter="B"),
    CallFilter(outcome="abandoned"),
    CallFilter(search="crm-7"),
    CallFilter(search="nobody"),
    CallFilter(queue="nobody"),
    CallFilter(agent="nobody"),
    CallFilter(pbx="nowhere"),
    CallFilter(queue="rare", alert=False),
)


@pytest.fixture
async def filled(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Calls of two queues and two agents, two of a third queue; each look goes three rows far at first."""
    monkeypatch.setattr(searching, "FIRST", 3)
    store = await Store.open(place, [CRM], now=lambda: 1000.0)
    for number in range(CALLS):
        await told(store, number)
    yield store
    await store.close()


async def told(store: Store, number: int) -> None:
    at, call_id = 100.0 * (number // 2), f"c{number:03d}"  # two at a time begin at one moment
    queue = "rare" if number in (1, 2) else ("care", "sales")[number % 2]
    arrived = ("angry", "happy", "neutral")[number % 3]
    decision = Decision(f"d{number:03d}", at, "ok", queue, arrived, 0.9, None)
    await store.decisions.record(decision, call_id, None, None)
    await store.calls.start(call_id, at, f"CRM-{number % 9}", f"+49{number}", queue, f"d{number:03d}")
    if number % 4:
        agent = ("bob", "eve")[number % 5 > 2]
        await store.calls.save_segment(Segment(call_id, 0, agent, "PJSIP/1", queue, "queue", at + 5, at + 9))
        await store.grades.save(call_id, 0, Grade(70.0, "AB"[number % 2], None, None, 9.0), at=at + 10)
    await store.calls.save_visit(call_id, 0, Visit(queue, at + 1, at + 5, "answered"))
    ended = [NewEvent("call.ended", call_id, {}, at + 9)]
    await store.calls.end(
        call_id, at + 9, "hangup", ended, disposition=("answered" if number % 4 else "abandoned")
    )


@pytest.fixture(params=[-1.0, 60.0], ids=["no time", "time"])
def budget(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """With less than no time a page ends after its first stretch."""
    monkeypatch.setattr(searching, "BUDGET_S", request.param)
    return float(request.param)


@pytest.mark.usefixtures("budget")
async def test_pages_of_calls_join_to_the_list(filled: Store) -> None:
    lists = filled.lists
    seen = [dict(own=None, team=None), dict(own="bob", team=None), dict(own=None, team=CARE)]
    asked = itertools.chain(((which, seen[0]) for which in CALL_FILTERS),
                            itertools.product(CALL_FILTERS[:5], seen[1:]))  # fmt: skip
    for which, who in asked:
        want = await lists.calls(which, CALLS, **who)
        after, found = ListPosition(), list[CallItem]()
        while True:
            page = await lists.page_of_calls(which, 4, after, **who)
            assert len(page.rows) <= 4
            found += page.rows
            if page.next is None:
                break
            assert page.halted or len(page.rows) == 4
            after = page.next
        assert found == want, which


@pytest.mark.usefixtures("budget")
async def test_pages_of_grades_decisions_and_deliveries_join_to_their_lists(filled: Store) -> None:
    lists = filled.lists
    for graded, team in itertools.product(
        (GradeFilter(), GradeFilter(agent="eve", letter="B"), GradeFilter(queue="rare"),
         GradeFilter(agent="nobody"), GradeFilter(since=300.0, until=900.0, arrived_as="angry")),
        (None, CARE),
    ):  # fmt: skip
        parts = await lists.grades(graded, CALLS, team=team)
        assert await joined(lists.page_of_grades, graded, team) == parts
    for asked, team in itertools.product(
        (DecisionFilter(), DecisionFilter(queue="rare"), DecisionFilter(queue="nobody"),
         DecisionFilter(since=300.0, until=900.0, emotion="happy", queue="care")),
        (None, CARE),
    ):  # fmt: skip
        decided = await lists.decisions(asked, CALLS, team=team)
        assert await joined(lists.page_of_decisions, asked, team) == decided
    for sent, team in itertools.product(
        (DeliveryFilter(), DeliveryFilter("crm", "pending"), DeliveryFilter(state="failed"),
         DeliveryFilter("crm", "failed"), DeliveryFilter("nobody"), DeliveryFilter("nobody", "failed"),
         DeliveryFilter(type="call.ended"), DeliveryFilter("crm", call_id="c007")),
        (None, CARE),
    ):  # fmt: skip
        posted = await lists.deliveries(sent, 500, team=team)
        assert await joined(lists.page_of_deliveries, sent, team) == posted


async def joined(page_of: Callable[..., Awaitable[Page[Any]]], which: object, team: Team) -> list[object]:
    """All rows of all pages of three."""
    found: list[object] = []
    page = await page_of(which, 3, ListPosition(), team)
    while page.next is not None:
        found += page.rows
        page = await page_of(which, 3, page.next, team)
    return [*found, *page.rows]


async def test_names_that_nothing_has_are_not_looked_for(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "BUDGET_S", -1.0)
    lists = filled.lists
    for empty in (
        await lists.page_of_calls(CallFilter(queue="nobody")),
        await lists.page_of_calls(CallFilter(agent="nobody")),
        await lists.page_of_calls(CallFilter(pbx="nowhere")),
        await lists.page_of_grades(GradeFilter(agent="nobody")),
        await lists.page_of_decisions(DecisionFilter(queue="nobody")),
        await lists.page_of_deliveries(DeliveryFilter("nobody")),
        await lists.page_of_deliveries(DeliveryFilter("crm", "failed")),
    ):
        assert empty == Page([], None)


async def test_a_rare_queue_is_found_in_one_look(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BUDGET_S", -1.0)
    page = await filled.lists.page_of_calls(CallFilter(queue="rare"), 2)
    assert [call.call_id for call in page.rows] == ["c002", "c001"]
    decided = await filled.lists.page_of_decisions(DecisionFilter(queue="rare"), 2)
    assert [row.decision.decision_id for row in decided.rows] == ["d002", "d001"]


async def test_a_search_that_ran_out_of_time_says_how_far_it_came(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "BUDGET_S", -1.0)
    page = await filled.lists.page_of_calls(CallFilter(search="nobody"), 5)
    assert page == Page([], ListPosition(1000.0, "c020"), halted=True)


@given(
    passing=st.lists(st.booleans(), max_size=60),
    limit=st.integers(1, 7),
    seed=st.integers(0, 2**16),
)
async def test_whatever_the_time_takes_nothing_is_lost_or_repeated(
    passing: list[bool], limit: int, seed: int
) -> None:
    chance, rows = random.Random(seed), [float(n) for n in range(len(passing), 0, -1)]

    async def read(most: int, after: ListPosition, end: ListPosition) -> list[float]:
        behind = [r for r in rows if end.at <= r < after.at and passing[int(r) - 1]]
        return behind[:most]

    async def edge(after: ListPosition, further: int) -> ListPosition | None:
        # As if a stretch of the first length were a few rows.
        behind = [r for r in rows if r < after.at][further // 500 :]
        return ListPosition(behind[0]) if behind else None

    async def newest(after: ListPosition) -> ListPosition | None:
        return after

    now = itertools.accumulate(chance.choice((0.0, 0.001, 0.03)) for _ in itertools.count())
    search = Stretches(read, edge, newest, ListPosition, ListPosition(0.0))
    found, after = list[float](), ListPosition()
    for _ in range(200):
        page = await search.page(limit, after, now.__next__)
        found += page.rows
        if page.next is None:
            break
        after = page.next
    assert found == [r for r in rows if passing[int(r) - 1]]

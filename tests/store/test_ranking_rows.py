"""What the ranking reads of the store, and the penalties that it must not forget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment
from emocx_pbx.routing.penalties import Kept
from emocx_pbx.routing.ranking import RankingSample
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.grades import Revision

DECISION = Decision("d1", 90.0, "ok", "care", "angry", 0.7, {"angry": 0.7, "neutral": 0.3})
GRADE = Grade(61.5, "B", 55.0, 70.0, 20.0)


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, now=lambda: 1000.0)
    yield opened
    await opened.close()


async def graded(
    store: Store, call_id: str, agent: str, at: float, grade: Grade, decision: Decision | None
) -> None:
    if decision:
        await store.decisions.record(replace(decision, decision_id=f"d-{call_id}"), call_id, None, None)
    await store.calls.start(call_id, at - 5, None, None, "care", f"d-{call_id}" if decision else None)
    await store.calls.save_segment(Segment(call_id, 0, agent, f"PJSIP/{agent}", "care", "queue", at))
    await store.grades.save(call_id, 0, grade)


async def test_outcomes_are_the_newest_grades_with_the_emotion_of_the_decision(store: Store) -> None:
    await graded(store, "c1", "ada", 100.0, GRADE, DECISION)
    await graded(store, "c2", "bob", 200.0, GRADE, None)
    await graded(store, "c3", "bob", 300.0, replace(GRADE, score=None, letter=None), DECISION)
    await graded(store, "c4", "old", 10.0, GRADE, DECISION)
    better = replace(GRADE, score=70.0)
    word = Revision("override", better, "s", "r", Actor("s", ""))
    await store.grades.revise("c1", 0, lambda part, newest: word)
    found = await store.ranking.outcomes(50.0)
    assert found == [
        RankingSample("bob", "uncertain", 61.5, 200.0),
        RankingSample("ada", "angry", 70.0, 100.0, signals=(0.7, 0.3, 0.0, 0.0)),
    ]
    assert await store.ranking.outcomes(50.0, limit=1) == found[:1]


async def test_what_the_call_told_of_its_customer_counts_beside_the_query(store: Store) -> None:
    """Written as if angry, he sounds happy from the first sentence on."""
    await graded(store, "c1", "ada", 100.0, GRADE, DECISION)
    await store.calls.set_tapped("c1", 95.0)
    before_the_agent = Reading(0.0, 4.0, 3.0, Scores((0.97, 0.01, 0.01, 0.01)))
    happy = [Reading(6.0 + n, 9.0 + n, 3.0, Scores((0.02, 0.02, 0.02, 0.94))) for n in (0, 3, 6)]
    late = Reading(20.0, 23.0, 3.0, Scores((0.97, 0.01, 0.01, 0.01)))
    await store.readings.add("c1", [before_the_agent, *happy, late])
    (one,) = await store.ranking.outcomes(0.0)
    assert one.emotion == "angry"
    assert one.signals is not None
    angry, neutral, _, happy_share = one.signals
    assert happy_share > angry > neutral
    assert abs(sum(one.signals) - 1) < 1e-9


async def test_loads_count_every_part_graded_or_not(store: Store) -> None:
    await graded(store, "c1", "ada", 100.0, GRADE, DECISION)
    await graded(store, "c3", "bob", 300.0, replace(GRADE, score=None, letter=None), None)
    assert sorted(await store.ranking.agents_calls(50.0)) == [
        ("ada", "angry", 100.0),
        ("bob", "uncertain", 300.0),
    ]
    assert await store.ranking.agents_calls(301.0) == []


async def test_penalties_to_put_back_are_kept_until_forgotten(store: Store) -> None:
    one, two = Kept("care", "PJSIP/1", 0, 3, 5), Kept("care", "PJSIP/2", 2, 0)
    await store.ranking.keep_penalties([one, two])
    assert await store.ranking.kept_penalties() == {one.key: one, two.key: two}
    done = replace(one, applied=5, applying=None)
    await store.ranking.keep_penalties([done], [two.key])
    assert await store.ranking.kept_penalties() == {one.key: done}
    await store.ranking.keep_penalties([], [])

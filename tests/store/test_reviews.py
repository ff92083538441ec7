"""Windows for review in the store: what can be drawn, who labels what, and erasing takes all along."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from emocx_pbx.deeds.reviews import Wanted, draw_round, label_window
from emocx_pbx.domain import Decision, Reading, Scores, Segment
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.settings.recordings import RecordingSettings
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.review_rows import RoundRow

NOW = 1_790_000_000.0
ANN, BOB = Actor("ann", "127.0.0.1"), Actor("bob", "127.0.0.1")
SURE, UNSURE = (0.8, 0.1, 0.05, 0.05), (0.4, 0.3, 0.2, 0.1)


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, now=lambda: NOW)
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "calls").mkdir()
    return Settings(
        directory=str(tmp_path), recordings=RecordingSettings(path=f"{tmp_path}/calls/{{call_id}}.wav")
    )


async def call(
    store: Store,
    settings: Settings,
    name: str,
    *,
    scores: tuple[tuple[float, float, float, float], ...] = (SURE,),
    queue: str = "care",
    ended: bool = True,
    recorded: bool = True,
    opted_out: bool = False,
    customer: str | None = None,
) -> None:
    """A call with a reading for each of the scores."""
    at = NOW - 3600
    await store.calls.start(name, at, customer or f"crm-{name}", None, queue, None)
    await store.calls.set_tapped(name, at + 5)
    await store.calls.save_segment(Segment(name, 0, "eve", "PJSIP/eve", queue, "queue", at + 4))
    readings = [Reading(4.0 * i, 4.0 * i + 3, 3.0, Scores(p, 0.3), "voice/5") for i, p in enumerate(scores)]
    await store.readings.add(name, readings)
    if opted_out:
        await store.calls.opt_out(name)
    if ended:
        await store.calls.end(name, at + 100, "hangup")
    if recorded:
        recording_of(settings, name)


def recording_of(settings: Settings, name: str) -> None:
    Path(settings.recordings.path.format(call_id=name)).touch()


async def drawn(
    store: Store,
    settings: Settings,
    number: int = 10,
    doubts: int = 0,
    kind: str = "voice",
    twice: float = 0.0,
) -> RoundRow:
    return await draw_round(store, settings, Wanted(kind, number, doubts, twice), NOW, ANN, random.Random(1))


async def keys(store: Store, author: str = "ann", team: frozenset[str] | None = None) -> set[str]:
    found = [await store.reviews.item(i) for i in await store.reviews.open("voice", author, team, 100)]
    return {item.key for item in found if item is not None}


async def test_only_ended_recorded_calls_of_who_did_not_opt_out_are_drawn(
    store: Store, settings: Settings
) -> None:
    await call(store, settings, "1.1")
    await call(store, settings, "1.2", ended=False)
    await call(store, settings, "1.3", recorded=False)
    await call(store, settings, "1.4", opted_out=True)
    row = await drawn(store, settings)
    assert (row.items, row.unplayable, row.doubtful) == (1, 1, 0)
    assert row.sure == pytest.approx(1.0)  # of two windows half can be played
    assert await keys(store) == {"1.1"}


async def test_a_customer_who_opts_out_later_is_removed(store: Store, settings: Settings) -> None:
    await call(store, settings, "1.1")
    await drawn(store, settings)
    (item,) = await store.reviews.open("voice", "ann")
    await label_window(store, item, "angry", ANN)
    await store.calls.opt_out("1.1")
    assert await keys(store, "bob") == set()
    assert await store.reviews.item(item) is None
    assert await store.reviews.labelled("voice", 0.0) == []


async def test_doubt_is_no_answer_less_than_even_odds_or_another_plain_answer(
    store: Store, settings: Settings
) -> None:
    await call(store, settings, "1.1", scores=(SURE, UNSURE))
    calm = replace(Scores(SURE, 0.3), plain=(0.1, 0.8, 0.05, 0.05))
    await store.readings.add("1.1", [Reading(50.0, 53.0, 3.0, calm, "voice/5")])
    row = await drawn(store, settings, 0, 10)
    assert (row.items, row.doubts, row.doubtful, row.sure) == (2, 2, 2, 1)


async def test_no_window_is_drawn_twice(store: Store, settings: Settings) -> None:
    await call(store, settings, "1.1", scores=(SURE,) * 8)
    first = await drawn(store, settings, 5)
    assert (first.items, first.sure) == (5, 8)
    more = Wanted("voice", 10, 0, 0.0, NOW - 7200)
    later = await draw_round(store, settings, more, NOW, ANN, random.Random(2))
    assert (later.items, later.sure) == (3, 3)
    with pytest.raises(InputError, match="all was drawn before"):
        await draw_round(store, settings, more, NOW, ANN, random.Random(3))


async def test_what_can_not_be_drawn_is_said_with_why(store: Store, settings: Settings) -> None:
    with pytest.raises(InputError, match="no call of that time"):
        await drawn(store, settings)
    with pytest.raises(InputError, match="store_query_text"):
        await drawn(store, settings, kind="text")
    with pytest.raises(InputError, match=r"\[recordings\] path"):
        await drawn(store, Settings(directory=settings.directory))
    with pytest.raises(InputError, match="at least one"):
        await drawn(store, settings, 0, 0)
    with pytest.raises(InputError, match="voice or text"):
        await drawn(store, settings, kind="letters")
    with pytest.raises(InputError, match="0 to 1"):
        await drawn(store, settings, twice=1.5)


async def test_one_or_two_people_label_a_window(store: Store, settings: Settings) -> None:
    await call(store, settings, "1.1")
    await call(store, settings, "1.2")
    await drawn(store, settings, twice=0.5)
    items = await store.reviews.open("voice", "ann", None, 10)
    assert len(items) == 2
    for item in items:
        await label_window(store, item, "neutral", ANN)
    assert await store.reviews.open("voice", "ann", None, 10) == []
    (second,) = await store.reviews.open("voice", "bob", None, 10)  # wanted twice
    await label_window(store, second, "angry", BOB)
    await label_window(store, second, "happy", BOB)  # bob thinks again
    assert await store.reviews.labels(second) == {"ann": "neutral", "bob": "happy"}
    with pytest.raises(InputError, match="two people"):
        await label_window(store, second, "angry", Actor("cid", ""))
    with pytest.raises(InputError, match="expected one of"):
        await label_window(store, second, "furious", ANN)
    with pytest.raises(NotFoundError):
        await label_window(store, "none", "angry", ANN)
    found = {observed.key: observed.labelled for observed in await store.reviews.labelled("voice", 0.0)}
    assert len(found) == 2 and ("bob", "happy") in {label for one in found.values() for label in one.labels}
    actions = [row.action for row in await store.audit.rows()]
    assert actions.count("review.labelled") == 4 and "review.drawn" in actions


async def test_a_team_labels_its_own_queues(store: Store, settings: Settings) -> None:
    await call(store, settings, "1.1", queue="care")
    await call(store, settings, "1.2", queue="sales")
    await drawn(store, settings)
    care = frozenset({"care"})
    assert await keys(store, team=care) == {"1.1"}
    by_key = {i.key: i.item_id for i in [await store.reviews.item(x) for x in
              await store.reviews.open("voice", "ann", None, 9)] if i}  # fmt: skip
    assert await store.reviews.item(by_key["1.2"], care) is None
    assert await store.reviews.item(by_key["1.1"], care) is not None


async def query(store: Store, name: str, text: str | None, status: str = "ok", source: str = "text") -> None:
    said = {"angry": 0.7, "neutral": 0.1, "disappointed": 0.1, "happy": 0.1}
    decision = Decision(name, NOW - 60, status, "care", "angry", 0.7, said, source=source, upset=0.8)
    await store.decisions.record(decision, None, f"crm-{name}", text)


async def test_queries_are_drawn_where_their_text_was_kept(store: Store, settings: Settings) -> None:
    await query(store, "d1", "nobody answers")
    await query(store, "d2", None)
    await query(store, "d3", "leave me alone", status="optout")
    await query(store, "d4", "spoken", source="speech")
    row = await drawn(store, settings, kind="text")
    assert row.items == 1
    (item_id,) = await store.reviews.open("text", "ann")
    item = await store.reviews.item(item_id)
    assert item is not None and item.text == "nobody answers"
    await label_window(store, item_id, "disappointed", ANN)
    (observed,) = await store.reviews.labelled("text", 0.0)
    assert observed.text == "nobody answers" and observed.labelled.answer == "angry"
    assert observed.labelled.probabilities == (0.7, 0.1, 0.1, 0.1) and observed.labelled.caller == "crm-d1"


async def kept(store: Store) -> tuple[int, int]:
    """Windows that are kept, and how many of them are labelled."""
    rounds = await store.reviews.rounds()
    return sum(r.items for r in rounds), sum(r.labelled for r in rounds)


async def test_erasing_a_customer_takes_windows_and_labels_along(store: Store, settings: Settings) -> None:
    await call(store, settings, "1.1", customer="crm-1")
    await call(store, settings, "1.2", customer="crm-2")
    await query(store, "d1", "nobody answers")
    await drawn(store, settings)
    await drawn(store, settings, kind="text")
    for item in await store.reviews.open("voice", "ann", None, 9):
        await label_window(store, item, "angry", ANN)
    for item in await store.reviews.open("text", "ann", None, 9):
        await label_window(store, item, "angry", ANN)
    assert await kept(store) == (3, 3)
    assert (await store.erasure.erase(customer_key="crm-1")).counts["reviews"] == 1
    assert await kept(store) == (2, 2)
    await store.erasure.erase(customer_key="crm-d1")
    assert await kept(store) == (1, 1)
    await store.erasure.purge(NOW + 1)
    assert await store.reviews.rounds() == []


async def test_one_training_at_a_time(store: Store) -> None:
    first = await store.reviews.begin_training("voice", "service", 60.0, ANN)
    with pytest.raises(InputError, match="one at a time"):
        await store.reviews.begin_training("text", "command", 60.0, BOB)
    await store.reviews.end_training(first, "failed", {"why": "no labels"}, "said so", ANN)
    second = await store.reviews.begin_training("text", "service", 60.0, BOB)
    await store.reviews.lose_trainings()
    lost, failed = await store.reviews.trainings()
    assert (lost.training_id, lost.state, failed.state) == (second, "lost", "failed")
    assert failed.outcome == '{"why":"no labels"}' and failed.log == "said so"

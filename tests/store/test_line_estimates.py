"""Lines in the store: each caller counts once, estimates outlive restarts, and can be forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.calls.effects import LearnLines
from emocx_pbx.calls.writing import Writing
from emocx_pbx.deeds.lines import known_lines, reset_lines
from emocx_pbx.domain import LineZero, Reading, Scores
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import DAY_S, LineCaller
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.errors import InputError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.store import line_estimates
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

ANSWER = (0.1, 0.7, 0.1, 0.1)
CALLER = LineCaller(caller_sums([ANSWER]), caller_counts([ANSWER]))
LINES = ("trunk PJSIP/carrier", "all")
BY = Actor("root", "")


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place)
    yield opened
    await opened.close()


async def call(
    store: Store,
    number: int,
    caller: str | None,
    at: float = DAY_S,
    key: str | None = None,
    model: str = "voice/5",
    lines: Any = LINES,
    place: tuple[float, ...] = (),
) -> None:
    await store.calls.start(f"c{number}", at, key, caller, "care", None)
    await Writing(store).write(LearnLines(f"c{number}", model, lines, replace(CALLER, place=place), at + 60))


async def test_each_caller_counts_once_for_a_model(store: Store) -> None:
    await call(store, 1, "+491")
    await call(store, 1, "+491")  # told again after a crash
    await call(store, 2, "+491")
    await call(store, 3, "+492", key="k")
    await call(store, 4, "+493", key="k")
    await call(store, 5, None)  # nobody knows whether he was heard before
    await call(store, 6, "+491", model="cnn/3")
    found = await store.lines.all()
    assert {line: e.callers for line, e in found["voice/5"].items()} == {line: 2 for line in LINES}
    assert found["cnn/3"]["all"].callers == 1


async def test_estimates_outlive_a_restart(store: Store, place: Path | str) -> None:
    for i in range(3):
        await call(store, i, f"+49{i}", at=(i + 1) * DAY_S)
    before = await store.lines.all()
    again = await Store.open(place)
    assert await again.lines.all() == before
    await again.close()
    assert before["voice/5"]["all"].days == 3


async def test_the_centre_of_enough_callers_is_kept_and_used_unless_lines_are_off(store: Store) -> None:
    for i in range(63):
        await call(store, i, f"+49{i}", at=(i // 21 + 1) * DAY_S, lines=("all",), place=(0.5, -1.0))
    (estimate,) = (await store.lines.all())["voice/5"].values()
    assert estimate.centre == pytest.approx((0.5, -1.0), abs=1e-3)
    (on,) = await known_lines(store, AnalysisSettings())
    (off,) = await known_lines(store, AnalysisSettings(line_mix="off"))
    assert [(k.centred, k.centred_callers) for k in (on, off)] == [(True, 61), (False, 61)]


async def test_an_endpoint_for_every_caller_is_no_trunk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_estimates, "MOST_LINES", 3)
    for i in range(5):
        await call(store, i, f"+49{i}", lines=(f"trunk PJSIP/{i}", "all"))
    found = (await store.lines.all())["voice/5"]
    assert sorted(found) == ["all", "trunk PJSIP/0", "trunk PJSIP/1"]
    assert found["all"].callers == 5


async def test_a_reset_is_audited_and_callers_count_anew(store: Store) -> None:
    await call(store, 1, "+491")
    await call(store, 2, "+492", model="cnn/3")
    with pytest.raises(InputError, match="nothing was learnt of site x"):
        await reset_lines(store, None, "site x", BY)
    assert await reset_lines(store, "voice/5", None, BY) == 2
    assert list(await store.lines.all()) == ["cnn/3"]
    await call(store, 3, "+491")
    assert (await store.lines.all())["voice/5"]["all"].callers == 1
    assert (await store.audit.rows(limit=1))[0].action == "lines.reset"


async def test_erasing_a_customer_forgets_sums_of_few(store: Store) -> None:
    await call(store, 1, "+491")
    for i in range(2, 13):
        await call(store, i, f"+49{i}", lines=("all",))
    await store.erasure.erase(callers=["+491"])
    found = (await store.lines.all())["voice/5"]
    assert list(found) == ["all"], "twelve callers' sums tell of none"


async def test_people_see_what_is_known_and_why_it_is_not_used(store: Store) -> None:
    await call(store, 1, "+491")
    known = await known_lines(store, AnalysisSettings())
    assert [(k.line, k.callers, k.used, k.why_not) for k in known] == [
        ("all", 1, False, "fewer than 60 callers"),
        ("trunk PJSIP/carrier", 1, False, "fewer than 60 callers"),
    ]
    assert {(k.centred, k.centred_callers) for k in known} == {(False, 0)}
    off = await known_lines(store, AnalysisSettings(line_mix="off"))
    assert off[0].why_not == "analysis.line_mix is off"


async def test_a_reading_keeps_its_evidence(store: Store) -> None:
    zero = LineZero("all", "voice/5", 77, (0.5, -0.5, 0.1, -0.1))
    readings = (
        Reading(0.0, 3.0, 3.0, Scores((0.25, 0.5, 0.125, 0.125), 0.3, (0.5, 0.25, 0.125, 0.125)), "m", zero),
        Reading(3.0, 6.0, 3.0, Scores((0.25, 0.5, 0.125, 0.125), 0.3), "m"),
    )
    await store.calls.start("c", 0.0, None, None, "care", None)
    await store.readings.add("c", readings)
    assert tuple(await store.readings.of_call("c")) == readings

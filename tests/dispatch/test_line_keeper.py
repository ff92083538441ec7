"""Lines kept at hand: the narrowest that is known, for the model in use, by the settings in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from emocx_pbx.calls.effects import LearnLines
from emocx_pbx.calls.writing import Writing
from emocx_pbx.dispatch.line_keeper import LineKeeper
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import DAY_S, LineCaller
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

LEANING = (0.5, 0.3, 0.1, 0.1)
CALLER = LineCaller(caller_sums([LEANING]), caller_counts([LEANING]))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "emocx.db")
    for i in range(66):
        await opened.calls.start(f"c{i}", 0.0, None, f"+49{i}", "care", None)
        lines = ("trunk PJSIP/a", "all")
        await Writing(opened).write(LearnLines(f"c{i}", "voice/5", lines, CALLER, (i // 22 + 1) * DAY_S))
    yield opened
    await opened.close()


async def test_calls_of_a_known_line_are_corrected(store: Store) -> None:
    trunks = {"1": "PJSIP/a", "2": "PJSIP/new", "3": None}
    keeper = LineKeeper(store, AnalysisSettings(), SimpleNamespace(trunk_of=trunks.get))
    assert keeper.zeros("1") == (), "nothing is read yet"
    await keeper.refresh()
    found = {call: keeper.zeros(call)[0] for call in trunks}
    assert {call: zero.line for call, zero in found.items()} == {"1": "trunk PJSIP/a", "2": "all", "3": "all"}
    assert [zero.model for zero in keeper.zeros("1")] == ["voice/5"]
    # What all callers alike are answered is the line's: angry above all.
    assert found["1"].offsets[0] == min(found["1"].offsets) < 0
    assert keeper.level("PJSIP/a", "voice/5", "angry", 95.0) == pytest.approx(0.52, abs=0.021)
    assert keeper.level("PJSIP/a", "cnn/3", "angry", 95.0) is None


async def test_turned_off_nothing_is_learnt_or_corrected(store: Store) -> None:
    keeper = LineKeeper(store, AnalysisSettings(), SimpleNamespace(trunk_of=lambda call_id: "PJSIP/a"))
    await keeper.refresh()
    keeper.take_over(AnalysisSettings(line_mix="off"))
    assert keeper.zeros("1") == ()
    assert keeper.lines("PJSIP/a") == ()
    keeper.take_over(AnalysisSettings(sites=("berlin=PJSIP/*",)))
    assert keeper.lines("PJSIP/a") == ("trunk PJSIP/a", "site berlin", "all")


async def test_what_another_process_forgot_is_forgotten(store: Store) -> None:
    keeper = LineKeeper(store, AnalysisSettings(), SimpleNamespace(trunk_of=lambda call_id: "PJSIP/a"))
    await keeper.refresh()
    await store.lines.reset(Actor("root", ""))
    await keeper.refresh()
    assert keeper.zeros("1") == ()

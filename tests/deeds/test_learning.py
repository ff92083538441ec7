"""A training in the background: its life and end, with a stand-in for the process that trains."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.deeds import learning as module
from emocx_pbx.deeds.learning import Learning, TrainingProcess, hindrance
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import InputError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import AnalysisSettings, Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

ANN = Actor("ann", "127.0.0.1")
BETTER = {
    "model": "lstm/2", "base": "lstm/1", "learned": 80, "held_out": 30, "callers": 12, "better": True,
    "why": "better beyond chance", "comparison": {"uar_old": 0.5, "uar_new": 0.6},
}  # fmt: skip


def answers(outcome: dict[str, Any], before: str = "pass") -> str:
    """A process that reads its request, says something, and answers."""
    read = "import sys, json, pathlib; json.load(sys.stdin); print('epoch 1', file=sys.stderr)"
    return f"{read}; {before}; print({json.dumps(outcome)!r})"


FAILS = "import sys; sys.stdin.read(); print('epoch 1\\nno labels', file=sys.stderr); sys.exit(2)"
WAITS = "import sys, time; print('ready', file=sys.stderr, flush=True); time.sleep(600)"


@dataclass
class World:
    store: Store
    settings: Settings
    tasks: Tasks
    promoted: list[str] = field(default_factory=list)

    def learning(self, code: str, deadline_s: float = 60.0) -> Learning:
        made = Learning(
            self.store,
            SettingsInForce(self.settings),
            self.tasks,
            "service",
            process=TrainingProcess((sys.executable, "-c", code), deadline_s),
            hindered=lambda settings, kind: "",
        )
        made.promoted.subscribe(lambda: self.promoted.append("told"))
        return made

    @property
    def registry(self) -> Registry:
        return Registry(self.settings.models_path())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    for version in "12":
        folder = tmp_path / "models" / "text" / "lstm" / version
        folder.mkdir(parents=True)
        card = {
            "kind": "text", "name": "lstm", "version": version, "threshold": 0.4, "temperature": 1.0,
            "sha256": {}, "labels": ["angry", "neutral", "disappointed", "happy"], "recipe": {}, "data": {},
            "licence": "", "figures": {},
        }  # fmt: skip
        (folder / "card.json").write_text(json.dumps(card))
    (folder.parent / "current").write_text("1\n")
    settings = Settings(
        directory=str(tmp_path), analysis=AnalysisSettings(models_dir=str(tmp_path / "models"))
    )
    store = await Store.open(settings.store_path())
    async with Tasks() as tasks:
        yield World(store, settings, tasks)
    await store.close()


async def test_what_is_better_beyond_chance_comes_into_use_by_the_deed(world: World) -> None:
    _, task = await world.learning(answers(BETTER)).start("text", True, ANN)
    assert await task == "promoted"
    assert world.registry.current("text", "lstm") == "2" and world.promoted == ["told"]
    (row,) = await world.store.reviews.trainings()
    assert (row.state, row.author, row.log.strip()) == ("promoted", "ann", "epoch 1")
    assert row.outcome is not None and json.loads(row.outcome) == BETTER
    actions = [(entry.action, entry.actor) for entry in await world.store.audit.rows()]
    assert ("model.promoted", "ann") in actions and ("review.training_ended", "ann") in actions


@pytest.mark.parametrize(("better", "promoting"), [(False, True), (True, False)])
async def test_what_is_not_better_or_not_meant_for_use_stays_out(
    world: World, better: bool, promoting: bool
) -> None:
    _, task = await world.learning(answers(BETTER | {"better": better})).start("text", promoting, ANN)
    assert await task == "kept"
    assert world.registry.current("text", "lstm") == "1" and world.promoted == []


async def test_a_training_that_fails_says_why_in_one_line(world: World) -> None:
    _, task = await world.learning(FAILS).start("text", True, ANN)
    assert await task == "failed"
    (row,) = await world.store.reviews.trainings()
    assert row.outcome == '{"why":"no labels"}' and row.log == "epoch 1\nno labels\n"


async def test_an_answer_that_is_none_is_a_failure(world: World) -> None:
    _, task = await world.learning("print('x')").start("text", True, ANN)
    assert await task == "failed"


async def test_a_version_that_is_not_there_is_not_promoted(world: World) -> None:
    _, task = await world.learning(answers(BETTER | {"model": "lstm/9"})).start("text", True, ANN)
    assert await task == "failed"
    (row,) = await world.store.reviews.trainings()
    assert row.outcome is not None and "no version" in row.outcome
    assert world.registry.current("text", "lstm") == "1"


async def test_one_that_is_late_is_ended(world: World) -> None:
    _, task = await world.learning(WAITS, deadline_s=0.5).start("text", True, ANN)
    assert await task == "late"


async def test_one_can_be_stopped_and_another_begun(world: World) -> None:
    learning = world.learning(WAITS)
    _, task = await learning.start("text", True, ANN)
    with pytest.raises(InputError, match="one at a time"):
        await world.learning(FAILS).start("voice", True, ANN)
    assert await learning.stop(ANN)
    await asyncio.wait([task])
    (row,) = await world.store.reviews.trainings()
    assert (row.state, row.outcome) == ("stopped", '{"why":"stopped by ann"}')
    assert not await learning.stop(ANN)
    _, again = await world.learning(FAILS).start("voice", True, ANN)
    assert await again == "failed"


async def test_the_end_of_the_service_ends_it_and_is_noted(world: World) -> None:
    _, task = await world.learning(WAITS).start("text", True, ANN)
    await world.store.reviews.trainings()  # it has begun
    task.cancel()
    await asyncio.wait([task])
    (row,) = await world.store.reviews.trainings()
    assert row.state == "stopped"


async def test_voices_exported_for_it_do_not_stay(world: World) -> None:
    work = world.settings.store_path().parent / "reviews"
    before = f"w = pathlib.Path({str(work)!r}); (w / 'audio').mkdir(); (w / 'messages.csv').touch()"
    _, task = await world.learning(answers(BETTER, before)).start("text", False, ANN)
    assert await task == "kept"
    assert [path.name for path in work.iterdir()] == []
    assert str(work) in await world.store.erasure.exports()


def test_what_hinders_a_training_is_told_with_its_remedy(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "NEEDED", ())
    assert hindrance(world.settings, "text") == ""
    pinned = Settings(directory=str(tmp_path), analysis=AnalysisSettings(text_model="lstm/2"))
    assert "without a version" in hindrance(pinned, "text")
    missing = Settings(
        directory=str(tmp_path), analysis=AnalysisSettings(models_dir=str(tmp_path / "nothing"))
    )
    assert "analysis.models_dir" in hindrance(missing, "text")
    monkeypatch.setattr(module, "NEEDED", ("no_such_package",))
    assert (
        hindrance(world.settings, "text")
        == "no_such_package is not installed: pip install 'emocx-pbx[train]'"
    )

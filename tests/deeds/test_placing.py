"""Whoever wants a call placed: counted for all doors together, and rung only once it was admitted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emocx_pbx.deeds.placing import ADMITTED_S, MOST_ADMITTED, Placing
from emocx_pbx.dispatch.dialling import Dialling, DiallingRefused
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.errors import NotAllowedError
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

DECISION = Decision("d", 0.0, "ok", "care", "angry", 0.9, None)
BERLIN = "+4930123456"
ANN = Actor("ann", "127.0.0.1")


class World:
    """Placing with a clock, and what was rung."""

    def __init__(self, store: Store) -> None:
        self.now, self.store, self.rung = 1000.0, store, list[str]()
        dialling = Dialling(DiallingSettings(country="DE", calls_per_hour=10_000), lambda: self.now)
        self.placing = Placing(dialling, self, store.audit, lambda: self.now)

    async def ring(self, call: CallToPlace) -> None:
        self.rung.append(call.number)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(tmp_path / "emocx.db")
    yield World(store)
    await store.close()


async def test_an_admitted_number_is_rung_once_and_noted_without_itself(world: World) -> None:
    number = world.placing.admit("030 / 12 34 56")
    await world.placing.ring(CallToPlace(number, "c1", DECISION), ANN)
    [entry] = await world.store.audit.rows()
    assert (world.rung, entry.action, entry.actor, BERLIN in (entry.after or "")) == (
        [BERLIN], "call.placed", "ann", False,
    )  # fmt: skip
    with pytest.raises(NotAllowedError):
        await world.placing.ring(CallToPlace(number, "c2", DECISION), ANN)


@pytest.mark.parametrize("number", [BERLIN, "+49900123456", "112", "", "030123456", "+4930123456\n"])
async def test_a_number_that_nobody_admitted_is_not_rung(world: World, number: str) -> None:
    with pytest.raises(NotAllowedError):
        await world.placing.ring(CallToPlace(number, "c1", DECISION), ANN)
    assert world.rung == [] and await world.store.audit.rows() == []


async def test_an_admission_is_for_a_minute(world: World) -> None:
    number = world.placing.admit(BERLIN)
    world.now += ADMITTED_S + 1
    with pytest.raises(NotAllowedError):
        await world.placing.ring(CallToPlace(number, "c1", DECISION))


async def test_the_same_number_is_not_called_again_at_once_by_any_door(world: World) -> None:
    world.placing.admit(BERLIN)
    with pytest.raises(DiallingRefused, match="number_cooldown_s"):
        world.placing.admit("0049 30 123456")


async def test_limits_go_on_after_a_restart(world: World) -> None:
    await world.store.calls.start("c1", 900.0, None, BERLIN, "care", None, callback="dialling")
    await world.store.calls.start("c2", 950.0, None, "+4930999999", "care", None)
    world.placing.remember((number, 1000.0 - at) for number, at in await world.store.calls.callbacks(500.0))
    with pytest.raises(DiallingRefused, match="number_cooldown_s"):
        world.placing.admit(BERLIN)
    assert world.placing.admit("+4930999999")


async def test_admissions_are_bounded(world: World) -> None:
    for n in range(MOST_ADMITTED + 5):
        world.placing.admit(f"+4930{1_000_000 + n}")
    with pytest.raises(NotAllowedError):
        await world.placing.ring(CallToPlace("+49301000000", "c1", DECISION))

"""The keeper of a lease: when it is taken, when acting ends, and who goes on after the database was away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.errors import StoreUnavailable
from emocx_pbx.service import lease_keeper, lease_state
from emocx_pbx.service.lease_keeper import LeaseKeeper
from emocx_pbx.service.lease_state import CUT_OFF_S, HEAD_START_S, MARGIN_S, RENEW_S, TTL_S, LeaseState
from emocx_pbx.store.fence import Term
from emocx_pbx.store.leases import Lease

TERM = Term("north", 1)

step = st.tuples(st.sampled_from(["renewed", "silent", "took", "lost", "away", "answered"]), st.floats(0, 2))


@given(st.lists(step, max_size=40))
def test_a_holder_never_acts_longer_than_the_lease_lasts_from_its_own_request(
    steps: list[tuple[str, float]],
) -> None:
    state, now, sent = LeaseState(), 0.0, None
    for what, later in steps:
        now += later
        match what:
            case "took":
                state.took(TERM, now)
                sent = now
            case "renewed" if state.term:
                state.renewed(now)
                sent = now
            case "lost":
                state.lost()
                sent = None
            case "away":
                state.away()
            case "answered":
                state.answered(now)
        assert state.may_act(now) == (sent is not None and now - sent < TTL_S - MARGIN_S)
        assert 0 < state.next_s(now) <= RENEW_S
        assert not (state.may_act(now) and state.may_take(now))


def test_after_the_database_was_away_a_standby_lets_the_holder_renew_first() -> None:
    state = LeaseState()
    assert state.may_take(0.0)
    state.away()
    assert not state.may_take(10.0)
    state.answered(20.0)
    assert not state.may_take(20.0 + HEAD_START_S - 0.1)
    assert HEAD_START_S > RENEW_S, "within which a holder asks again"
    state.answered(20.5)
    assert state.may_take(20.0 + HEAD_START_S)


def test_who_offered_it_for_want_of_a_link_does_not_act_until_the_database_has_it_that_it_is_linked() -> None:
    state = LeaseState()
    state.took(TERM, 0.0)
    assert not state.renewing(CUT_OFF_S - 0.1, linked=False)
    state.renewed(CUT_OFF_S - 0.1)
    assert state.may_act(CUT_OFF_S)
    assert state.renewing(CUT_OFF_S, linked=False)
    assert not state.may_act(CUT_OFF_S), "it may be written already"
    state.renewed(CUT_OFF_S, cut_off=True)
    assert not state.renewing(CUT_OFF_S + 1, linked=True)
    assert not state.may_act(CUT_OFF_S + 1), "somebody may have taken it"
    state.renewed(CUT_OFF_S + 1)
    assert state.may_act(CUT_OFF_S + 1)
    state.lost()
    state.took(TERM, 20.0)
    assert not state.renewing(20.0 + CUT_OFF_S - 0.1, linked=False), "a new term has time to make its link"


class Shared:
    """The row, as several keepers see it."""

    def __init__(self) -> None:
        self.holder, self.epoch, self.free, self.away, self.cut_off = "", 0, True, False, False
        self.asked = asyncio.Event()

    def _reach(self) -> None:
        self.asked.set()
        if self.away:
            raise StoreUnavailable("away")

    async def look(self, pbx: str) -> Lease | None:
        self._reach()
        left_s = 0.0 if self.free else 1.0
        return Lease(self.holder, self.epoch, left_s, self.cut_off) if self.epoch else None

    async def take(self, pbx: str, holder: str, ttl_s: float) -> Term | None:
        self._reach()
        if not self.free and not self.cut_off:
            return None
        self.holder, self.epoch, self.free, self.cut_off = holder, self.epoch + 1, False, False
        return Term(pbx, self.epoch)

    async def renew(self, term: Term, ttl_s: float, cut_off: bool = False) -> bool:
        self._reach()
        if term.epoch != self.epoch:
            return False
        self.cut_off = cut_off
        return True

    async def give_back(self, term: Term) -> None:
        self._reach()
        self.free = term.epoch == self.epoch


class Wire:
    """What a controller has to the PBX."""

    def __init__(self) -> None:
        self.linked = True
        self.tries = 0
        self.tried_once = asyncio.Event()

    async def tried(self) -> bool:
        self.tries += 1
        self.tried_once.set()
        return self.linked


class Observed:
    """One controller, as its keeper tells it."""

    def __init__(self, leases: Shared, name: str, wire: Wire | None = None) -> None:
        self.changed = asyncio.Event()
        self.acts: Term | None = None
        self.words: list[str] = []
        self.keeper = LeaseKeeper(
            leases, "north", name, self._taken, self._lost, self.words.append, wire or Wire()
        )

    def _taken(self, term: Term) -> None:
        assert self.acts is None
        self.acts = term
        self.changed.set()

    def _lost(self, term: Term) -> None:
        assert self.acts == term
        self.acts = None
        self.changed.set()

    async def until(self, acts: bool) -> None:
        async with asyncio.timeout(20):
            while (self.acts is not None) != acts:
                self.changed.clear()
                await self.changed.wait()

    @contextmanager
    def running(self) -> Iterator[None]:
        task = asyncio.create_task(self.keeper.run())
        yield
        task.cancel()


async def test_one_stands_by_takes_over_at_once_when_it_is_given_back_and_says_who_acts() -> None:
    leases = Shared()
    one, other = Observed(leases, "one"), Observed(leases, "other")
    with one.running():
        await one.until(acts=True)
        with other.running():
            async with asyncio.timeout(20):
                while not other.words:
                    leases.asked.clear()
                    await leases.asked.wait()
                    await asyncio.sleep(0)
            assert other.words == ["standby: one acts"] and one.keeper.may_act()
            await one.keeper.give_back()
            assert not one.keeper.may_act()
            await other.until(acts=True)
            assert other.words[-1] == "" and other.keeper.may_act()


async def test_a_holder_that_finds_another_one_stops_and_stands_by() -> None:
    leases = Shared()
    one = Observed(leases, "one")
    with one.running():
        await one.until(acts=True)
        leases.epoch, leases.holder = 7, "other"  # as while this one stood still
        await one.until(acts=False)
        assert one.keeper.term is None
        leases.free = True
        await one.until(acts=True)
        assert one.acts == Term("north", 8)


async def test_a_refused_write_ends_the_term_and_only_its_own() -> None:
    leases = Shared()
    one = Observed(leases, "one")
    with one.running():
        await one.until(acts=True)
        one.keeper.refused(Term("north", 0))
        assert one.acts
        one.keeper.refused(one.acts)
        assert one.acts is None and not one.keeper.may_act()


async def test_a_holder_goes_on_after_the_database_was_away_and_does_not_act_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease_keeper, "LOOK_S", 0.02)
    leases, skipped = Shared(), 0.0
    one = Observed(leases, "one")
    real = one.keeper._clock
    one.keeper._clock = lambda: real() + skipped
    with one.running():
        await one.until(acts=True)
        leases.away = True
        skipped = TTL_S
        assert not one.keeper.may_act() and one.acts, "its calls are kept, nothing is done"
        leases.asked.clear()
        async with asyncio.timeout(20):
            await leases.asked.wait()
        leases.away = False
        async with asyncio.timeout(20):
            while not one.keeper.may_act():
                leases.asked.clear()
                await leases.asked.wait()
                await asyncio.sleep(0)
        assert one.acts == Term("north", 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of hundredths of a second."""
    for module, name, seconds in (
        (lease_state, "CUT_OFF_S", 0.05), (lease_state, "RENEW_S", 0.02), (lease_state, "LOOK_S", 0.02),
        (lease_keeper, "LOOK_S", 0.02), (lease_keeper, "TRY_S", 0.01),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, seconds)


async def test_one_without_a_link_to_the_pbx_keeps_it_until_another_has_one(quick: None) -> None:
    leases, wires = Shared(), (Wire(), Wire())
    one, other = Observed(leases, "one", wires[0]), Observed(leases, "other", wires[1])
    with one.running():
        await one.until(acts=True)
        with other.running():
            for wire in wires:
                wire.linked = False
            async with asyncio.timeout(20):
                while wires[1].tries < 4:
                    wires[1].tried_once.clear()
                    await wires[1].tried_once.wait()
            assert one.acts and not one.keeper.may_act(), "its calls are kept, nothing is done"
            assert other.words[-1] == "standby: one acts without a link to Asterisk"
            wires[1].linked = True
            await other.until(acts=True)
            await one.until(acts=False)
            assert wires[1].tries >= 6, "twice in a row"
            assert other.keeper.may_act() and leases.holder == "other"


async def test_one_whose_link_comes_back_first_goes_on(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_keeper, "TRY_S", 3600.0)
    leases, wires = Shared(), (Wire(), Wire())
    one, other = Observed(leases, "one", wires[0]), Observed(leases, "other", wires[1])
    with one.running():
        await one.until(acts=True)
        with other.running():
            wires[0].linked = False
            async with asyncio.timeout(20):
                await wires[1].tried_once.wait()
                wires[0].linked = True
                while not one.keeper.may_act():
                    leases.asked.clear()
                    await leases.asked.wait()
            assert one.acts == Term("north", 1) and not leases.cut_off and other.acts is None

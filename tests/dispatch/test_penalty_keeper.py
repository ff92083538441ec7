"""The ranker: queues have the ranking's penalties while it runs, and the administrator's own after it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fixed_grounds import FixedPolicy

from emocx_pbx.dispatch.penalty_keeper import PenaltyKeeper, RankedPbx
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.message import AmiResponse
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.routing.policy import Policy, Rule
from emocx_pbx.settings.settings import RoutingSettings
from emocx_pbx.store.database import Store

NOW = 1e9
POLICY = Policy(rules=(Rule(name="a", emotion=("angry",), queue="care"),))
ADA, BOB = "Local/1@from-queue/n", "Local/2@from-queue/n"


@dataclass
class Queues:
    """The part of app_queue that the ranker meets."""

    penalties: dict[str, int] = field(default_factory=lambda: {ADA: 0, BOB: 0})
    down: bool = False
    refuses: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        if self.down:
            raise PeerUnavailable("no link")
        if name == "QueuePenalty":
            if self.refuses:
                raise RefusedError("Permission denied")
            assert fields is not None
            interface, penalty = fields["Interface"], fields["Penalty"]
            assert isinstance(interface, str) and isinstance(penalty, str)
            self.penalties[interface] = int(penalty)
            return AmiResponse({})
        names = {ADA: "ada", BOB: "bob"}
        member = {"Event": "QueueMember", "Queue": "care", "Status": "1", "Paused": "0"}
        events = [
            member | {"Location": i, "Name": names[i], "Penalty": str(p)} for i, p in self.penalties.items()
        ]
        self.asked.set()
        return AmiResponse({}, ({"Event": "QueueParams", "Queue": "care"}, *events))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Ada does well with angry customers, Bob does not."""
    store = await Store.open(tmp_path / "emocx.db", now=lambda: NOW)
    for agent, score in (("ada", 80.0), ("bob", 40.0)):
        for n in range(20):
            await grade(store, f"{agent}-{n}", agent, score)
    yield store
    await store.close()


async def grade(store: Store, call_id: str, agent: str, score: float, at: float = NOW - 86400.0) -> None:
    decision = Decision(f"d-{call_id}", at, "ok", "care", "angry", 0.9, {"angry": 0.9})
    await store.decisions.record(decision, call_id, None, None)
    await store.calls.start(call_id, at, None, None, "care", decision.decision_id)
    await store.calls.save_segment(Segment(call_id, 0, agent, "x", "care", "queue", at))
    await store.grades.save(call_id, 0, Grade(score, "B", None, None, 20.0))


def keeper(
    store: Store, queues: Queues, acts: bool = True, policy: Policy = POLICY, pbx_name: str = "", **more: Any
) -> PenaltyKeeper:
    policies, routing = FixedPolicy(policy), RoutingSettings(rank=acts)
    pbx = RankedPbx(queues, AgentNames(), pbx_name)
    return PenaltyKeeper(pbx, store.ranking, policies, routing, now=lambda: NOW, **more)


def event(name: str, interface: str, penalty: int) -> dict[str, str]:
    return {"Event": name, "Queue": "care", "Interface": interface, "Penalty": str(penalty)}


async def test_the_better_agent_rings_first_and_all_is_put_back(store: Store) -> None:
    queues = Queues()
    own = keeper(store, queues)
    assert await own.look() == 1
    assert queues.penalties[ADA] == 0 < queues.penalties[BOB]
    assert await own.look() == 0
    assert await own.restore() == 1
    assert queues.penalties == {ADA: 0, BOB: 0}
    assert await store.ranking.kept_penalties() == {}


async def test_a_new_process_knows_what_the_killed_one_changed(store: Store) -> None:
    queues = Queues({ADA: 2, BOB: 2})
    await keeper(store, queues).look()
    assert queues.penalties[BOB] > 20
    assert await keeper(store, queues).look() == 0
    assert await keeper(store, queues, acts=False).look() == 2
    assert queues.penalties == {ADA: 2, BOB: 2}


@pytest.mark.parametrize("policy", [Policy(), Policy(rules=POLICY.rules, rank_by={"care": "off"})])
async def test_without_a_ranked_queue_or_in_monitor_mode_nothing_is_touched(
    store: Store, policy: Policy
) -> None:
    queues = Queues()
    assert await keeper(store, queues, policy=policy).look() == 0
    assert await keeper(store, queues, acts=False).look() == 0
    assert queues.penalties == {ADA: 0, BOB: 0}
    assert (
        keeper(store, queues, acts=False).ranked() == () and not keeper(store, queues, True, policy).ranked()
    )


async def test_what_the_administrator_sets_meanwhile_is_put_back(store: Store) -> None:
    queues = Queues()
    own = keeper(store, queues)
    await own.look()
    ours = queues.penalties[BOB]
    own.on_ami(event("QueueMemberPenalty", BOB, ours))  # the echo of our own
    own.on_ami(event("QueueMemberPenalty", BOB, 2))
    queues.penalties[BOB] = 2
    await own.look()
    assert queues.penalties[BOB] == 21
    await own.restore()
    assert queues.penalties == {ADA: 0, BOB: 2}


async def test_a_refused_change_is_counted_and_changes_nothing(store: Store) -> None:
    counted: list[str] = []
    queues = Queues(refuses=True)
    own = keeper(store, queues, count=lambda name, label="", by=1.0: counted.append(name))
    assert await own.look() == 0
    assert counted == ["penalties_refused"]
    queues.refuses = False
    await own.restore()
    assert queues.penalties == {ADA: 0, BOB: 0}


async def test_without_a_link_at_the_end_the_database_still_knows(store: Store) -> None:
    queues = Queues()
    own = keeper(store, queues)
    await own.look()
    queues.down = True
    assert await own.restore() == 0
    assert await own.left() == 1
    queues.down = False
    assert await keeper(store, queues, acts=False).restore() == 1
    assert queues.penalties == {ADA: 0, BOB: 0}


async def test_the_keeper_looks_when_the_link_comes_up_and_after_grades(store: Store) -> None:
    queues, ticks = Queues(), itertools.count(0, 100)
    own = keeper(store, queues, clock=lambda: float(next(ticks)))
    task = asyncio.create_task(own.run())
    try:
        own.on_link(True)
        await asyncio.wait_for(queues.asked.wait(), 5)
        for n in range(60):
            await grade(store, f"late-{n}", "bob", 100.0, NOW)
        for _ in range(5):
            queues.asked.clear()
            own.on_graded()
            await asyncio.wait_for(queues.asked.wait(), 5)
        async with own._one_at_a_time:  # the last look is done
            assert queues.penalties[ADA] > queues.penalties[BOB] == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_standings_tell_what_a_penalty_comes_from(store: Store) -> None:
    queues = Queues()
    own = keeper(store, queues)
    await own.look()
    first, second = await own.standings()
    assert (first.agent, first.penalty, first.own, first.tier, first.emotion) == ("ada", 0, 0, 0, "angry")
    assert second.agent == "bob" and second.own == 0 and second.penalty == second.tier
    assert first.mean is not None and second.mean is not None and first.calls is not None
    assert first.mean > second.mean + 20 and first.calls > 19
    assert first.why == "the best for these callers" and "points behind the best" in second.why
    (first, _) = await keeper(store, queues, policy=Policy()).standings()
    assert first.why == "not ranked: no rule of the policy sends callers of an emotion there"
    (first, _) = await keeper(store, queues, policy=Policy(rank_by={"care": "off"})).standings()
    assert first.why == "not ranked: [rank_by] in the policy turns it off"


async def test_an_agent_on_two_pbxes_is_one_whose_order_is_set_on_both(store: Store) -> None:
    """By all of their grades, wherever they got them; and each PBX's queue is put back by itself."""
    berlin, vienna = Queues(), Queues()
    here, there = keeper(store, berlin, pbx_name="berlin"), keeper(store, vienna, pbx_name="vienna")
    assert (await here.look(), await there.look()) == (1, 1)
    assert berlin.penalties == vienna.penalties
    assert berlin.penalties[BOB] > berlin.penalties[ADA]
    assert await here.restore() == 1
    assert berlin.penalties == {ADA: 0, BOB: 0} != vienna.penalties
    assert await store.ranking.kept_penalties("vienna") and not await store.ranking.kept_penalties("berlin")

"""Six agents, three queues, stored grades: who does best with angry callers rings first."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, Event, call_in

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.service import ServiceProcess
from emocx_pbx.lab.sip import SippAgents
from emocx_pbx.routing.decision import EQUALS, in_holdout
from emocx_pbx.routing.penalties import penalties
from emocx_pbx.routing.policy import load_policy
from emocx_pbx.routing.ranking import RankingPlan, rank
from emocx_pbx.store.database import Store

QUEUES = ("support", "care", "sales")
POLICY = """
[[rules]]
name = "angry"
emotion = ["angry"]
queue = "care"
priority = 10
[[rules]]
name = "neutral"
emotion = ["neutral"]
queue = "support"
[[rules]]
name = "happy"
emotion = ["happy"]
queue = "sales"
"""
AGENTS = {f"PJSIP/agent-{queue}-{n}": f"{queue.capitalize()} agent {n}" for queue in QUEUES for n in (1, 2)}
#: Mean grades with angry customers, best first: not the order of any configuration.
ANGRY = dict(
    zip(("Sales agent 2", "Care agent 1", "Support agent 2", "Care agent 2", "Sales agent 1"),
        (85, 76, 67, 58, 40), strict=True)
)  # fmt: skip
NEUTRAL = {name: 40 + 8 * n for n, name in enumerate(AGENTS.values())}
LIGHT: dict[str, dict[str, object]] = {
    "analysis": {"transcriber": "off", "speech_model": "off"},
    "routing": {"holdout": 0.3},
}
#: The administrator's second line: rings when all others are busy, whatever its grades.
SECOND_LINE = ("care", "PJSIP/agent-support-1")


class Centre:
    """The private Asterisk and an eye on it."""

    def __init__(self, pbx: PrivateAsterisk, probe: AmiProbe) -> None:
        self.pbx, self.probe = pbx, probe

    async def members(self) -> list[Event]:
        before = len(self.probe.events)
        await self.probe.action(Action="QueueStatus")
        await self.probe.event("QueueStatusComplete", after=before)
        return [event for _, event in self.probe.events[before:] if event.get("Event") == "QueueMember"]

    async def penalties(self) -> dict[tuple[str, str], int]:
        return {(m["Queue"], m["Location"]): int(m["Penalty"]) for m in await self.members()}

    async def until(self, wanted: dict[tuple[str, str], int], seconds: float = 15.0) -> None:
        """Wait for events of members until the queues are like this."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    # A change while the queues tell may not be in what they tell.
                    before = len(self.probe.events)
                    if (now := await self.penalties()) == wanted:
                        return
                    await self.probe.event("QueueMemberPenalty", seconds, after=before)
        except TimeoutError:
            assert now == wanted

    async def answers(self, query: str, customer: str) -> Event:
        """Which agent a caller with this query gets; he stays with him."""
        before = len(self.probe.events)
        caller = await call_in(self.probe, "route", {"EMOCX_QUERY": query, "EMOCX_CUSTOMER": customer})
        _, event = await self.probe.event("AgentConnect", after=before, Uniqueid=caller.uniqueid)
        return event


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def centre(
    installation: Installation, speech: recordings.TwoSided, ul: dict[str, Path]
) -> AsyncIterator[Centre]:
    """Every agent is a member of every queue: of his own by queues.conf, of the others since he logged in."""
    async with (
        PrivateAsterisk(installation, queues=QUEUES, agents=2) as pbx,
        SippAgents(pbx.agent_port, ul["agent"], answer_s=0.1),
        AmiProbe().connected(pbx.ami_port, "demo", pbx.secret) as probe,
    ):
        recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
        for queue, (interface, name) in itertools.product(QUEUES, AGENTS.items()):
            await probe.action(Action="QueueAdd", Queue=queue, Interface=interface, MemberName=name)
        queue, interface = SECOND_LINE
        await probe.action(Action="QueuePenalty", Queue=queue, Interface=interface, Penalty="1")
        yield Centre(pbx, probe)


@pytest_asyncio.fixture(loop_scope="session")
async def folder(tmp_path: Path) -> Path:
    """A database with 30 grades of each agent and emotion, and the policy."""
    (tmp_path / "policy.toml").write_text(POLICY)
    store = await Store.open(tmp_path / "emocx.db")
    rng, yesterday = random.Random(5), time.time() - 86_400
    for emotion, means in (("angry", ANGRY), ("neutral", NEUTRAL)):
        for agent, n in itertools.product(means, range(30)):
            call_id = f"{emotion}-{agent}-{n}"
            decision = Decision(f"d-{call_id}", yesterday, "ok", "care", emotion, 0.9, {emotion: 0.9})
            await store.decisions.record(decision, call_id, None, None)
            await store.calls.start(call_id, yesterday, None, None, "care", decision.decision_id)
            await store.calls.save_segment(Segment(call_id, 0, agent, "", "care", "queue", yesterday))
            score = min(100.0, max(0.0, rng.gauss(means[agent], 5)))
            await store.grades.save(call_id, 0, Grade(score, "B", None, None, 20.0))
            await store.calls.end(call_id, yesterday + 60, "hangup")
    await store.close()
    return tmp_path


def service(centre: Centre, folder: Path) -> ServiceProcess:
    return ServiceProcess(folder, centre.pbx, [], LIGHT, folder / "policy.toml")


async def ranked(folder: Path, own: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """The penalties that the stored grades ask for."""
    store = await Store.open(folder / "emocx.db")
    ranking = rank(await store.ranking.outcomes(0.0), time.time())
    await store.close()
    names = list(AGENTS.values())
    tiers = penalties(load_policy(folder / "policy.toml"), dict.fromkeys(QUEUES, names), ranking)
    width = RankingPlan().tiers
    return {(q, i): own[q, i] * width + tiers.get((q, AGENTS[i]), 0) for q, i in own}


def customers(held_out: bool) -> list[str]:
    return [key for key in (f"c-{n}" for n in range(60)) if in_holdout(key, 0.3) is held_out]


async def test_angry_callers_ring_the_best_first_and_all_is_put_back(centre: Centre, folder: Path) -> None:
    own = await centre.penalties()
    wanted = await ranked(folder, own)
    order = [name for name in ANGRY if name in AGENTS.values()]
    interface_of = {name: interface for interface, name in AGENTS.items()}
    care = [wanted["care", interface_of[name]] for name in order]
    assert care == sorted(care) and care[0] == 0 < care[1]
    async with service(centre, folder):
        await centre.until(wanted)
        # The best first; who is busy is passed over at once; the second line comes last.
        answered = [
            (await centre.answers(QUERIES[0], key))["MemberName"]
            for key, _ in zip(customers(held_out=False), AGENTS, strict=False)
        ]
        assert answered == [*order, AGENTS[SECOND_LINE[1]]]
        await centre.pbx.cli("channel request hangup all")
        await centre.until(wanted)
    assert await centre.penalties() == own


async def test_a_caller_of_the_holdout_rings_as_before(centre: Centre, folder: Path) -> None:
    own = await centre.penalties()
    wanted = await ranked(folder, own)
    best = min((p, i) for (q, i), p in wanted.items() if q == "support")[1]
    async with service(centre, folder):
        await centre.until(wanted)
        # The best has just had a call: by idle time he is the last.
        first = await centre.answers(QUERIES[1], customers(held_out=False)[0])
        assert first["Interface"] == best
        # Hung up before they are together, there is no AgentComplete.
        await centre.probe.event("BridgeEnter", Uniqueid=first["Uniqueid"])
        before = len(centre.probe.events)
        await centre.pbx.cli("channel request hangup all")
        # Told late, it doesn't name the caller any more, whose channel is gone by then.
        await centre.probe.event("AgentComplete", after=before, Interface=best)
        event = await centre.answers(QUERIES[1], customers(held_out=True)[0])
        assert await centre.probe.variable(event["Channel"], "EMOCX_STATUS") == "holdout"
        assert await centre.probe.variable(event["Channel"], "QUEUE_RAISE_PENALTY") == str(EQUALS)
        assert event["Queue"] == "support"
        assert event["Interface"] != best
        await centre.pbx.cli("channel request hangup all")


async def test_the_command_says_why_each_member_is_where_they_are(centre: Centre, folder: Path) -> None:
    own = await centre.penalties()
    wanted = await ranked(folder, own)
    async with service(centre, folder) as running:
        await centre.until(wanted)
        words = ("penalties", "show", "--json", "--config", running.config)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "emocx_pbx.cli", *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    members = json.loads(out)["members"]
    assert {(m["queue"], m["interface"]): m["penalty"] for m in members} == wanted
    assert {(m["queue"], m["interface"]): m["own"] for m in members} == own
    best = next(m for m in members if m["queue"] == "care")
    assert (best["agent"], best["why"]) == (next(iter(ANGRY)), "the best for these callers")
    assert abs(best["mean"] - ANGRY[best["agent"]]) < 5 and round(best["calls"]) > 0
    assert all(m["why"] for m in members)


async def test_a_kill_loses_no_penalty_of_the_administrators(centre: Centre, folder: Path) -> None:
    own = await centre.penalties()
    wanted = await ranked(folder, own)
    killed = service(centre, folder)
    await killed.start()
    await centre.until(wanted)
    await killed.kill()
    assert await centre.penalties() == wanted
    # Meanwhile the administrator has a word of his own, and an agent goes home.
    changed, gone = ("care", "PJSIP/agent-care-2"), ("care", "PJSIP/agent-sales-1")
    await centre.probe.action(Action="QueuePenalty", Queue="care", Interface=changed[1], Penalty="4")
    await centre.probe.action(Action="QueueRemove", Queue="care", Interface=gone[1])
    # A new process takes over; killed as well, the command puts all back.
    again = service(centre, folder)
    await again.start()
    after = {k: v for k, v in own.items() if k != gone} | {changed: 4}
    await centre.until(await ranked(folder, after))
    await again.kill()
    words = (sys.executable, "-m", "emocx_pbx.cli", "penalties", "restore", "--config", str(again.config))
    process = await asyncio.create_subprocess_exec(*words)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert await centre.penalties() == after

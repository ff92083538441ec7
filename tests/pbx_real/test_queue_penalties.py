"""What app_queue makes of penalties: the facts that the ranking and the policy's tiers rest on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, call_in

from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.settings.settings import AsteriskSettings

FIRST, SECOND = "PJSIP/agent-sales-1", "PJSIP/agent-sales-2"
OWN = """
[penalty-facts]
exten => q,1,Answer()
 same => n,Queue(sales,c,,,60,,,${EMOCX_RULE})
 same => n,Hangup()
"""


@pytest_asyncio.fixture(loop_scope="session")
async def tiers(pbx: PrivateAsterisk, probe: AmiProbe) -> AsyncIterator[None]:
    """The first agent of sales is the better one."""
    await pbx.add_dialplan(OWN)
    await probe.action(Action="QueuePenalty", Queue="sales", Interface=SECOND, Penalty="3")
    yield
    for interface in (FIRST, SECOND):
        await probe.action(Action="QueuePenalty", Queue="sales", Interface=interface, Penalty="0")
        await probe.action(Action="QueuePause", Queue="sales", Interface=interface, Paused="false")


async def rings(probe: AmiProbe, deadline_s: float = 5.0, **variables: str) -> tuple[str, float]:
    """Who gets a new caller, and after how long in the queue."""
    before = len(probe.events)
    customer = await call_in(probe, "q", variables, context="penalty-facts")
    joined, _ = await probe.event("QueueCallerJoin", after=before, Uniqueid=customer.uniqueid)
    at, event = await probe.event("AgentConnect", deadline_s, after=before, Uniqueid=customer.uniqueid)
    return event["Interface"], at - joined


async def test_the_next_tier_rings_at_once_when_the_better_one_is_busy(tiers: None, probe: AmiProbe) -> None:
    assert (await rings(probe))[0] == FIRST
    who, seconds = await rings(probe)
    assert who == SECOND
    assert seconds < 2


async def test_raised_penalties_count_as_the_higher_one(tiers: None, probe: AmiProbe) -> None:
    """The first agent, penalty 0, is kept free by the least penalty 3 unless his counts as 3."""
    await probe.action(Action="QueuePause", Queue="sales", Interface=SECOND, Paused="true")
    who, seconds = await rings(probe, QUEUE_MIN_PENALTY="3", QUEUE_RAISE_PENALTY="3")
    assert who == FIRST
    assert seconds < 3


async def test_a_tier_is_waited_for_until_the_queue_rule_ends_it(tiers: None, probe: AmiProbe) -> None:
    assert (await rings(probe))[0] == FIRST  # the better one is busy now
    who, seconds = await rings(probe, 12, QUEUE_MAX_PENALTY="0", EMOCX_RULE="emocx-5")
    assert who == SECOND
    assert 4 <= seconds < 9


async def test_agents_kept_free_for_others_ring_after_the_wait(tiers: None, probe: AmiProbe) -> None:
    await probe.action(Action="QueuePause", Queue="sales", Interface=SECOND, Paused="true")
    who, seconds = await rings(probe, 12, QUEUE_MIN_PENALTY="1", EMOCX_RULE="emocx-5")
    assert who == FIRST
    assert 4 <= seconds < 9


async def test_the_least_rights_are_enough(tiers: None, pbx: PrivateAsterisk) -> None:
    async with AmiProbe().connected(pbx.ami_port, AsteriskSettings().username, pbx.secret) as own:
        done = await own.action(Action="QueuePenalty", Queue="sales", Interface=SECOND, Penalty="5")
        assert done["Response"] == "Success"
        assert (await own.action(Action="QueueRule", Rule="emocx-20"))["Rule"] == "20,1000000,0"
        assert "Rule" not in await own.action(Action="QueueRule", Rule="emocx-21")

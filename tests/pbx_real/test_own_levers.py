"""What the administrator's dialplan set for a call beside what the policy says, on a real Asterisk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AgiCall, AmiProbe, Customer, StubAgi, call_in, hang_up

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.service import ServiceProcess

ANGRY, NEUTRAL = QUERIES[0], QUERIES[1]
POLICY = """
[[rules]]
name = "plain"
customer = ["plain"]
queue = "care"
priority = 10
tier = 3
[[rules]]
name = "add"
customer = ["add"]
queue = "care"
priority = {add = 10}
max_penalty = {add = 3}
[[rules]]
name = "set"
customer = ["set"]
queue = "care"
priority = {set = 10}
max_penalty = {set = 3}
"""
TWICE = """
[own-levers]
exten => twice,1,Answer()
 same => n,Gosub(emocx-route,s,1(care))
 same => n,Set(FIRST=${QUEUE_PRIO}/${QUEUE_MAX_PENALTY})
 same => n,Set(EMOCX_QUERY=)
 same => n,Set(EMOCX_CUSTOMER=second)
 same => n,Gosub(emocx-route,s,1(care))
 same => n,Queue(care,c,,,60)
 same => n,Hangup()
"""
#: What app_queue reads.
LEVERS = ("QUEUE_PRIO", "QUEUE_MAX_PENALTY")


async def set_on(probe: AmiProbe, customer: Customer) -> tuple[str, ...]:
    await probe.event("QueueCallerJoin", 20, Uniqueid=customer.uniqueid)
    return tuple([await probe.variable(customer.channel, name) for name in LEVERS])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ruled(
    pbx: PrivateAsterisk, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    """A service with a policy of this file, without models: its rules ask for the customer's key."""
    folder: Path = tmp_path_factory.mktemp("ruled")
    (folder / "own.toml").write_text(POLICY)
    light: dict[str, dict[str, object]] = {
        "analysis": {"transcriber": "off", "speech_model": "off"},
        "routing": {"policy": str(folder / "own.toml"), "rank": False},
    }
    async with ServiceProcess(folder, pbx, [], light) as service:
        yield service


@pytest.mark.parametrize(
    ("customer", "own", "becomes"),
    [
        ("plain", ("20", "9"), ("20", "9")),
        ("plain", ("5", "1"), ("10", "3")),
        ("plain", ("", ""), ("10", "3")),
        ("add", ("20", "9"), ("30", "12")),
        ("set", ("20", "9"), ("10", "3")),
        ("nobody", ("20", "9"), ("20", "9")),
    ],
)
async def test_a_calls_own_values_are_not_lowered(
    pbx: PrivateAsterisk,
    probe: AmiProbe,
    ruled: ServiceProcess,
    customer: str,
    own: tuple[str, str],
    becomes: tuple[str, str],
) -> None:
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{ruled.agi_port}")
    given = {name: value for name, value in zip(LEVERS, own, strict=True) if value}
    caller = await call_in(
        probe,
        "route",
        {"EMOCX_CUSTOMER": customer, "EMOCX_QUERY": NEUTRAL, "EMOCX_DEFAULT_QUEUE": "care"} | given,
    )
    assert await set_on(probe, caller) == becomes
    await hang_up(probe, caller)


async def test_an_angry_caller_keeps_a_higher_own_priority(probe: AmiProbe, service: ServiceProcess) -> None:
    for own, becomes in (("20", "20"), ("3", "10")):
        caller = await call_in(probe, "route", {"EMOCX_QUERY": ANGRY, "QUEUE_PRIO": own})
        assert (await set_on(probe, caller))[0] == becomes
        await hang_up(probe, caller)


async def test_a_second_visit_begins_with_the_administrators_values(
    pbx: PrivateAsterisk, probe: AmiProbe, agi: StubAgi
) -> None:
    async def answer(call: AgiCall) -> None:
        seen.append((await call.get("QUEUE_PRIO"), await call.get("QUEUE_MAX_PENALTY")))
        if len(seen) == 1:
            await call.set(QUEUE_PRIO=30, QUEUE_MAX_PENALTY=3)
        await call.set(EMOCX_QUEUE="care", EMOCX_STATUS="ok")

    seen: list[tuple[str, str]] = []
    agi.behave["/route"] = answer
    await pbx.add_dialplan(TWICE)
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{agi.port}")
    caller = await call_in(probe, "twice", {"QUEUE_PRIO": "20"}, context="own-levers")
    assert await set_on(probe, caller) == ("20", "")
    assert await probe.variable(caller.channel, "FIRST") == "30/3"
    assert seen == [("20", ""), ("20", "")]
    await hang_up(probe, caller)

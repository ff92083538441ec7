"""Whatever the service does, the caller reaches a queue, in time and with the administrator's defaults."""

from __future__ import annotations

import asyncio
import socket

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AgiCall, AmiProbe, Customer, StubAgi, call_in, silence

from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port

OUTPUTS = (
    "EMOCX_QUEUE",
    "EMOCX_STATUS",
    "EMOCX_DECISION",
    "EMOCX_EMOTION",
    "QUEUE_PRIO",
    "QUEUE_MIN_PENALTY",
    "QUEUE_MAX_PENALTY",
    "QUEUE_RAISE_PENALTY",
)


async def joined(probe: AmiProbe, customer: Customer) -> tuple[str, float]:
    """The queue that the customer came to, and how many seconds it took."""
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    return event["Queue"], at - customer.started


async def outputs(probe: AmiProbe, customer: Customer) -> dict[str, str]:
    return {name: await probe.variable(customer.channel, name) for name in OUTPUTS}


async def answer(call: AgiCall) -> None:
    await call.set(
        EMOCX_QUEUE="care",
        QUEUE_PRIO=10,
        QUEUE_MAX_PENALTY=2,
        QUEUE_RAISE_PENALTY=7,
        EMOCX_EMOTION="angry",
        EMOCX_DECISION="d1",
        EMOCX_STATUS="ok",
    )


async def half(call: AgiCall) -> None:
    await call.set(EMOCX_QUEUE="care", QUEUE_PRIO=10, QUEUE_RAISE_PENALTY=7, EMOCX_DECISION="d1")


async def half_then_silence(call: AgiCall) -> None:
    await half(call)
    await silence(call)


async def half_then_cut(call: AgiCall) -> None:
    await half(call)
    call.writer.write(b"SET VARI")
    call.writer.transport.abort()


async def test_an_answer_is_followed(probe: AmiProbe, agi: StubAgi) -> None:
    agi.behave["/route"] = answer
    customer = await call_in(probe, "route")
    queue, seconds = await joined(probe, customer)
    assert queue == "care"
    assert seconds < 1
    got = await outputs(probe, customer)
    assert got["EMOCX_STATUS"] == "ok"
    assert got["EMOCX_EMOTION"] == "angry"
    assert got["QUEUE_PRIO"] == "10"
    assert got["QUEUE_MAX_PENALTY"] == "2"
    assert got["QUEUE_RAISE_PENALTY"] == "7"


async def test_the_query_and_the_customer_can_be_read(probe: AmiProbe, agi: StubAgi) -> None:
    seen: dict[str, str] = {}

    async def read(call: AgiCall) -> None:
        for name in ("EMOCX_QUERY", "EMOCX_CUSTOMER", "EMOCX_DEFAULT_QUEUE", "EMOCX_OPTOUT"):
            seen[name] = await call.get(name)
        await answer(call)

    agi.behave["/route"] = read
    query = 'I was charged "twice", $[1+1]; nobody answers (Grüße)'
    await joined(probe, await call_in(probe, "route", {"EMOCX_QUERY": query, "EMOCX_CUSTOMER": "c-7"}))
    assert seen == {
        "EMOCX_QUERY": query,
        "EMOCX_CUSTOMER": "c-7",
        "EMOCX_DEFAULT_QUEUE": "support",
        "EMOCX_OPTOUT": "",
    }


async def test_service_stopped(probe: AmiProbe, pbx: PrivateAsterisk) -> None:
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{free_port()}")
    customer = await call_in(probe, "route")
    queue, seconds = await joined(probe, customer)
    assert (queue, await probe.variable(customer.channel, "EMOCX_STATUS")) == ("support", "default")
    assert seconds < 0.5


async def test_service_frozen(probe: AmiProbe, pbx: PrivateAsterisk) -> None:
    """The kernel takes the connection for a process under SIGSTOP; nobody ever reads it."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{frozen.getsockname()[1]}")
        customer = await call_in(probe, "route", {"QUEUE_PRIO": "3"})
        queue, seconds = await joined(probe, customer)
        got = await outputs(probe, customer)
    assert queue == "support"
    assert 1.2 < seconds < 2
    assert got["EMOCX_STATUS"] == "timeout"
    assert got["QUEUE_PRIO"] == "3"
    assert await probe.variable(customer.channel, "TIMEOUT(absolute)") in ("0", "0.000")


@pytest.mark.parametrize("behaviour", [half_then_silence, half_then_cut])
async def test_half_an_answer_is_no_answer(probe: AmiProbe, agi: StubAgi, behaviour: object) -> None:
    agi.behave["/route"] = behaviour  # type: ignore[assignment]
    customer = await call_in(probe, "route", {"QUEUE_MIN_PENALTY": "1", "QUEUE_PRIO": "4"})
    queue, seconds = await joined(probe, customer)
    got = await outputs(probe, customer)
    assert queue == "support"
    assert seconds < 2
    assert got["EMOCX_STATUS"] in ("timeout", "default")
    assert got["EMOCX_DECISION"] == ""
    assert got["QUEUE_PRIO"] == "4"
    assert got["QUEUE_MIN_PENALTY"] == "1"


async def test_a_queue_that_does_not_exist(probe: AmiProbe, agi: StubAgi) -> None:
    async def lost(call: AgiCall) -> None:
        await call.set(EMOCX_QUEUE="no-such-queue", EMOCX_STATUS="ok")

    agi.behave["/route"] = lost
    assert (await joined(probe, await call_in(probe, "route")))[0] == "support"


async def test_opted_out_and_stopped(probe: AmiProbe, pbx: PrivateAsterisk) -> None:
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{free_port()}")
    for extension in ("route", "listen"):
        customer = await call_in(probe, extension, {"EMOCX_OPTOUT": "1"})
        assert (await joined(probe, customer))[0] == "support"
        assert await probe.variable(customer.channel, "EMOCX_STATUS") == "optout"


async def test_opted_out_is_never_listened_to(probe: AmiProbe, agi: StubAgi) -> None:
    async def optout(call: AgiCall) -> None:
        assert await call.get("EMOCX_OPTOUT") == "1"
        await call.set(EMOCX_STATUS="optout")

    agi.behave["/route"] = optout
    customer = await call_in(probe, "listen", {"EMOCX_OPTOUT": "1"})
    assert (await joined(probe, customer))[0] == "support"
    assert [call.path for call in agi.calls] == ["/route"]


async def test_the_callers_hangup_ends_the_asking(probe: AmiProbe, agi: StubAgi) -> None:
    agi.behave["/route"] = silence
    customer = await call_in(probe, "route")
    async with asyncio.timeout(5):
        await agi.called.wait()
    await probe.action(Action="Hangup", Channel=customer.channel)
    at, _ = await probe.event("Hangup", Uniqueid=customer.uniqueid)
    assert at - customer.started < 1.2


OWN = """
[own]
exten => late,1,Answer()
 same => n,Set(TIMEOUT(absolute)=20)
 same => n,Gosub(emocx-route,s,1(support))
 same => n,Set(LEFT=${TIMEOUT(absolute)})
 same => n,Queue(${EMOCX_QUEUE})
exten => soon,1,Answer()
 same => n,Set(TIMEOUT(absolute)=0.8)
 same => n,Gosub(emocx-route,s,1(support))
 same => n,Queue(${EMOCX_QUEUE})
exten => T,1,UserEvent(OwnTimeout)
 same => n,Wait(5)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(pbx: PrivateAsterisk) -> None:
    """An administrator's own context."""
    await pbx.add_dialplan(OWN)


async def test_the_administrators_own_timeout_is_kept(own: None, probe: AmiProbe, agi: StubAgi) -> None:
    agi.behave["/route"] = silence
    customer = await call_in(probe, "late", context="own")
    await joined(probe, customer)
    assert 17.5 < float(await probe.variable(customer.channel, "LEFT")) < 18.8


async def test_the_administrators_own_timeout_fires_where_he_expects_it(
    own: None, probe: AmiProbe, agi: StubAgi
) -> None:
    agi.behave["/route"] = silence
    customer = await call_in(probe, "soon", context="own")
    at, _ = await probe.event("UserEvent", UserEvent="OwnTimeout", Uniqueid=customer.uniqueid)
    assert 0.7 < at - customer.started < 1.5

"""A caller says what is wrong in the IVR; whatever becomes of the listener, the call goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AgiCall, AmiProbe, StubAgi, StubAudio, call_in, silence


@pytest_asyncio.fixture(loop_scope="session")
async def ear(agi: StubAgi) -> AsyncIterator[StubAudio]:
    """An AudioSocket server that /listen announces; /heard sends the caller to care."""
    async with StubAudio().running() as ear:

        async def listen(call: AgiCall) -> None:
            await call.set(EMOCX_AUDIO=f"127.0.0.1:{ear.port}")

        async def heard(call: AgiCall) -> None:
            await call.set(EMOCX_QUEUE="care", EMOCX_STATUS="ok")

        agi.behave |= {"/listen": listen, "/heard": heard}
        yield ear


async def test_what_is_said_is_heard_and_decides(probe: AmiProbe, agi: StubAgi, ear: StubAudio) -> None:
    ear.then = "end"
    customer = await call_in(probe, "listen")
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    assert event["Queue"] == "care"
    assert 0.9 < at - customer.started < 2
    assert [(call.path, call.args) for call in agi.calls] == [("/listen", [ear.uuid]), ("/heard", [ear.uuid])]
    assert any(ear.audio)


async def test_a_listener_killed_meanwhile(probe: AmiProbe, agi: StubAgi, ear: StubAudio) -> None:
    """The worker is killed, and the controller with it: /heard's connection breaks too."""
    ear.then = "cut"

    async def gone(call: AgiCall) -> None:
        call.writer.transport.abort()

    agi.behave["/heard"] = gone
    customer = await call_in(probe, "listen")
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    assert event["Queue"] == "support"
    assert at - customer.started < 1 + 2
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "default"


async def test_a_listener_frozen_meanwhile(probe: AmiProbe, agi: StubAgi, ear: StubAudio) -> None:
    ear.then = "mute"
    customer = await call_in(probe, "listen", {"EMOCX_LISTEN_MAX": "2.5"})
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    assert event["Queue"] == "support"
    assert 2 < at - customer.started < 3.2
    assert await probe.variable(customer.channel, "EMOCX_STATUS") == "timeout"


async def test_an_answer_that_never_comes_after_listening(
    probe: AmiProbe, agi: StubAgi, ear: StubAudio
) -> None:
    ear.then = "end"
    agi.behave["/heard"] = silence
    customer = await call_in(probe, "listen")
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    assert event["Queue"] == "support"
    assert at - customer.started < 1.2 + 2


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:9092", "nonsense", ""])
async def test_an_ear_that_is_not_there(probe: AmiProbe, agi: StubAgi, ear: StubAudio, address: str) -> None:
    async def listen(call: AgiCall) -> None:
        await call.set(EMOCX_AUDIO=address)

    async def gone(call: AgiCall) -> None:
        call.writer.transport.abort()

    agi.behave |= {"/listen": listen, "/heard": gone}
    customer = await call_in(probe, "listen")
    at, event = await probe.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    assert event["Queue"] == "support"
    assert at - customer.started < 2

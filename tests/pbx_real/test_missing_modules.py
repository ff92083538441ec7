"""A module of Asterisk is missing: every caller still reaches a queue, by decision where one can be had."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pbx_real.pbx_stubs import AgiCall, AmiProbe, StubAgi, StubAudio, call_in, silence

from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk

#: Without these a decision can't be asked for safely: the caller goes to the dialplan's own queue.
NEEDED = {
    "res_agi": "res_agi",
    "func_timeout": "func_timeout",
    "app_stack": "",
    "func_module": "",
    "func_dialplan": "",
}
#: Without these a caller can't be listened to; texts are decided all the same.
TO_LISTEN = ("app_exec", "app_audiosocket", "func_uuid")
#: The decision is followed without these.
NOT_NEEDED = (
    "func_strings",
    "func_logic",
    "func_channel",
    "func_global",
    "func_callerid",
    "func_math",
    "func_db",
    "app_verbose",
    "app_playback",
    "app_userevent",
)

#: A light customer who needs no Playback().
HOLDING = """
[demo-customer]
exten => play-hold,1,Answer()
 same => n,MusicOnHold(default)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare(installation: Installation) -> AsyncIterator[PrivateAsterisk]:
    """An Asterisk of our own, to take modules from."""
    async with PrivateAsterisk(installation) as pbx:
        await pbx.add_dialplan(HOLDING)
        yield pbx


@pytest_asyncio.fixture(loop_scope="session")
async def eyes(bare: PrivateAsterisk) -> AsyncIterator[AmiProbe]:
    async with AmiProbe().connected(bare.ami_port, "demo", bare.secret) as probe:
        yield probe
        await bare.cli("channel request hangup all")


@pytest_asyncio.fixture(loop_scope="session")
async def service(bare: PrivateAsterisk) -> AsyncIterator[StubAgi]:
    """A service that sends texts to care and what is said to sales."""
    async with StubAgi().running() as stub, StubAudio(then="end").running() as ear:

        async def text(call: AgiCall) -> None:
            await call.set(EMOCX_QUEUE="care", EMOCX_STATUS="ok")

        async def listen(call: AgiCall) -> None:
            await call.set(EMOCX_AUDIO=f"127.0.0.1:{ear.port}")

        async def heard(call: AgiCall) -> None:
            await call.set(EMOCX_QUEUE="sales", EMOCX_STATUS="ok")

        stub.behave |= {"/route": text, "/listen": listen, "/heard": heard}
        await bare.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{stub.port}")
        yield stub


@pytest_asyncio.fixture(loop_scope="session")
async def without(
    request: pytest.FixtureRequest, bare: PrivateAsterisk, eyes: AmiProbe
) -> AsyncIterator[str]:
    """A module's name; it is unloaded meanwhile."""
    module: str = request.param
    await bare.cli(f"module unload -f {module}.so")
    assert f"{module}.so" not in await bare.cli("module show"), "still loaded: the test would prove nothing"
    yield module
    await bare.cli("channel request hangup all")
    await bare.cli(f"module load {module}.so")


async def queue_of(eyes: AmiProbe, extension: str) -> tuple[str, float, str]:
    """Where a light caller arrives, after how many seconds, and what kept him from a decision."""
    customer = await call_in(eyes, extension, recording="hold")
    at, event = await eyes.event("QueueCallerJoin", Uniqueid=customer.uniqueid)
    why = await eyes.variable(customer.channel, "emocx_why")
    return event["Queue"], at - customer.started, why


@pytest.mark.parametrize("without", NEEDED, indirect=True)
@pytest.mark.parametrize("extension", ["route", "listen"])
async def test_without_what_asking_needs_the_own_queue_stands(
    without: str, extension: str, service: StubAgi, eyes: AmiProbe
) -> None:
    queue, seconds, why = await queue_of(eyes, extension)
    assert (queue, why) == ("support", NEEDED[without])
    assert seconds < 2
    assert service.calls == []


@pytest.mark.parametrize("without", TO_LISTEN, indirect=True)
async def test_without_what_listening_needs_texts_are_still_decided(
    without: str, service: StubAgi, eyes: AmiProbe
) -> None:
    assert (await queue_of(eyes, "route"))[0] == "care"
    queue, seconds, _ = await queue_of(eyes, "listen")
    # Who was not heard is decided by what is known, which the service does or leaves.
    assert queue in {"support", "sales"} and seconds < 2


@pytest.mark.parametrize("without", NOT_NEEDED, indirect=True)
async def test_without_what_is_not_needed_the_decision_is_followed(
    without: str, service: StubAgi, eyes: AmiProbe
) -> None:
    assert (await queue_of(eyes, "route"))[0] == "care"
    assert (await queue_of(eyes, "listen"))[0] == "sales"


@pytest.mark.parametrize("without", [*NEEDED, *TO_LISTEN, *NOT_NEEDED], indirect=True)
async def test_a_hung_service_holds_nobody(without: str, service: StubAgi, eyes: AmiProbe) -> None:
    service.behave |= dict.fromkeys(("/route", "/listen", "/heard"), silence)
    for extension in ("route", "listen"):
        queue, seconds, _ = await queue_of(eyes, extension)
        assert queue == "support" and seconds < 2


@pytest.mark.parametrize("guard", ["nonsense", "0", "-1"])
async def test_a_guard_that_is_no_time_asks_nobody(
    guard: str, bare: PrivateAsterisk, service: StubAgi, eyes: AmiProbe
) -> None:
    service.behave["/route"] = silence
    await bare.cli(f"dialplan set global EMOCX_GUARD {guard}")
    try:
        queue, seconds, why = await queue_of(eyes, "route")
    finally:
        await bare.cli("dialplan set global EMOCX_GUARD 1.5")
    assert (queue, why) == ("support", "func_timeout") and seconds < 2
    assert service.calls == []


async def test_the_file_removed_keeps_the_callers(
    bare: PrivateAsterisk, service: StubAgi, eyes: AmiProbe
) -> None:
    """The administrator's own Gosub is still there."""
    for context in ("emocx-route", "emocx-listen"):
        await bare.cli(f"dialplan remove context {context}")
    try:
        for extension in ("route", "listen"):
            assert (await queue_of(eyes, extension))[0] == "support"
    finally:
        await bare.cli("dialplan reload")

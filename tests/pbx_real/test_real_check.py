"""The check on a real Asterisk: all in order, and each fault that can be made there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from emocx_pbx.check.check import check
from emocx_pbx.check.finding import Finding
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.settings.settings import AnalysisSettings, AsteriskSettings, Settings


@pytest.fixture
def settings(pbx: PrivateAsterisk) -> Settings:
    return Settings(
        asterisk=AsteriskSettings(port=pbx.ami_port, secret=pbx.secret),
        analysis=AnalysisSettings(base_port=0, speech_model="off", text_model="off"),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def no_calls_left(pbx: PrivateAsterisk) -> AsyncIterator[None]:
    yield
    assert "0 active channels" in await pbx.cli("core show channels count")


def failed(findings: list[Finding]) -> list[str]:
    return [f"{f.topic}: {f.what}" for f in findings if f.level == "fail"]


async def test_all_is_in_order(settings: Settings, no_calls_left: None) -> None:
    findings = {f.topic: f for f in await check(settings)}
    assert failed(list(findings.values())) == []
    assert "both sides heard" in findings["self-tap"].what
    assert findings["rights"].level == "ok"
    assert findings["dialplan"].what.startswith("context emocx-route is there, version ")
    assert findings["clock"].what == "Asterisk's clock and ours agree"


async def test_asterisks_log_has_nothing_to_complain_of(pbx: PrivateAsterisk, settings: Settings) -> None:
    before = len(pbx.log())
    await check(settings)
    assert not [line for line in pbx.log()[before:].splitlines() if re.search("WARNING|ERROR", line)]


@pytest.mark.parametrize(("tap", "sides"), [("stereo", "both sides"), ("customer", "the customer's side")])
async def test_the_self_tap_by_mode(settings: Settings, tap: str, sides: str, no_calls_left: None) -> None:
    asterisk = msgspec.structs.replace(settings.asterisk, tap=tap)
    findings = await check(msgspec.structs.replace(settings, asterisk=asterisk))
    assert findings[-1].topic == "self-tap" and f"{sides} heard" in findings[-1].what


async def test_an_unreachable_worker(settings: Settings, no_calls_left: None) -> None:
    # 192.0.2.0/24 is for documentation: nothing answers there.
    analysis = msgspec.structs.replace(settings.analysis, host="192.0.2.1")
    findings = await check(msgspec.structs.replace(settings, analysis=analysis))
    assert "Asterisk did not connect to 192.0.2.1:" in failed(findings)[0]


async def test_a_module_and_a_context_that_are_not_there(pbx: PrivateAsterisk, settings: Settings) -> None:
    await pbx.cli("module unload app_chanspy.so")
    try:
        assert "a call is heard, but not its tap" in failed(await check(settings))[-1]
    finally:
        await pbx.cli("module load app_chanspy.so")
    await pbx.cli("dialplan remove context emocx-route")
    try:
        findings = await check(settings, self_tap=False)
        assert failed(findings) == ["dialplan: there is no context emocx-route"]
    finally:
        await pbx.cli("dialplan reload")


async def test_a_wrong_secret(settings: Settings) -> None:
    asterisk = msgspec.structs.replace(settings.asterisk, secret="wrong")
    findings = await check(msgspec.structs.replace(settings, asterisk=asterisk))
    assert "Authentication failed" in failed(findings)[0]


async def test_the_link_is_not_left_behind(pbx: PrivateAsterisk, settings: Settings) -> None:
    await check(settings, self_tap=False)
    async with asyncio.timeout(5):  # Asterisk ends the session a moment after the connection
        while "emocx" in await pbx.cli("manager show connected"):
            pass

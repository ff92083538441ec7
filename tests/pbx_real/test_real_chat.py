"""A customer at the chat's page, in a browser, is called back and talks with the right agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from chromium import chromium, page_of
from pbx_real.pbx_stubs import AmiProbe
from playwright.async_api import Page

from emocx_pbx.demo.run import EVENTS, QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

CHAT = {"default_queue": "support", "call_backs": True}
DIALLING = {"regions": ["DE"], "number_cooldown_s": 10.0}


@pytest_asyncio.fixture(loop_scope="session")
async def alone() -> AsyncIterator[Receiver]:
    """A receiver of this service alone: another one beside it tells of the same calls."""
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture(loop_scope="session")
async def chatting(
    pbx: PrivateAsterisk, alone: Receiver, probe: AmiProbe, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    light: dict[str, Any] = {
        "analysis": {"transcriber": "off", "speech_model": "mlp"},
        "chat": CHAT,
        "dialling": DIALLING,
    }
    hook = Hook(alone.url, alone.secret, EVENTS)
    async with ServiceProcess(tmp_path_factory.mktemp("chat"), pbx, [hook], light) as service:
        yield service


async def wish(page: Page, service: ServiceProcess, text: str, *, consent: bool, number: str) -> None:
    await page.goto(f"{service.url}/chat")
    await page.get_by_label("How can we help you?").fill(text)
    if consent:
        await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Ask").click()
    await page.get_by_label("Your telephone number").fill(number)
    await page.get_by_role("button", name="Call me").click()


async def test_from_the_chat_to_a_ringing_agent(
    pbx: PrivateAsterisk, probe: AmiProbe, chatting: ServiceProcess, alone: Receiver
) -> None:
    async with chromium() as browser:
        async with page_of(browser, 360) as page:
            await wish(page, chatting, QUERIES[0], consent=True, number="+49 30 1234571")
            telephone = f"customer/sip:+49301234571@127.0.0.1:{pbx.agent_port}"
            await probe.event("DialBegin", DialString=telephone)
            _, connected = await probe.event("AgentConnect", 20)
            assert connected["Queue"] == "care"
            assert await probe.variable(connected["Channel"], "QUEUE_PRIO") == "10"
            await page.get_by_text("You are talking with us.").wait_for()
            await probe.action(Action="Hangup", Channel=connected["Channel"])
            await page.get_by_text("The call is over.").wait_for()
        call_id = connected["Uniqueid"]
        await alone.wait(lambda: alone.of("call.ended", call_id), 20)
        routed = alone.of("query.routed", call_id)[0].data
        assert alone.of("call.ended", call_id)[0].data["decision_id"] == routed["decision_id"]
        chats = [e.data["decision_id"] for e in alone.of("query.routed") if e.call_id is None]
        assert routed["decision_id"] in chats, "told when it was asked, and again when it became a call"

        after = len(probe.events)
        async with page_of(browser) as page:
            await wish(page, chatting, QUERIES[0], consent=False, number="+49 30 1234572")
            _, connected = await probe.event("AgentConnect", 20, after=after)
            assert connected["Queue"] == "support", "who does not consent goes to the default queue"
            assert await probe.variable(connected["Channel"], "EMOCX_OPTOUT") == "1"
            await probe.action(Action="Hangup", Channel=connected["Channel"])
            await page.get_by_text("The call is over.").wait_for()
        await alone.wait(lambda: alone.of("call.ended", connected["Uniqueid"]), 20)
        assert not alone.of("call.reading", connected["Uniqueid"])


FAR = """
[far]
exten => busy,1,Busy(1)
exten => silent,1,Ringing()
 same => n,Wait(0.3)
 same => n,Hangup(19)
"""


@pytest.mark.parametrize(
    ("prefix", "number", "observed"),
    [
        ("PJSIP/nobody/sip:", "3", "We could not reach you at the number that ends with …573."),
        ("Local/busy@far/n\\;", "4", "The number that ends with …574 is busy."),
        ("Local/silent@far/n\\;", "5", "Nobody picked up at the number that ends with …575."),
    ],
)
async def test_a_customer_who_can_not_be_reached_is_told_why(
    pbx: PrivateAsterisk, probe: AmiProbe, chatting: ServiceProcess, prefix: str, number: str, observed: str
) -> None:
    await pbx.add_dialplan(FAR)
    await pbx.cli(f'dialplan set global EMOCX_CALLBACK_PREFIX "{prefix}"')
    try:
        async with chromium() as browser, page_of(browser) as page:
            await wish(page, chatting, "hello", consent=True, number=f"+49 30 123457{number}")
            await page.get_by_text(observed).wait_for()
            await page.get_by_role("button", name="Call me again").wait_for()
    finally:
        await pbx.cli("dialplan set global EMOCX_CALLBACK_PREFIX PJSIP/customer/sip:")

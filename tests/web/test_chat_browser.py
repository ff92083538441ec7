"""The customers' page and the widget in a real browser: widths, colours, keyboard, another origin."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from chromium import WIDTHS, assert_accessible, chromium, page_of
from playwright.async_api import Browser, Page
from web.web_site import Site, open_site

from emocx_pbx.chat.tickets import Tickets
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.settings import Settings

COMPANY = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Example Ltd</title>
<meta name="viewport" content="width=device-width"></head>
<body style="font-family: serif; line-height: 1.5; padding: 1rem"><h1>Example Ltd</h1>
<p>We repair cars. <a id="first" href="#x">Opening hours</a></p><p style="height: 120rem">A long page.</p>
<script src="CHAT/chat/widget.js" data-label="Ask us" data-title="Ask Example Ltd" defer></script>
</body></html>"""
#: As strict as a careful company sets it.
COMPANY_POLICY = "default-src 'none'; script-src CHAT; frame-src CHAT; style-src 'unsafe-inline'"
#: Folder for screenshots to be looked at.
SHOTS = os.environ.get("EMOCX_TEST_SHOTS", "")

LOOKS: list[tuple[int, Literal["light", "dark"]]] = [(w, s) for w in WIDTHS for s in ("light", "dark")]


class Company:
    """The company's own site, on another port and so of another origin."""

    chat = ""

    async def page(self, request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": COMPANY_POLICY.replace("CHAT", self.chat)}
        return web.Response(
            text=COMPANY.replace("CHAT", self.chat), content_type="text/html", headers=headers
        )


@pytest.fixture
async def company() -> AsyncIterator[tuple[Company, str]]:
    company, app = Company(), web.Application()
    app.router.add_get("/", company.page)
    async with TestServer(app) as server:
        yield company, f"http://127.0.0.1:{server.port}"


@pytest.fixture
async def site(tmp_path: Path, company: tuple[Company, str]) -> AsyncIterator[Site]:
    chat = ChatSettings(
        title="Ask Example Ltd",
        privacy_url="https://www.example.com/privacy",
        origins=(company[1],),
        queues={"vip": "our care team"},
        default_queue="vip",
        call_backs=True,
        queries_per_address=1000,
    )
    site = await open_site(
        tmp_path, Settings(directory=str(tmp_path), chat=chat, dialling=DiallingSettings(regions=("DE",)))
    )
    company[0].chat = site.url
    yield site
    await site.stop()
    await site.store.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def tickets(site: Site) -> Tickets:
    return site.chat._tickets


async def ask(page: Page, site: Site, text: str = "I was charged twice and nobody answers.") -> str:
    await page.goto(f"{site.url}/chat")
    await page.get_by_label("How can we help you?").fill(text)
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Ask").click()
    await page.get_by_role("heading", name="Thank you").wait_for()
    return page.url.rpartition("/")[2]


async def test_every_page_at_two_widths_light_and_dark(site: Site, browser: Browser) -> None:
    for width, scheme in LOOKS:
        async with page_of(browser, width, scheme) as page:
            await page.goto(f"{site.url}/chat")
            await assert_accessible(page, f"question, {width}, {scheme}")
            await shot(page, f"ask-{width}-{scheme}")
            ticket_id = await ask(page, site)
            await assert_accessible(page, f"answer, {width}, {scheme}")
            await shot(page, f"answer-{width}-{scheme}")
            ticket = tickets(site).get(ticket_id, site.clock())
            assert ticket is not None
            for state in ("calling", "waiting", "talking", "ended", "failed"):
                ticket.state, ticket.since, ticket.number = state, site.clock(), "…456"
                await page.goto(f"{site.url}/chat/{ticket_id}")
                await assert_accessible(page, f"{state}, {width}, {scheme}")
                if state in ("calling", "failed"):
                    await shot(page, f"{state}-{width}-{scheme}")


async def test_the_calls_state_changes_on_the_page(site: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        ticket_id = await ask(page, site)
        ticket = tickets(site).get(ticket_id, site.clock())
        assert ticket is not None
        tickets(site).calling(ticket, "call-1", "…456", site.clock())
        await page.reload()
        status = page.get_by_role("status")
        assert "We are calling you at the number that ends with …456" in await status.inner_text()
        tickets(site).moved("call-1", "waiting", site.clock())
        await page.get_by_text("You are on the line.").wait_for()
        tickets(site).moved("call-1", "talking", site.clock())
        await page.get_by_text("You are talking with us.").wait_for()
        tickets(site).moved("call-1", "ended", site.clock())
        await page.get_by_text("The call is over.").wait_for()


async def test_the_chat_works_without_script(site: Site, browser: Browser) -> None:
    async with page_of(browser, java_script_enabled=False) as page:
        ticket_id = await ask(page, site)
        ticket = tickets(site).get(ticket_id, site.clock())
        assert ticket is not None
        tickets(site).calling(ticket, "call-1", "…456", site.clock())
        await page.goto(f"{site.url}/chat/{ticket_id}")
        assert await page.locator("meta[http-equiv=refresh]").count() == 1
        assert await page.context.cookies() == []


async def test_the_widget_in_the_page_of_another_origin(
    site: Site, company: tuple[Company, str], browser: Browser
) -> None:
    for width, scheme in LOOKS:
        async with page_of(browser, width, scheme) as page:
            await page.goto(company[1])
            button = page.get_by_role("button", name="Ask us")
            await assert_accessible(page, f"company, {width}, {scheme}")
            assert len(page.frames) == 1, "nothing is loaded before it is opened"
            await shot(page, f"widget-closed-{width}-{scheme}")
            # By keyboard: open, ask, close.
            await button.focus()
            await page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog", name="Ask Example Ltd")
            await dialog.wait_for()
            frame = page.frame_locator("iframe")
            await frame.get_by_label("How can we help you?").fill("Where is my car?")
            await assert_accessible(page, f"widget, {width}, {scheme}")
            await shot(page, f"widget-{width}-{scheme}")
            await frame.get_by_role("button", name="Ask").click()
            await frame.get_by_text("Your question goes to our care team.").wait_for()
            await shot(page, f"widget-answer-{width}-{scheme}")
            await frame.get_by_label("Your telephone number").press("Escape")
            await dialog.wait_for(state="hidden")
            assert (
                await page.evaluate("document.activeElement.shadowRoot.activeElement.textContent") == "Ask us"
            )
            # Opened again, the question is still there.
            await page.keyboard.press("Enter")
            assert await frame.get_by_text("Your question goes to our care team.").is_visible()
            await page.get_by_role("button", name="Close").click()
            await dialog.wait_for(state="hidden")
            assert await page.context.cookies() == []


async def test_the_focus_stays_in_the_open_widget(
    site: Site, company: tuple[Company, str], browser: Browser
) -> None:
    async with page_of(browser) as page:
        await page.goto(company[1])
        await page.get_by_role("button", name="Ask us").click()
        await page.frame_locator("iframe").get_by_role("button", name="Ask").wait_for()
        places = set()
        for _ in range(20):
            await page.keyboard.press("Tab")
            places.add(await page.evaluate("document.activeElement.tagName"))
        assert "A" not in places, "the page behind is out of reach"


async def test_a_site_that_is_not_named_may_not_frame_it(
    tmp_path: Path, company: tuple[Company, str], browser: Browser
) -> None:
    other = await open_site(tmp_path, Settings(directory=str(tmp_path), chat=ChatSettings()))
    company[0].chat = other.url
    context = await browser.new_context()
    page = await context.new_page()
    observed: list[str] = []
    page.on("console", lambda message: observed.append(message.text))
    await page.goto(company[1])
    await page.get_by_role("button", name="Ask us").click()
    await page.wait_for_function("document.querySelector('emocx-chat').shadowRoot.querySelector('iframe')")
    if not observed:
        await page.wait_for_event("console")
    assert any("frame-ancestors" in text for text in observed)
    await context.close()
    await other.stop()
    await other.store.close()

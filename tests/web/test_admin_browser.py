"""Administration in a real browser: widths, colours, axe, and the ways that administrators go."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from chromium import WIDTHS, assert_accessible, chromium, page_of
from playwright.async_api import Browser, Page, expect
from web.web_site import PASSWORD, TEST, Site, open_site

from emocx_pbx.check.finding import Finding
from emocx_pbx.deeds.users import new_link
from emocx_pbx.domain import Decision
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.settings.settings import RoutingSettings, Settings, WebhookSettings
from emocx_pbx.store.rows import FailedAttempt
from emocx_pbx.web.doctor import DOCTOR

SECRET = "whsec_" + "A" * 44
POLICY = '[[rules]]\nname = "a"\nemotion = ["angry"]\nqueue = "vip"\n'
PAGES = (
    "/account", "/admin", "/admin/users", "/admin/users/1", "/admin/tokens", "/admin/webhooks",
    "/admin/webhooks/crm", "/admin/webhooks/data%20warehouse?state=pending", "/admin/policy",
    "/admin/models", "/admin/check", "/admin/retention", "/admin/audit",
)  # fmt: skip


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = Settings(
        directory=str(tmp_path),
        routing=RoutingSettings(policy="policy.toml"),
        webhooks=(WebhookSettings(name="crm", url="https://crm.example/", secret=SECRET),),
    )
    site = await open_site(tmp_path, settings)
    site.clock.now = time.time()  # browsers hold cookies by their own clock
    yield site
    await site.stop()
    await site.store.close()


async def come_in(page: Page, site: Site) -> None:
    """The first administrator, by the link that the console shows."""
    await page.goto(site.url + await new_link(site.store.accounts, None, site.clock(), TEST))
    await page.get_by_label("Name").fill("root")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Type it again").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await page.wait_for_url("**/admin")


async def log_in(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/login?next=/admin")
    await page.get_by_label("Name").fill("root")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/admin")


async def something_to_see(site: Site) -> None:
    accounts, now = site.store.accounts, site.clock()
    site.health.set("asterisk", True, "")
    site.health.set("analysis", False, "models are loading")
    await site.user("root", "admin")
    await accounts.add_user("bob", "agent", "bob", None, TEST)
    await accounts.add_api_token("tok_1", "hash", "Grafana", ["metrics:read"], now + 86400, TEST)
    await site.store.receivers.add(
        WebhookSettings(name="data warehouse", url="https://dw.example/in", secret=SECRET), TEST
    )
    for n in range(3):
        await site.store.outbox.add_event("call.started", f"c{n}", {}, now - n)
    for delivery in await site.store.outbox.deliveries("crm"):
        await site.store.outbox.gave_up(
            delivery.delivery_id, FailedAttempt(now, 500, "HTTP 500; 10 attempts")
        )
    site.app[DOCTOR].at = now
    site.app[DOCTOR].findings = (
        Finding("ok", "disk", "20 GB free"),
        Finding("fail", "asterisk", "no login at 127.0.0.1:5038", "compare the secret"),
        Finding("warn", "policy", "monitor mode", "set routing.mode"),
    )


# Contrast hangs on the colours alone and layout on the width: two of the four pairs show both.
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_every_page(site: Site, browser: Browser, width: int, scheme: Literal["light", "dark"]) -> None:
    await something_to_see(site)
    async with page_of(browser, width, scheme) as page:
        await page.goto(f"{site.url}/login")
        await assert_accessible(page, "/login")
        await log_in(page, site)
        for path in PAGES:
            await page.goto(site.url + path)
            await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            await assert_accessible(page, path)


async def test_from_the_consoles_link_to_an_invited_agent(site: Site, browser: Browser) -> None:
    site.queues = {"care": QueueState(0, 0.0, 1, agents=frozenset({"bob"}))}
    async with page_of(browser) as page:
        await come_in(page, site)
        await page.get_by_role("link", name="Users").click()
        await page.get_by_label("Name").fill("bob")
        await page.get_by_label("Role").select_option("agent")
        await page.get_by_label("Agent").select_option("bob")
        await page.get_by_role("button", name="Add and make a link").click()
        link = await page.locator("#secret").inner_text()
    async with page_of(browser) as page:
        await page.goto(link)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("Type it again").fill(PASSWORD)
        await page.get_by_role("button", name="Set the password").click()
        await page.wait_for_url("**/agents/me")
        navigation = page.get_by_role("navigation", name="Main")
        await expect(navigation.get_by_role("link")).to_have_text(["Calls", "My calls"])


async def test_a_policy_is_tried_saved_and_asked_about_first(site: Site, browser: Browser) -> None:
    past = Decision("d1", site.clock(), "ok", "vip", "angry", 0.8, {"angry": 0.8, "neutral": 0.2})
    await site.store.decisions.record(past, None, None, None)
    async with page_of(browser) as page:
        await come_in(page, site)
        await page.goto(f"{site.url}/admin/policy")
        text = page.get_by_label("Rules (TOML)")
        await text.fill(POLICY.replace("vip", "support"))
        await page.get_by_role("button", name="Try on past queries").click()
        await expect(page.locator("#tried")).to_contain_text("One caller would be routed differently")
        page.once("dialog", lambda dialog: dialog.dismiss())
        await page.get_by_role("button", name="Save and use").click()
        assert site.policy.rules[0].queue == "vip"
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Save and use").click()
        await expect(page.get_by_role("status").first).to_contain_text("applies from now on")
        assert site.policy.rules[0].queue == "support"


async def test_colours_are_chosen_and_remembered(site: Site, browser: Browser) -> None:
    await something_to_see(site)
    async with page_of(browser, scheme="light") as page:
        await log_in(page, site)
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await page.evaluate(ground)
        button = page.get_by_role("button", name="Colours")
        await button.click()
        await button.click()
        await expect(button).to_contain_text("dark")
        assert await page.evaluate(ground) != light
        await page.goto(f"{site.url}/admin/audit")
        assert await page.evaluate(ground) != light
        await button.click()
        assert await page.evaluate(ground) == light


async def test_times_are_in_the_viewers_zone(site: Site, browser: Browser) -> None:
    await something_to_see(site)
    context = await browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = await context.new_page()
    await log_in(page, site)
    await page.goto(f"{site.url}/admin/audit")
    shown = page.locator("time[data-style=datetime]").first
    expected = await page.evaluate(
        "at => new Intl.DateTimeFormat('en-GB', {dateStyle: 'medium', timeStyle: 'medium',"
        " timeZone: 'Asia/Tokyo'}).format(new Date(at))",
        await shown.get_attribute("datetime"),
    )
    await expect(shown).to_have_text(expected)
    await context.close()


async def test_the_keyboard_skips_to_the_content(site: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        await page.goto(f"{site.url}/login")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Name")).to_be_focused()

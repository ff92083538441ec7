"""Review in a real browser: ten windows labelled blind by keyboard, then what the page of accuracy says."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chromium import WIDTHS, assert_accessible, chromium, page_of
from playwright.async_api import Browser, Page, expect
from web.reviewed import reviewed_site
from web.web_site import CHEAP, PASSWORD, TEST, Site

from emocx_pbx.store.account_rows import Actor, Role

ANN = Actor("ann", "127.0.0.1")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await reviewed_site(tmp_path, 12)
    yield site
    await site.stop()
    await site.store.close()


async def log_in(page: Page, site: Site, name: str, role: Role) -> None:
    if await site.store.accounts.user_named(name) is None:
        await site.store.accounts.add_user(name, role, None, CHEAP.hash(PASSWORD), TEST)
    await page.goto(f"{site.url}/login")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: "/login" not in url)


async def look(page: Page, name: str, width: int, scheme: str) -> None:
    """A picture for people, where one is asked for."""
    if folder := os.environ.get("EMOCX_TEST_IMAGES"):
        await page.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)


async def test_ten_windows_blind_by_keyboard_then_the_page(site: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        await log_in(page, site, "kim", "admin")
        await page.goto(f"{site.url}/admin/accuracy")
        await page.get_by_label("Random windows").fill("10")
        await page.get_by_label("Windows of doubt").fill("0")
        await page.get_by_label("Labelled by two people, %").fill("100")
        await page.get_by_role("button", name="Draw").click()
        await expect(page.get_by_text("The windows have been drawn.")).to_be_visible()
    # Ann is the second to hear them: kim labels by hand of the store, but one otherwise.
    for number, item in enumerate(await site.store.reviews.open("voice", "kim", None, 20)):
        label = ("angry", "neutral", "neutral")[number % 3] if number else "happy"
        await site.store.reviews.label(item, "kim", label, TEST)
    async with page_of(browser) as page:
        await log_in(page, site, "ann", "supervisor")
        await page.get_by_role("link", name="Review", exact=True).click()
        await expect(page.locator("#window")).to_have_js_property("readyState", 4)  # it can be played
        for number in range(10):
            await expect(page.locator("#progress")).to_contain_text(f"You have labelled {number}.")
            site.clock.now += 5
            await page.keyboard.press("133"[number % 3])
        await expect(page.get_by_text("Nothing to review now.")).to_be_visible()
        await page.get_by_role("link", name="Back to the last one").click()
        await expect(page.get_by_text("You said: Angry.")).to_be_visible()
        await page.keyboard.press("1")
        await expect(page.locator("#progress")).to_contain_text("You have labelled 10.")
    async with page_of(browser) as page:
        await log_in(page, site, "kim", "admin")
        await page.goto(f"{site.url}/admin/accuracy")
        await expect(page.get_by_text("From 10 labelled windows")).to_contain_text("2 people")
        kappa = page.locator(".figure", has_text="Kappa of two people")
        await expect(kappa).to_contain_text("0.8")
        await expect(kappa).to_contain_text(" to ")
        await expect(
            page.get_by_text("Two people gave the same label to 90 % of 10 windows.")
        ).to_be_visible()


async def test_single_keys_can_be_turned_off(site: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        await log_in(page, site, "kim", "admin")
        await page.goto(f"{site.url}/admin/accuracy?kind=text")
        await page.get_by_role("button", name="Draw").click()
        await page.goto(f"{site.url}/review?kind=text")
        await page.get_by_label("Shortcuts").uncheck()
        await page.locator("h1").click()
        await page.keyboard.press("1")
        await page.reload()
        await expect(page.get_by_label("Shortcuts")).not_to_be_checked()
        await expect(page.locator("#progress")).to_contain_text("You have labelled 0.")


async def test_the_pages_at_two_widths_light_and_dark(site: Site, browser: Browser) -> None:
    admin = Actor("kim", "127.0.0.1")
    async with page_of(browser) as page:
        await log_in(page, site, "kim", "admin")
        for kind in ("voice", "text"):
            await page.goto(f"{site.url}/admin/accuracy?kind={kind}")
            await page.get_by_role("button", name="Draw").click()
    labels = ("angry", "neutral", "unclear", "happy", "disappointed", "angry", "happy")
    for kind in ("voice", "text"):
        items = await site.store.reviews.open(kind, "kim", None, 100)  # type: ignore[arg-type]
        for number, item in enumerate(items[:-2]):
            await site.store.reviews.label(item, "kim", labels[number % 7], admin)
            if number % 3 == 0:
                await site.store.reviews.label(item, "ann", labels[(number + number // 6 % 2) % 7], ANN)
    training = await site.store.reviews.begin_training("voice", "service", 60.0, admin)
    outcome = {
        "model": "voice/6", "base": "voice/5", "learned": 410, "held_out": 96, "callers": 22,
        "why": "not better beyond chance: UAR +0.021, from -0.012 to +0.050",
    }  # fmt: skip
    await site.store.reviews.end_training(training, "kept", outcome, "read: 506 done\ndev: 80 done\n", admin)
    paths = {
        "review": "/review",
        "review-text": "/review?kind=text",
        "accuracy": "/admin/accuracy",
        "accuracy-text": "/admin/accuracy?kind=text",
    }
    for width, scheme in itertools.product(WIDTHS, ("light", "dark")):
        async with page_of(browser, width, scheme) as page:  # type: ignore[arg-type]
            await log_in(page, site, "kim", "admin")
            for name, path in paths.items():
                await page.goto(site.url + path)
                await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                await assert_accessible(page, f"{path} at {width} {scheme}")
                await look(page, name, width, scheme)

"""The pages in a real browser: widths, colours, axe, keyboard, the live view through a lost connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from a_day import AGENTS, Day
from chromium import WIDTHS, assert_accessible, chromium, page_of
from playwright.async_api import Browser, Page, expect
from web.live_calls import happens, talking, waiting
from web.web_site import CHEAP, PASSWORD, TEST, Site, open_site

from emocx_pbx.analysis.messages import TapStarted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.settings.settings import RecordingSettings, Settings, WebhookSettings
from emocx_pbx.store.account_rows import Role

HOOK = WebhookSettings(name="crm", url="http://127.0.0.1:9/", secret="whsec_" + "A" * 32)
ANGRY, CALM, HAPPY = (0.9, 0.04, 0.04, 0.02), (0.04, 0.9, 0.04, 0.02), (0.02, 0.04, 0.04, 0.9)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    settings = Settings(
        directory=str(tmp_path),
        webhooks=(HOOK,),
        recordings=RecordingSettings(path=f"{tmp_path}/calls/{{call_id}}.wav"),
    )
    site = await open_site(tmp_path, settings)
    yield site
    await site.stop()
    await site.store.close()


async def log_in(page: Page, site: Site, role: Role, agent: str | None = None) -> None:
    """A user of that role, by the login page."""
    if await site.store.accounts.user_named(role) is None:
        await site.store.accounts.add_user(role, role, agent, CHEAP.hash(PASSWORD), TEST)
    await page.goto(f"{site.url}/login")
    await page.get_by_label("Name").fill(role)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: "/login" not in url)


async def a_call(site: Site) -> str:
    day = Day(site.store, site.clock(), seed=3)
    return await day.call(
        site.clock() - 3600, arrived="angry", agents=(1, 0), minutes=4, abandoned=False, hold=True, alert=True
    )


def goes_on(site: Site, call_id: str, agent: str, came_at: float = 30.0) -> None:
    """A call on the live board whose customer talks with an agent."""
    board, now = site.board, site.clock()
    call = begun(site).get(call_id) or waits(site, call_id, now - came_at)
    talking(board, call, agent, now - came_at + 10)
    happens(board, call, now - came_at + 10, TapStarted("u", call_id, now - came_at + 10))


def waits(site: Site, call_id: str, at: float) -> CallState:
    """A call on the live board that has joined a queue."""
    call = begun(site)[call_id] = waiting(site.board, call_id, at)
    return call


def begun(site: Site) -> dict[str, CallState]:
    """The calls that this site's board was told of."""
    calls: dict[str, CallState] = site.__dict__.setdefault("begun", {})
    return calls


def hears(site: Site, call_id: str, t1: float, scores: tuple[float, float, float, float]) -> None:
    site.board.reading(begun(site)[call_id], Reading(t1 - 3, t1, 3.0, Scores(scores, 0.4), "voice/1"))


async def test_every_page_at_two_widths_light_and_dark(desk: Site, browser: Browser) -> None:
    await Day(desk.store, desk.clock(), seed=2).calls(25, days=5)
    call_id = await a_call(desk)
    goes_on(desk, "live.1", AGENTS[0])
    for t in range(3, 30, 3):
        hears(desk, "live.1", t, ANGRY)
    waits(desk, "live.2", desk.clock() - 20)
    desk.board.alert("live.1", "angry", "Signals of anger for 20 s of speech", desk.clock())
    paths = (
        "/live",
        "/calls",
        f"/calls/{call_id}?correct=2",
        "/agents",
        f"/agents/{quote(AGENTS[1])}",
        "/queues",
        "/benefit",
    )
    for width, scheme in itertools.product(WIDTHS, ("light", "dark")):
        async with page_of(browser, width, scheme) as page:  # type: ignore[arg-type]
            await log_in(page, desk, "admin")
            for path in paths:
                await page.goto(desk.url + path)
                if path == "/live":
                    await page.get_by_text("Up to date").wait_for()
                await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                await assert_accessible(page, f"{path} at {width} {scheme}")


async def test_empty_pages_are_whole_too(desk: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        for path in ("/live", "/calls", "/agents", "/queues?day=2020-01-01", "/benefit"):
            await page.goto(desk.url + path)
            await assert_accessible(page, path)


async def test_a_live_call_moves_on_the_screen(desk: Site, browser: Browser) -> None:
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await expect(page.locator("#connection")).to_have_text("Up to date")
        row = page.locator('tr[data-call="live.1"]')
        waits(desk, "live.1", desk.clock())
        await expect(page.locator("#waiting").locator(row)).to_contain_text("care", timeout=1000)
        goes_on(desk, "live.1", "Ann")
        await expect(page.locator("#talking").locator(row)).to_contain_text("Ann", timeout=1000)
        hears(desk, "live.1", 3, ANGRY)
        await expect(row.locator(".now-cell")).to_contain_text("Angry", timeout=1000)
        await expect(row.locator("[data-path=angry]")).to_have_attribute("d", "M39.1 10h.8v9.00h-.8z")
        for t in range(6, 24, 3):
            hears(desk, "live.1", t, HAPPY)
        await expect(row.locator(".now-cell")).to_contain_text("Happy", timeout=1000)
        await expect(row).to_contain_text("better")
        desk.board.alert("live.1", "angry", "Signals of anger", desk.clock())
        await expect(page.locator("#alerts")).to_contain_text("Signals of anger", timeout=1000)
        await expect(page.locator("#announcer")).to_contain_text("Alert: Signals of anger Ann")
        desk.board.alert_over("live.1", "angry", desk.clock())
        await expect(page.locator("#alerts-box")).to_be_hidden(timeout=1000)
        desk.board.ended(begun(desk)["live.1"], desk.clock(), "hangup", "answered")
        await expect(page.locator("#talking").locator(row)).to_have_count(0, timeout=1000)
        await expect(page.locator("#recent").locator(row)).to_contain_text("Ann")


async def test_calls_with_alerts_stand_on_top(desk: Site, browser: Browser) -> None:
    for n in range(4):
        goes_on(desk, f"live.{n}", f"Agent {n}", came_at=100.0 - n)
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        calls = page.locator("#talking tr")
        await expect(calls).to_have_count(4)
        desk.board.alert("live.2", "angry", "Signals of anger", desk.clock())
        await expect(calls.first).to_have_attribute("data-call", "live.2")
        await page.get_by_label("Queue").select_option("care")
        await expect(page.locator("#talking-count")).to_have_text("4")


async def test_a_lost_connection_is_said_and_made_up_for(desk: Site, browser: Browser) -> None:
    """The service goes away and comes back at the same address; what happened meanwhile is then shown."""
    goes_on(desk, "live.1", "Ann")
    context = await browser.new_context()
    page = await context.new_page()
    await log_in(page, desk, "admin")
    await expect(page.locator("#talking tr")).to_have_count(1)
    port = desk.server.port
    desk.live.stop()
    await desk.server.close()
    await expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=5000)
    await expect(page.locator("#live")).to_have_class("live stale")
    goes_on(desk, "live.2", "Bob")
    again = Site(desk.store, desk.settings, desk.clock, "another life", port)
    goes_on(again, "live.1", "Ann")
    goes_on(again, "live.2", "Bob")
    await again.server.start_server()
    await expect(page.locator("#connection")).to_have_text("Up to date", timeout=20000)
    await expect(page.locator("#talking tr")).to_have_count(2)
    await context.close()
    await again.stop()


async def test_a_contribution_lights_up_its_moments(desk: Site, browser: Browser) -> None:
    call_id = await a_call(desk)
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await page.goto(f"{desk.url}/calls/{call_id}")
        line = page.locator("#part-0").get_by_role("button", name="How it ended")
        await line.click()
        await expect(line).to_have_attribute("aria-pressed", "true")
        marks = await page.locator("#marks rect").count()
        assert marks >= 1
        await expect(page.locator("#readout")).to_contain_text("How it ended")
        lit = page.locator("#readings tr.lit")
        assert await lit.count() == len((await line.get_attribute("data-readings") or "").split(","))
        await expect(lit.first).to_contain_text("How it ended")
        other = page.locator("#part-1").get_by_role("button", name="Average of the signals")
        await other.click()
        await expect(line).to_have_attribute("aria-pressed", "false")
        await other.click()
        await expect(page.locator("#marks rect")).to_have_count(0)


async def test_a_call_that_goes_on_is_drawn_again_until_it_is_over(desk: Site, browser: Browser) -> None:
    day = Day(desk.store, desk.clock(), seed=3)
    call_id = await day.call(desk.clock() - 90, agents=(1,), minutes=1, abandoned=False, ended=False)
    known = len(await desk.store.readings.of_call(call_id))
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await page.goto(f"{desk.url}/calls/{call_id}")
        await expect(page.locator("#readings .count")).to_have_text(str(known))
        later = Reading(70.0, 73.0, 3.0, Scores(HAPPY, 0.4), "voice/1")
        await desk.store.readings.add(call_id, [later])
        await expect(page.locator("#readings .count")).to_have_text(str(known + 1), timeout=10_000)
        await expect(page.locator("#lanes g[data-reading]")).to_have_count(known + 1)
        await desk.store.calls.end(call_id, desk.clock(), "hangup")
        await expect(page.get_by_text("hung up")).to_be_visible(timeout=10_000)


async def test_the_timeline_is_read_by_keyboard(desk: Site, browser: Browser) -> None:
    call_id = await a_call(desk)
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await page.goto(f"{desk.url}/calls/{call_id}")
        slider = page.get_by_role("slider", name="Moments of the call")
        await slider.focus()
        await page.keyboard.press("ArrowRight")
        first = await slider.get_attribute("aria-valuetext") or ""
        assert "angry" in first and AGENTS[1] in first
        await page.keyboard.press("End")
        await page.keyboard.press("ArrowLeft")
        assert AGENTS[0] in (await slider.get_attribute("aria-valuetext") or "")
        await page.get_by_role("button", name="4×").click()
        ratio = await page.evaluate("lanes.offsetWidth / document.getElementById('lanes-scroll').clientWidth")
        assert round(ratio) == 4


async def test_a_reading_is_corrected_in_place(desk: Site, browser: Browser) -> None:
    call_id = await a_call(desk)
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await page.goto(f"{desk.url}/calls/{call_id}")
        await page.get_by_text("Readings as a table").click()
        await page.locator("#reading-4").get_by_role("link", name="Correct").click()
        form = page.locator("tr.form-row")
        await form.get_by_label("Reason").fill("He laughs")
        await form.get_by_role("combobox").select_option("happy")
        await form.get_by_role("button", name="Correct").click()
        await expect(page.locator("#reading-4")).to_contain_text("corrected to Happy by admin")


async def test_an_agent_finds_himself_and_disputes(desk: Site, browser: Browser) -> None:
    call_id = await a_call(desk)
    async with page_of(browser, 360) as page:
        await log_in(page, desk, "agent", AGENTS[1])
        await expect(page.get_by_role("heading", level=1)).to_have_text(AGENTS[1])
        await assert_accessible(page, "/agents/me")
        await page.get_by_role("link", name="Open").first.click()
        await page.wait_for_url(f"**/calls/{call_id}*")
        await page.get_by_text("Dispute this grade").click()
        await page.get_by_label("What is wrong with it?").fill("The line was bad")
        await page.get_by_role("button", name="Dispute").click()
        await expect(page.get_by_text("The dispute was recorded.")).to_be_visible()
        await assert_accessible(page, "the agent's call")


async def test_a_recording_plays_from_the_moment_chosen(desk: Site, browser: Browser, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    call_id = await a_call(desk)
    (tmp_path / "calls").mkdir()
    sound = (np.sin(np.arange(8000 * 240) / 5) * 3000).astype(np.int16)
    await asyncio.to_thread(soundfile.write, tmp_path / "calls" / f"{call_id}.wav", sound, 8000)
    async with page_of(browser) as page:
        await log_in(page, desk, "admin")
        await page.goto(f"{desk.url}/calls/{call_id}")
        await page.get_by_text("Readings as a table").click()
        button = page.locator("#reading-20 button")
        t0 = float(await button.get_attribute("data-seek") or "0")
        await button.click()
        begins = float(await page.locator("#player").get_attribute("data-begins") or "0")
        playing = "document.getElementById('player').currentTime"
        async with asyncio.timeout(10):
            while await page.evaluate(playing) < t0 - begins - 0.01:
                await page.wait_for_timeout(50)

"""What supervisors look at, in a browser, while real calls go through the real Asterisk and the real service.

With EMOCX_TEST_IMAGES=docs/images it also takes the README's pictures: four weeks of made-up calls stand
behind the agents' and the queues' page, and several customers call at once.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from a_day import Day
from chromium import WIDTHS, assert_accessible, chromium, page_of
from pbx_real.pbx_stubs import AmiProbe
from playwright.async_api import Browser, Page, expect

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers
from emocx_pbx.store.account_rows import Actor, Role
from emocx_pbx.store.database import Store
from emocx_pbx.web.identity.passwords import Passwords

IMAGES = os.environ.get("EMOCX_TEST_IMAGES", "")
PASSWORD = "calm and clear pages"
EVENTS = ("query.routed", "call.started", "call.graded", "grade.revised", "call.ended")
NUMBER = "+491234500"
ADMIN = "ada"


@dataclass(frozen=True)
class Followed:
    """A call that is over, and what the live page showed of it meanwhile."""

    service: ServiceProcess
    browser: Browser
    call_id: str
    agent: str
    shown: list[str]
    """Signals in the order in which they were on the screen."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(
    pbx: PrivateAsterisk, crm: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("pages")
    light = {} if IMAGES else {"analysis": {"transcriber": "off", "speech_model": "mlp"}}
    if IMAGES:
        store = await Store.open(folder / "emocx.db")
        await Day(store, time.time(), seed=4).calls(150, days=28)
        await Day(store, time.time(), seed=6, made=500).calls(90, days=2)
        await store.close()
    async with ServiceProcess(folder, pbx, [Hook(crm.url, crm.secret, EVENTS)], light) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def followed(
    pbx: PrivateAsterisk, watched: ServiceProcess, crm: Receiver, ul: dict[str, Path]
) -> AsyncIterator[Followed]:
    """A customer calls, talks and hangs up, while the administrator looks at the live page."""
    others = [CallPlan("route", q, f"crm-{n}", number=f"+49900{n}") for n, q in enumerate(QUERIES[1:] * 2)]
    plan = CallPlan("route", QUERIES[0], customer="crm-4711", number=NUMBER)
    plans = [*others, plan] if IMAGES else [plan]
    hold_s = 60 if IMAGES else 25
    async with chromium() as browser, AmiProbe().connected(pbx.ami_port, "demo", pbx.secret) as probe:
        async with page_of(browser) as page:
            await become_administrator(page, watched)
            await expect(page.locator("#connection")).to_have_text("Up to date")
            async with SippCustomers(pbx.sip_port, ul["customer"], plans, hold_s=hold_s, rate=1) as customers:
                call_id, shown = await _appears_and_changes(page, probe)
                await customers.wait(hold_s + 60)
            await expect(page.locator(f'#recent tr[data-call="{call_id}"]')).to_be_visible(timeout=20_000)
            await crm.wait(lambda: crm.of("call.ended", call_id), 30)
        agent: str = crm.of("call.graded", call_id)[0].data["agent"]
        yield Followed(watched, browser, call_id, agent, shown)


async def picture(page: Page, name: str) -> None:
    """One of the README's pictures, if they are wanted."""
    if IMAGES:
        await page.screenshot(path=Path(IMAGES) / f"{name}.png")


async def become_administrator(page: Page, service: ServiceProcess) -> None:
    """By the one-time link that the service prints when it has no users yet."""
    link = re.search(r"http://\S+/link/\S+", service.log())
    assert link
    await page.goto(link[0])
    await page.get_by_label("Name").fill(ADMIN)
    await page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    await page.get_by_label("Type it again").fill(PASSWORD)
    await page.get_by_role("button", name="Set the password").click()
    await page.wait_for_url("**/admin")
    await page.get_by_role("link", name="Live").click()


async def log_in(page: Page, service: ServiceProcess, name: str) -> None:
    await page.goto(f"{service.url}/login")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(lambda url: "/login" not in url)


async def add_user(service: ServiceProcess, name: str, role: Role, agent: str | None = None) -> None:
    store = await Store.open(service.directory / "emocx.db")
    try:
        hashed = await Passwords().hash(PASSWORD)
        await store.accounts.add_user(name, role, agent, hashed, Actor("test", ""))
    finally:
        await store.close()


@asynccontextmanager
async def page_as(followed: Followed, name: str) -> AsyncIterator[Page]:
    """A browser's window in which somebody is logged in."""
    async with page_of(followed.browser) as page:
        await log_in(page, followed.service, name)
        yield page


async def _appears_and_changes(page: Page, probe: AmiProbe) -> tuple[str, list[str]]:
    """The call appears within a second of joining its queue, and its signals change on the screen."""
    _, joined = await probe.event("QueueCallerJoin", 20, CallerIDNum=NUMBER)
    call_id = joined["Uniqueid"]
    row = page.locator(f'tr[data-call="{call_id}"]')
    await expect(row).to_be_visible(timeout=1000)
    await expect(row).to_contain_text("care")
    await expect(row.locator("[data-put=arrived]")).to_contain_text("Angry")
    await probe.event("AgentConnect", 20, CallerIDNum=NUMBER)
    await expect(page.locator("#talking").locator(row)).to_be_visible(timeout=1000)
    await expect(row.locator(".now-cell")).to_have_text(re.compile("No reading"))
    await expect(row.locator(".now-cell")).not_to_have_text(re.compile("No reading"), timeout=20_000)
    first = await row.locator(".now-cell").inner_text()
    await expect(row.locator(".now-cell")).not_to_have_text(first, timeout=20_000)
    if IMAGES:
        await expect(page.locator("#talking tr").nth(5)).to_be_visible(timeout=20_000)
        await page.wait_for_timeout(25_000)
        await picture(page, "live")
    return call_id, [first, await row.locator(".now-cell").inner_text()]


@pytest.mark.timeout(300)  # with the call itself
async def test_a_call_is_there_within_a_second_and_its_signals_change(
    followed: Followed,
) -> None:
    first, later = followed.shown
    assert first and later and first != later


async def test_a_line_of_the_grade_leads_to_its_moments_and_the_grade_is_disputed(
    followed: Followed, crm: Receiver
) -> None:
    call_id = followed.call_id
    async with page_as(followed, ADMIN) as page:
        await page.goto(f"{followed.service.url}/live")
        await page.locator(f'#recent tr[data-call="{call_id}"]').get_by_role("link").click()
        await page.wait_for_url(f"**/calls/{call_id}")
        await expect(page.get_by_role("heading", name=followed.agent)).to_be_visible()
        line = page.locator("#part-0").get_by_role("button", name="Average of the signals")
        await line.click()
        await expect(line).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#marks rect").first).to_be_attached()
        await page.evaluate("scrollTo(0, 0)")
        await picture(page, "call")
        await page.get_by_text("Dispute this grade").click()
        await page.get_by_label("What is wrong with it?").fill("The customer was calm at the end")
        await page.get_by_role("button", name="Dispute").click()
        await expect(page.get_by_text("The dispute was recorded.")).to_be_visible()
    await crm.wait(lambda: crm.of("grade.revised", call_id), 20)
    revised = crm.of("grade.revised", call_id)[0].data
    assert (revised["kind"], revised["author"]) == ("dispute", ADMIN)


async def test_a_webhook_is_sent_again_from_the_calls_page(followed: Followed, crm: Receiver) -> None:
    event = crm.of("call.graded", followed.call_id)[0]

    def times() -> int:
        return sum(delivery.id == event.id for delivery in crm.deliveries)

    assert times() == 1
    async with page_as(followed, ADMIN) as page:
        await page.goto(f"{followed.service.url}/calls/{followed.call_id}")
        row = page.locator("#deliveries tr", has_text="call.graded")
        await row.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("The event will be sent again.")).to_be_visible()
        await crm.wait(lambda: times() == 2, 20)


async def test_a_supervisor_may_grade_anew_and_neither_send_again_nor_see_users(followed: Followed) -> None:
    service = followed.service
    await add_user(service, "sue", "supervisor")
    async with page_as(followed, "sue") as page:
        await page.goto(f"{service.url}/calls/{followed.call_id}")
        await expect(page.get_by_text("Set another grade").first).to_be_visible()
        await expect(page.get_by_role("button", name="Send again")).to_have_count(0)
        assert (await _status(page, f"{service.url}/admin/users")) == 403


async def test_an_agent_sees_their_own_grades_alone_and_may_dispute_them(followed: Followed) -> None:
    service, call_id, agent = followed.service, followed.call_id, followed.agent
    await add_user(service, "own", "agent", agent)
    await add_user(service, "other", "agent", "Somebody else")
    async with page_as(followed, "own") as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text(agent)
        await page.goto(f"{service.url}/calls/{call_id}")
        await expect(page.get_by_text("Dispute this grade")).to_be_visible()
        await expect(page.get_by_text("Set another grade")).to_have_count(0)
        for path in ("/live", "/agents", "/queues", "/benefit", "/admin/users"):
            assert await _status(page, service.url + path) == 403, path
        assert await _status(page, f"{service.url}/agents/Somebody%20else") == 404
    async with page_as(followed, "other") as page:
        assert await _status(page, f"{service.url}/calls/{call_id}") == 404


async def _status(page: Page, url: str) -> int:
    """As the browser's user, but not shown: a refused page would be an error on its console."""
    return (await page.request.get(url, max_redirects=0)).status


@pytest.mark.timeout(400)  # every page four times
async def test_every_page_is_accessible_wide_and_narrow_light_and_dark(followed: Followed) -> None:
    service, call_id, agent = followed.service, followed.call_id, followed.agent
    paths = (
        "/live",
        "/calls",
        f"/calls/{call_id}",
        "/agents",
        f"/agents/{quote(agent)}",
        "/queues",
        "/benefit",
    )
    for width, scheme in itertools.product(WIDTHS, ("light", "dark")):
        async with page_of(followed.browser, width, scheme) as page:  # type: ignore[arg-type]
            await log_in(page, service, ADMIN)
            for path in paths:
                await page.goto(service.url + path)
                await assert_accessible(page, f"{path} at {width} {scheme}")
                if path in {"/agents", "/queues"} and (width, scheme) == (WIDTHS[0], "light") and IMAGES:
                    if path == "/queues":
                        await page.get_by_role("link", name="Day before").click()  # a whole day
                    await picture(page, path.strip("/"))

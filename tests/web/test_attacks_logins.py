"""Attacks on passwords, tokens and feeds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
from web.raw_http import TOKEN
from web.web_site import PASSWORD, TEST, Browser, Site, open_site

from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.web.identity.passwords import AT_ONCE, FOR_KNOWN, MAX_WAITING, token_hash
from emocx_pbx.web.identity.throttle import HERE, TOKENS
from emocx_pbx.web.v1.feeds import MOST_EACH

# 7: passwords, tokens and feeds.


async def tries(browser: Browser, name: str, number: int, password: str = "wrong wrong") -> list[int]:
    async def one() -> int:
        async with await browser.post("/login", name=name, password=password) as response:
            return response.status

    return list(await asyncio.gather(*(one() for _ in range(number))))


async def test_a_flood_of_logins_does_not_make_others_wait(site: Site) -> None:
    browser = site.browser()
    await browser.open("/login")
    statuses = await tries(browser, "ann", 40)
    assert statuses.count(401) <= HERE
    assert set(statuses) <= {401, 429, 503}


async def test_the_queue_of_passwords_is_bounded(site: Site) -> None:
    from emocx_pbx.web.identity.account import PASSWORDS

    passwords = site.app[PASSWORDS]
    waiting = [asyncio.ensure_future(passwords.matches(None, "x")) for _ in range(100)]
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(result is False for result in done) == AT_ONCE + MAX_WAITING
    known = [asyncio.ensure_future(passwords.matches(None, "x", known=True)) for _ in range(100)]
    done = await asyncio.gather(*known, return_exceptions=True)
    assert sum(result is False for result in done) == AT_ONCE + MAX_WAITING + FOR_KNOWN


async def test_nobody_locks_a_known_browser_out(tmp_path: Path) -> None:
    http = HttpSettings(behind_proxy=True)
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), http=http))
    try:
        await site.user("ann", "supervisor")
        hers = await log_in(site, "192.0.2.1", {})
        assert hers[0] == 303
        for place in range(12):  # everybody else's guesses
            for _ in range(HERE):
                await log_in(site, f"198.51.100.{place}", {}, "wrong wrong")
        assert (await log_in(site, "192.0.2.1", {}))[0] == 429  # a new browser has to wait
        assert (await log_in(site, "192.0.2.1", hers[1]))[0] == 303
        forged = {"__Host-emocx-known": "x." + "0" * 64}
        assert (await log_in(site, "192.0.2.1", forged))[0] == 429
        statuses = [(await log_in(site, "192.0.2.1", hers[1], "wrong wrong"))[0] for _ in range(HERE + 1)]
        assert statuses[-1] == 429  # and it is limited, too
    finally:
        await site.stop()
        await site.store.close()


async def log_in(
    site: Site, address: str, cookies: dict[str, str], password: str = PASSWORD
) -> tuple[int, dict[str, str]]:
    """Status, and the cookie by which the browser is known from then on."""
    from emocx_pbx.web.identity.sessions import form_token

    jar = {"__Host-emocx-form": "seed", **cookies}
    headers = {
        "X-Forwarded-For": address, "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()),
    }  # fmt: skip
    form = {"csrf": form_token("seed"), "name": "ann", "password": password}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        sent = http.post(site.url + "/login", data=form, headers=headers, allow_redirects=False)
        async with sent as response:
            known = response.cookies.get("__Host-emocx-known")
            return response.status, {"__Host-emocx-known": known.value} if known else {}


async def test_guessing_tokens_is_slowed_down_and_known_ones_pass(site: Site) -> None:
    await site.store.accounts.add_api_token("t1", token_hash(TOKEN), "crm", ["calls:read"], None, TEST)

    async def ask(http: aiohttp.ClientSession, token: str) -> int:
        sent = http.get(f"{site.url}/api/v1/calls", headers={"Authorization": f"Bearer {token}"})
        async with sent as response:
            return response.status

    async with aiohttp.ClientSession() as http:
        assert await ask(http, TOKEN) == 200
        assert [await ask(http, f"guess {n}") for n in range(TOKENS)] == [401] * TOKENS
        assert await ask(http, "another guess") == 429
        assert await ask(http, TOKEN) == 200


async def test_one_user_can_not_take_all_feeds_and_an_ended_session_has_none(site: Site) -> None:
    browser = await site.logged_in("supervisor")
    feeds: list[Any] = [await browser.get("/api/v1/live/events") for _ in range(MOST_EACH)]
    assert [feed.status for feed in feeds] == [200] * MOST_EACH
    async with await browser.get("/api/v1/live/events") as refused:
        assert refused.status == 429
    user = await site.store.accounts.user_named("supervisor")
    assert user is not None
    await site.store.accounts.end_sessions_of(user, TEST)
    begin = time.monotonic()
    async with asyncio.timeout(5):
        for feed in feeds:
            await feed.content.read()
            feed.close()
    assert time.monotonic() - begin < 3  # a second, and what a busy machine adds


async def test_a_revoked_token_loses_its_feed(site: Site) -> None:
    await site.store.accounts.add_api_token("t1", token_hash(TOKEN), "wall", ["live:read"], None, TEST)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        feed = await http.get(f"{site.url}/api/v1/live/events")
        assert feed.status == 200
        await site.store.accounts.revoke_api_token("t1", TEST)
        async with asyncio.timeout(5):
            await feed.content.read()
        feed.close()

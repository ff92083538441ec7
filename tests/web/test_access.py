"""Who may see what: every address by every role, forged changes, tokens, and the answers' headers."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from web.web_site import PASSWORD, TEST, Site, open_site

from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.store.account_rows import ROLES
from emocx_pbx.web.identity.access import Access, allow, scoped
from emocx_pbx.web.identity.passwords import token_hash
from emocx_pbx.web.identity.sessions import form_token

PATHS = {"user_id": "1", "token_id": "tok_1", "token": "x", "name": "app.css"}
FILLED = re.compile(r"\{(\w+)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


def marked(site: Site) -> list[tuple[str, str, Access]]:
    """Method, address and mark of every route."""
    found = []
    for route in site.app.router.routes():
        if route.method == "HEAD" or route.resource is None:
            continue
        mark = getattr(route.handler, "emocx_access", None)
        assert isinstance(mark, Access), f"{route.handler} has no mark: nobody may call it"
        found.append(
            (route.method, FILLED.sub(lambda m: PATHS.get(m[1], "x"), route.resource.canonical), mark)
        )
    assert len(found) > 30
    return found


async def test_every_address_answers_each_role_by_its_mark(site: Site) -> None:
    for role in (None, *ROLES):
        for method, path, mark in marked(site):
            if method != "GET" or "event" in path or "stream" in path:
                continue
            browser = await site.logged_in(role) if role else site.browser()
            async with await browser.get(path, headers={"Sec-Fetch-Site": "none"}) as response:
                status = response.status
                location = response.headers.get("Location", "")
            if path == "/metrics" and role in {None, "agent"}:
                assert status == 401  # a browser's page is not this machine
            elif mark.public or (role and role in mark.roles):
                assert status not in {401, 403}, (role, path, status)
                assert "/login" not in location or path == "/logout", (role, path)
            elif role:
                assert status == 403, (role, path, status)
            elif path.startswith("/api/") or path == "/metrics":
                assert status == 401, (path, status)
            else:
                assert (status, location.partition("?")[0]) == (303, "/login"), (path, status)


async def test_no_change_without_the_forms_token(site: Site) -> None:
    for method, path, mark in marked(site):
        if method not in {"POST", "PUT", "PATCH", "DELETE"} or not mark.csrf:
            continue
        role = next(iter(sorted(mark.roles)), None)
        browser = await site.logged_in(role) if role else site.browser()
        other = await site.logged_in("admin")
        for csrf, headers in (
            ("", {}),
            (other.csrf, {}),
            (browser.csrf, {"Sec-Fetch-Site": "cross-site"}),
            (browser.csrf, {"Sec-Fetch-Site": "same-site"}),
            (browser.csrf, {"Origin": "https://evil.example"}),
            (browser.csrf, {"Origin": "null"}),
        ):
            if role is None and csrf == browser.csrf:
                continue
            async with browser.http.request(
                method, site.url + path, data={"csrf": csrf}, headers=headers, allow_redirects=False
            ) as response:
                assert response.status == 403, (method, path, headers, response.status)


async def test_htmx_sends_the_token_as_a_header(site: Site) -> None:
    browser = await site.logged_in("agent")
    async with await browser.post("/logout", csrf="", headers={"X-CSRF-Token": browser.csrf}) as response:
        assert response.status == 303


async def test_pages_run_nothing_but_our_own_files(site: Site) -> None:
    admin, nobody = await site.logged_in("admin"), site.browser()
    for browser, path in (
        (admin, "/admin"),
        (nobody, "/login"),
        (nobody, "/none"),
        (nobody, "/api/v1/calls"),
    ):
        async with await browser.get(path) as response:
            policy = dict(
                part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";")
            )
            assert policy["default-src"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "same-origin"
            if not path.startswith("/api/"):  # there it is kept, and asked about by its ETag
                assert response.headers["Cache-Control"] == "no-store"
            assert "Strict-Transport-Security" not in response.headers


async def test_behind_tls_cookies_are_secure_and_browsers_stay_there(tmp_path: Path) -> None:
    http = HttpSettings(behind_proxy=True, public_url="https://pbx.example")
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), http=http))
    await site.user("ann", "supervisor")
    seed = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    via = {"X-Forwarded-For": "203.0.113.7"}
    async with seed.get(f"{site.url}/login", headers=via) as response:
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")
        cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-emocx-form=") and "Secure" in cookie and "HttpOnly" in cookie
    await seed.close()
    await site.stop()
    await site.store.close()


async def test_the_address_behind_a_proxy_is_the_one_the_proxy_saw(tmp_path: Path) -> None:
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), http=HttpSettings(behind_proxy=True)))
    await site.user("ann", "supervisor")
    headers = {"X-Forwarded-For": "10.9.9.9, 203.0.113.7", "Cookie": "__Host-emocx-form=seed"}
    form = {"name": "ann", "password": PASSWORD}
    browser = site.browser()
    async with await browser.post("/login", csrf=form_token("seed"), headers=headers, **form) as response:
        assert response.status == 303
    began = (await site.store.audit.rows(action="session."))[0]
    assert (began.actor, began.address) == ("ann", "203.0.113.7")
    await site.stop()
    await site.store.close()


async def test_a_token_opens_what_its_scopes_name(site: Site) -> None:
    for scope in ("calls:read", "queries:write"):
        await site.store.accounts.add_api_token(scope, token_hash(scope), scope, [scope], None, TEST)
    expired = site.clock.now + 10
    await site.store.accounts.add_api_token("old", token_hash("old"), "old", ["calls:read"], expired, TEST)
    browser = site.browser()

    async def status(token: str) -> int:
        bearer = {"Authorization": f"Bearer {token}"}
        async with await browser.get("/api/v1/calls", headers=bearer) as response:
            return response.status

    assert [await status(token) for token in ("calls:read", "queries:write", "old", "no", "")] == [
        200,
        403,
        200,
        401,
        401,
    ]
    site.clock.now += 10
    assert await status("old") == 401
    await site.store.accounts.revoke_api_token("calls:read", TEST)
    assert await status("calls:read") == 401
    bearer = {"Authorization": "Bearer queries:write"}
    async with await browser.get("/admin", headers=bearer) as response:
        assert response.status == 403


async def test_programs_of_this_machine_need_no_token_and_pages_of_others_get_nothing(site: Site) -> None:
    browser = site.browser()
    for headers, expected in (
        ({}, 200),
        ({"Origin": "https://evil.example"}, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Host": "evil.example"}, 401),
        ({"X-Forwarded-For": "203.0.113.7"}, 401),
    ):
        async with await browser.get("/api/v1/calls", headers=headers) as response:
            assert response.status == expected, headers


def test_a_handler_without_a_mark_is_nobodys() -> None:
    assert not Access().public and not Access().roles and not Access().scope

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    assert allow("agent")(handler) is handler
    with pytest.raises(ValueError, match="everything"):
        scoped("everything")


async def test_errors_tell_people_and_programs_each_in_their_way(site: Site) -> None:
    browser = await site.logged_in("agent")
    async with await browser.get("/none") as response:
        assert (response.status, response.content_type) == (404, "text/html")
        assert "There is no such page" in await response.text()
    async with await browser.get("/api/v1/none") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
    async with await browser.get("/admin", headers={"HX-Request": "true"}) as response:
        assert response.status == 403
        assert "<html" not in await response.text()
    async with await site.browser().get("/account", headers={"HX-Request": "true"}) as response:
        assert (response.status, response.headers["HX-Redirect"]) == (401, "/login")

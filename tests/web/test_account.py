"""Logging in and out, one-time links, and the account's own page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from web.web_site import PASSWORD, TEST, Site

from emocx_pbx.deeds.users import LINK_S, new_link
from emocx_pbx.web.identity.throttle import HERE, PLACE, WINDOW_S


async def test_name_and_password_become_a_session(site: Site) -> None:
    await site.user("ann", "supervisor")
    browser = site.browser()
    await browser.open("/login")
    async with await browser.post("/login", name="Ann", password=PASSWORD, next="/queues?day=1") as response:
        assert (response.status, response.headers["Location"]) == (303, "/queues?day=1")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert "ann" in await browser.open("/account")


async def test_only_paths_of_ours_are_gone_to_after_login(site: Site) -> None:
    await site.user("ann", "supervisor")
    for target in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        browser = site.browser()
        await browser.open("/login")
        async with await browser.post("/login", name="ann", password=PASSWORD, next=target) as response:
            assert response.headers["Location"] == "/live"


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(site: Site) -> None:
    await site.user("ann", "supervisor")
    answers = []
    for name in ("ann", "eve"):
        browser = site.browser()
        await browser.open("/login")
        async with await browser.post("/login", name=name, password="wrong wrong") as response:
            assert response.status == 401
            answers.append((await response.text()).replace(browser.csrf, "").replace(name, ""))
    assert answers[0] == answers[1]


async def test_guessing_is_slowed_down_and_the_owner_comes_in_later(site: Site) -> None:
    await site.user("ann", "supervisor")
    browser = site.browser()
    await browser.open("/login")
    for _ in range(HERE):
        async with await browser.post("/login", name="ann", password="wrong wrong") as response:
            assert response.status == 401
    async with await browser.post("/login", name="ANN", password=PASSWORD) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= WINDOW_S + 1
    site.clock.now += WINDOW_S
    async with await browser.post("/login", name="ann", password=PASSWORD) as response:
        assert response.status == 303


async def test_guessing_many_names_from_one_address_is_slowed_down(site: Site) -> None:
    browser = site.browser()
    await browser.open("/login")
    statuses = []
    for n in range(PLACE + 1):
        async with await browser.post("/login", name=f"user{n}", password="wrong wrong") as response:
            statuses.append(response.status)
    assert statuses == [401] * PLACE + [429]


async def test_the_session_changes_with_the_login_and_ends_with_logout(site: Site) -> None:
    await site.user("ann", "supervisor")
    browser = await site.logged_in("agent")
    old = browser.csrf
    await browser.open("/account")
    async with await browser.post("/login", name="ann", password=PASSWORD) as response:
        assert response.status == 303
    assert "ann" in await browser.open("/account")
    assert browser.csrf != old
    assert await site.store.accounts.sessions_of(1) != []
    async with await browser.post("/logout") as response:
        assert response.headers["Location"] == "/login"
    async with await browser.get("/account") as response:
        assert response.status == 303


async def test_a_session_ends_when_it_rests_and_when_it_is_old(site: Site) -> None:
    http = site.settings.http
    resting, busy = await site.logged_in("admin"), await site.logged_in("supervisor")
    for _ in range(int(http.session_max_s / (http.session_idle_s / 2)) - 1):
        site.clock.now += http.session_idle_s / 2
        await busy.open("/account")
    async with await resting.get("/account") as response:
        assert response.status == 303
    site.clock.now += http.session_idle_s / 2
    async with await busy.get("/account") as response:
        assert response.status == 303


async def test_a_disabled_user_is_out_at_once_and_stays_out(site: Site) -> None:
    await site.user("root", "admin")
    browser = await site.logged_in("supervisor")
    user = await site.store.accounts.user_named("supervisor")
    assert user
    await site.store.accounts.change_user(user.user_id, "supervisor", None, disabled=True, by=TEST)
    async with await browser.get("/account") as response:
        assert response.status == 303
    await browser.open("/login")
    async with await browser.post("/login", name="supervisor", password=PASSWORD) as response:
        assert response.status == 401


async def test_the_first_administrator_is_made_once(site: Site) -> None:
    path = await new_link(site.store.accounts, None, site.clock.now, TEST)
    first, second = site.browser(), site.browser()
    await first.open(path)
    await second.open(path)  # looking does not use it up
    async with await first.post(path, name="root", password=PASSWORD, again="another") as response:
        assert response.status == 422
        assert "differ" in await response.text()
    async with await first.post(path, name="root", password=PASSWORD, again=PASSWORD) as response:
        assert (response.status, response.headers["Location"]) == (303, "/admin")
    assert "Administrator" in await first.open("/account")
    async with await second.post(path, name="eve", password=PASSWORD, again=PASSWORD) as response:
        assert response.status == 410


async def test_a_link_expires(site: Site) -> None:
    path = await new_link(site.store.accounts, None, site.clock.now, TEST)
    site.clock.now += LINK_S
    async with await site.browser().get(path) as response:
        assert response.status == 410


async def test_a_link_sets_the_password_of_its_user_and_ends_his_sessions(site: Site) -> None:
    there = await site.logged_in("supervisor")
    user = await site.store.accounts.user_named("supervisor")
    path = await new_link(site.store.accounts, user, site.clock.now, TEST)
    browser = site.browser()
    await browser.open(path)
    async with await browser.post(path, password="short", again="short") as response:
        assert response.status == 422
    async with await browser.post(path, password="quite another one", again="quite another one") as response:
        assert response.headers["Location"] == "/live"
    async with await there.get("/account") as response:
        assert response.status == 303


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(site: Site) -> None:
    here, there = await site.logged_in("agent"), await site.logged_in("agent")
    new: dict[str, Any] = {"password": "quite another one", "again": "quite another one"}
    async with await here.post("/account/password", old="wrong wrong", **new) as response:
        assert response.status == 422
    async with await here.post("/account/password", old=PASSWORD, **new) as response:
        assert response.status == 303
    await here.open("/account")
    async with await there.get("/account") as response:
        assert response.status == 303


async def test_secrets_are_kept_as_hashes_alone(site: Site) -> None:
    path = await new_link(site.store.accounts, None, site.clock.now, TEST)
    browser = site.browser()
    await browser.open(path)
    await (await browser.post(path, name="root", password=PASSWORD, again=PASSWORD)).release()
    cookie = next(iter(browser.http.cookie_jar)).value
    await site.store._connection.checkpoint()
    kept = b"".join(p.read_bytes() for p in site_files(site))
    for secret in (PASSWORD, cookie, path.rpartition("/")[2]):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept


def site_files(site: Site) -> list[Path]:
    return list(Path(site.settings.directory).glob("emocx.db*"))

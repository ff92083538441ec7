"""The customers' page: forms that work without script and cookie, in the modes and frames that are set."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from web.web_site import Site, open_site

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.settings import Settings, load

CHAT = ChatSettings(
    title="Ask Example Ltd",
    privacy_url="https://www.example.com/privacy",
    privacy_text="How we treat your data",
    origins=("https://www.example.com",),
    queues={"vip": "our care team"},
    default_queue="vip",
    call_backs=True,
    queries_per_address=4,
)
ABROAD = DiallingSettings(regions=("DE",))
Open = Callable[[ChatSettings], Awaitable[Site]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    sites: list[Site] = []

    async def opening(chat: ChatSettings) -> Site:
        sites.append(await open_site(tmp_path, Settings(directory=str(tmp_path), chat=chat, dialling=ABROAD)))
        return sites[-1]

    yield opening
    for site in sites:
        await site.stop()
        await site.store.close()


async def sent(site: Site, path: str, **form: str) -> aiohttp.ClientResponse:
    """A plain form post, as a browser without script or cookies sends it."""
    return await site.browser().http.post(site.url + path, data=form, allow_redirects=False)


async def test_a_query_leads_to_an_answer_without_script_or_cookie(opened: Open) -> None:
    site = await opened(CHAT)
    browser = site.browser()
    async with await browser.get("/chat") as page:
        html = await page.text()
        assert page.status == 200 and "Set-Cookie" not in page.headers
    assert "Ask Example Ltd" in html and 'href="https://www.example.com/privacy"' in html
    assert "How we treat your data" in html
    async with await sent(site, "/chat", text="I was charged twice!", consent="yes") as answer:
        assert answer.status == 303 and "Set-Cookie" not in answer.headers
        where = answer.headers["Location"]
    assert re.fullmatch(r"/chat/[0-9a-f]{32}", where)
    html = await browser.open(where)
    assert "Your question goes to our care team." in html
    assert "We can&#39;t say how long the wait is at the moment." in html
    assert "not analysed" not in html
    assert not browser.http.cookie_jar


async def test_nothing_internal_is_shown(opened: Open) -> None:
    site = await opened(ChatSettings(default_queue="vip"))
    async with await sent(site, "/chat", text="I am angry", consent="yes") as answer:
        html = await site.browser().open(answer.headers["Location"])
    assert "Your question goes to the right team." in html
    for word in ("vip", "angry callers first", "0.9", "dec_", "policy", "EmoCX"):
        assert word not in html


async def test_without_consent_the_text_is_not_analysed(opened: Open) -> None:
    site = await opened(CHAT)
    async with await sent(site, "/chat", text="private matter") as answer:
        html = await site.browser().open(answer.headers["Location"])
    assert "As you asked, your text was not analysed." in html


async def test_a_free_agent_is_told_of(opened: Open) -> None:
    site = await opened(CHAT)
    site.queues = {"vip": site.queues["support"]}
    async with await sent(site, "/chat", text="hello", consent="yes") as answer:
        assert "Somebody is free right now." in await site.browser().open(answer.headers["Location"])


async def test_refusals_are_clear_and_keep_what_was_written(opened: Open) -> None:
    site = await opened(CHAT)
    async with await sent(site, "/chat", text=" ") as answer:
        assert answer.status == 422
        assert "Please write your question first." in await answer.text()
    async with await sent(site, "/chat", text="<b>long</b>" + "x" * 2000, consent="yes") as answer:
        html = await answer.text()
        assert answer.status == 422 and "&lt;b&gt;long&lt;/b&gt;" in html and " checked" in html
    async with await sent(site, "/chat", text="buy now", website="https://spam.example") as answer:
        assert answer.status == 422 and "hidden field" in await answer.text()
    for _ in range(4):
        async with await sent(site, "/chat", text="hello") as answer:
            assert answer.status == 303
    async with await sent(site, "/chat", text="a fifth time") as answer:
        html = await answer.text()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "600")
        assert "again in about 10 min." in html and "a fifth time" in html
    async with await sent(site, "/chat", text="x" * 300_000) as answer:
        assert answer.status == 413


async def test_asterisk_being_away_is_told_and_tried_again(opened: Open) -> None:
    site = await opened(CHAT)
    async with await sent(site, "/chat", text="hello", consent="yes") as answer:
        where = answer.headers["Location"]
    async with await sent(site, where, number="+49 30 123456") as answer:
        assert answer.status == 503 and "could not be made just now" in await answer.text()
    async with await sent(site, where, number="030 123456") as answer:
        html = await answer.text()
        assert answer.status == 422 and "with the country code" in html and 'value="030 123456"' in html
    async with await site.browser().get(where + "/state") as answer:
        assert await answer.json() == {"state": "failed"}


async def test_an_unknown_ticket_leads_back_to_the_question(opened: Open) -> None:
    site = await opened(CHAT)
    for path in ("/chat/" + "f" * 32, "/chat/" + "f" * 32 + "?embed=1"):
        async with await site.browser().get(path) as answer:
            assert answer.status == 404 and "no longer open" in await answer.text()
    async with await site.browser().get("/chat/" + "f" * 32 + "/state") as answer:
        assert answer.status == 404
    async with await site.browser().get("/chat/other") as answer:
        assert answer.status == 404


async def test_without_allowed_numbers_no_call_is_offered(opened: Open) -> None:
    site = await opened(ChatSettings(default_queue="vip"))
    async with await sent(site, "/chat", text="hello", consent="yes") as answer:
        where = answer.headers["Location"]
    assert 'name="number"' not in await site.browser().open(where)
    async with await sent(site, where, number="+4930123456") as answer:
        assert answer.status == 403 and "call back at the moment" in await answer.text()


async def test_only_named_sites_may_frame_it(opened: Open) -> None:
    site = await opened(CHAT)
    async with await site.browser().get("/chat?embed=1") as page:
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'self' https://www.example.com" in policy
        assert 'action="/chat?embed=1"' in await page.text()
    async with await sent(site, "/chat?embed=1", text="hello") as answer:
        assert answer.headers["Location"].endswith("?embed=1")
    async with await site.browser().get("/login") as page:
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_nobody_frames_it_unless_named(opened: Open) -> None:
    site = await opened(ChatSettings())
    async with await site.browser().get("/chat?embed=1") as page:
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_another_site_can_not_fill_it_in_for_a_visitor(opened: Open) -> None:
    site = await opened(CHAT)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await site.browser().http.post(
            site.url + "/chat", data={"text": "hello"}, headers=headers, allow_redirects=False
        )
        assert answer.status == 403


async def test_the_widgets_script_may_be_loaded_from_anywhere(opened: Open) -> None:
    site = await opened(CHAT)
    async with await site.browser().get("/chat/widget.js") as script:
        assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert script.headers["Cache-Control"] == "public, max-age=3600"
        assert "cookie" not in (await script.text()).replace("sets no cookie", "")


@pytest.mark.parametrize(
    ("mode", "address", "status"),
    [("off", "127.0.0.1", 404), ("local", "127.0.0.1", 200), ("local", "", 404), ("public", "", 200)],
)
async def test_the_chat_is_open_to_those_whom_the_setting_names(
    opened: Open, monkeypatch: pytest.MonkeyPatch, mode: str, address: str, status: int
) -> None:
    monkeypatch.setattr("emocx_pbx.web.identity.sessions.address_of", lambda request: address or "192.0.2.7")
    site = await opened(ChatSettings(mode=mode))  # type: ignore[arg-type]
    for path in ("/chat", "/chat/widget.js"):
        async with await site.browser().get(path) as answer:
            assert answer.status == status
    async with await sent(site, "/chat", text="hello") as answer:
        assert answer.status == (303 if status == 200 else 404)


def test_settings_that_can_not_be_are_refused(tmp_path: Path) -> None:
    for line, complaint in (
        ('origins = ["https://a.example/path"]', "chat.origins[0]: expected like https://www.example.com"),
        ('origins = ["*"]', "chat.origins[0]"),
        ('privacy_url = "javascript:alert(1)"', "chat.privacy_url"),
        ("call_backs = true", "chat.call_backs: needs dialling.country"),
        ('[dialling]\nprefixes = ["49"]', "dialling.prefixes"),
        ('[dialling]\ncountry = "Germany"', "dialling.country"),
        ('[dialling]\nregions = ["XX"]', "dialling.regions[0]: XX is no country's code"),
        (
            '[dialling]\nprefixes = ["+49900"]\nblocked = ["+49900"]',
            "dialling.prefixes[0]: +49900 is in dialling.blocked too",
        ),
    ):
        path = tmp_path / "emocx.toml"
        path.write_text(f"[chat]\n{line}\n")
        with pytest.raises(SettingsError) as caught:
            load(path, {})
        assert complaint in str(caught.value)

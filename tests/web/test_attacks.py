"""Attacks on the HTTP door, small and on loopback: each once froze, exhausted or fooled the service."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from web.web_site import PASSWORD, TEST, Browser, Site, open_site

from emocx_pbx.errors import OutcomeUnknown, PeerUnavailable
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.web import guards, listening
from emocx_pbx.web.identity.passwords import AT_ONCE, FOR_KNOWN, MAX_WAITING, token_hash
from emocx_pbx.web.identity.throttle import HERE, TOKENS
from emocx_pbx.web.listening import HttpServer
from emocx_pbx.web.v1.feeds import MOST_EACH

TOKEN = "a token of 24 characters"


async def said(url: str, request: bytes, wait_s: float = 5.0) -> bytes:
    """What the server answers to raw bytes, until it closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        async with asyncio.timeout(wait_s):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def post(path: str, body: bytes, *headers: str, length: bool = True) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# 1: codecs that the client chooses.


@pytest.mark.parametrize("path", ["/chat", "/login", "/link/x", "/api/v1/queries"])
@pytest.mark.parametrize("charset", ["punycode", "utf-7", "idna", "rot13", "utf_8_sig", '"punycode"'])
async def test_no_codec_but_utf8_is_taken_from_a_client(site: Site, path: str, charset: str) -> None:
    kind = f"Content-Type: application/x-www-form-urlencoded; charset={charset}"
    begin = time.perf_counter()
    assert status_of(await said(site.url, post(path, b"text=" + b"-a" * 15_000, kind))) == 415
    assert time.perf_counter() - begin < 2.0  # it took 11 s, during which nothing else ran


@pytest.mark.parametrize(
    "given", ["charset=utf-8; charset=punycode", "charset*0=puny; charset*1=code", "charset*=x''y"]
)
async def test_nor_by_another_spelling(site: Site, given: str) -> None:
    kind = f"Content-Type: application/x-www-form-urlencoded; {given}"
    assert status_of(await said(site.url, post("/chat", b"text=a", kind))) == 415


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/plain; charset=punycode\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b'Content-Disposition: form-data; name="text"; filename="x"\r\n',
    ],
)
async def test_nor_in_a_part_of_a_form(site: Site, head: bytes) -> None:
    body = b"--b\r\n" + head + b'Content-Disposition: form-data; name="text"\r\n\r\n-a\r\n--b--\r\n'
    kind = "Content-Type: multipart/form-data; boundary=b"
    cookie = "Cookie: emocx-form=seed"
    for path in ("/chat", "/login"):
        assert status_of(await said(site.url, post(path, body, kind, cookie))) == 415


async def test_a_form_in_parts_is_read_all_the_same(site: Site) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nmy invoice\r\n--b--\r\n'
    answer = await said(site.url, post("/chat", body, "Content-Type: multipart/form-data; boundary=b"))
    assert status_of(answer) == 303


# 2: bodies that unfold, never end or come slowly.


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_packed_bodies_are_refused_unread(site: Site, coding: str) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    kind = "Content-Type: application/json"
    answer = await said(site.url, post("/api/v1/queries", bomb, kind, f"Content-Encoding: {coding}"))
    assert status_of(answer) in {415, 0}  # 0: closed on what was not read


async def test_long_bodies_are_not_drained(site: Site) -> None:
    for path, length in (("/chat", 10**9), ("/login", guards.MAX_BODY_OF_NOBODY + 1), ("/nowhere", 10**9)):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
        assert status_of(await said(site.url, head + b"a=b")) in {404, 413}
    chunked = b"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    assert status_of(await said(site.url, chunked)) == 411


async def test_a_body_that_does_not_come_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_S", 0.05)
    head = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na"
    assert status_of(await said(site.url, head)) == 408


async def test_forms_of_many_fields_are_refused(site: Site) -> None:
    kind = "Content-Type: application/x-www-form-urlencoded"
    assert status_of(await said(site.url, post("/chat", b"a&" * 15_000, kind))) == 400


# 3: connections that say nothing.


@pytest.fixture
async def door(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpServer]:
    monkeypatch.setitem(listening.READING, "keepalive_timeout", 0.2)
    http = HttpSettings(port=0, connections_per_address=8)
    door = HttpServer(site.app, http, None, 12)
    await door.start()
    yield door
    await door.stop()


async def test_idle_connections_make_room(door: HttpServer) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(8)]
    slow[0][1].write(b"GET / HTTP/1.1\r\nHost: ")  # never ends its headers
    url = f"http://127.0.0.1:{door.port}"
    assert status_of(await said(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) == 0  # too many of us
    async with asyncio.timeout(5):
        for reader, writer in slow:
            assert await reader.read() == b""  # closed at its deadline
            writer.close()
    assert door.room.open == 0
    assert status_of(await said(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) == 200


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


# 8, 10, 11: who is speaking.


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[Site]:
    http = HttpSettings(behind_proxy=True, trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
    site = await open_site(
        tmp_path, Settings(directory=str(tmp_path), http=http, chat=ChatSettings(mode="local"))
    )
    yield site
    await site.stop()
    await site.store.close()


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (["127.0.0.1, 203.0.113.9"], 404),  # the client's own word first, then the proxy's
        (["127.0.0.1", "203.0.113.9"], 404),
        (["::1, 203.0.113.9, 10.1.2.3"], 404),
        (["203.0.113.9"], 404),
        (["127.0.0.1"], 200),  # a browser on this machine, by the proxy on this machine
        ([], 400),  # no header from a proxy: refused, not local
        ([""], 400),
        (["unknown"], 400),
        (["203.0.113.9, nonsense"], 400),
        (["[::ffff:203.0.113.9]:4711"], 404),
    ],
)
async def test_the_last_hop_that_is_not_ours_counts(proxied: Site, forwarded: list[str], status: int) -> None:
    lines = "".join(f"X-Forwarded-For: {one}\r\n" for one in forwarded)
    request = f"GET /chat HTTP/1.1\r\nHost: pbx\r\nConnection: close\r\n{lines}\r\n"
    assert status_of(await said(proxied.url, request.encode())) == status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8085\r\nSec-Fetch-Site: none\r\n", 200),
        ("GET /chat HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET /chat HTTP/1.0\r\nHost: 127.0.0.1\r\n", 404),  # nginx's bare proxy_pass
        ("GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n", 404),
        ("GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nVia: 1.1 x\r\n", 404),
        ("GET /chat HTTP/1.1\r\nHost: pbx.example\r\n", 404),  # a name that leads here for now
    ],
)
async def test_the_chat_of_this_machine_is_not_opened_by_a_proxy(
    site: Site, request_: str, status: int
) -> None:
    request = f"{request_}Connection: close\r\n\r\n"
    assert status_of(await said(site.url, request.encode())) == status


async def test_nor_by_one_that_trusted_proxies_do_not_name(tmp_path: Path) -> None:
    http = HttpSettings(behind_proxy=True, trusted_proxies=("10.0.0.5",))
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), http=http))
    request = (
        "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
    )
    assert status_of(await said(site.url, request.encode())) == 404
    await site.stop()
    await site.store.close()


@pytest.mark.parametrize(("failed", "again"), [(OutcomeUnknown("late"), 409), (PeerUnavailable("busy"), 200)])
async def test_what_may_still_be_done_is_not_asked_for_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch, failed: Exception, again: int
) -> None:
    async def fails(text: str, caller: Any) -> Any:
        raise failed

    async def ask() -> int:
        headers = {"Idempotency-Key": "k"}
        url = f"{site.url}/api/v1/queries"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, json={"text": "x"}, headers=headers) as got,
        ):
            return got.status

    with monkeypatch.context() as patched:
        patched.setattr(site.queries, "by_text", fails)
        assert await ask() == 503
    assert await ask() == again


async def test_no_token_opens_nothing_unless_it_is_said(tmp_path: Path) -> None:
    site = await open_site(tmp_path, Settings(directory=str(tmp_path)))
    async with aiohttp.ClientSession() as http, http.get(f"{site.url}/api/v1/calls") as response:
        assert response.status == 401
    await site.stop()
    await site.store.close()


@pytest.mark.parametrize(
    "request_",
    [
        "GET /api/v1/calls HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",  # nginx's bare proxy_pass
        "GET /api/v1/calls HTTP/1.1\r\nHost: pbx.example\r\nConnection: close\r\n\r\n",
        "GET /api/v1/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nVia: 1.1 x\r\n\r\n",
        "GET /api/v1/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: http://x\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    ],
)
async def test_a_proxy_that_nobody_told_of_is_not_this_machine(site: Site, request_: str) -> None:
    assert status_of(await said(site.url, request_.encode())) == 401


async def test_metrics_and_details_are_for_those_who_may(proxied: Site, site: Site) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    async with aiohttp.ClientSession() as http:
        for url, given in ((proxied.url, headers), (proxied.url, {})):
            async with http.get(f"{url}/metrics", headers=given) as response:
                assert response.status == 401 and response.headers["WWW-Authenticate"] == "Bearer"
            async with http.get(f"{url}/readyz", headers=given) as response:
                assert await response.json() == {"ready": False}
            async with http.get(f"{url}/healthz", headers=given) as response:
                assert response.status == 200
        async with http.get(f"{site.url}/readyz") as response:
            assert "components" in await response.json()
        await proxied.store.accounts.add_api_token("t1", token_hash(TOKEN), "p", ["metrics:read"], None, TEST)
        headers["Authorization"] = f"Bearer {TOKEN}"
        async with http.get(f"{proxied.url}/metrics", headers=headers) as response:
            assert response.status == 200


# 18: odd bytes are the client's fault.


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer \xff\xfe",
        "Cookie: emocx-session=\xff",
        "Cookie: emocx-form=\xff",
        "Origin: http://[",
        "Origin: http://\xff",
        "Host: [",
        "Last-Event-ID: \xff",
        "Content-Type: multipart/form-data; boundary=",
        "Content-Type: multipart/form-data",
        "Content-Type: multipart/form-data; boundary=\xff",
        "Content-Type: text",
        "Content-Type: \xff",
        "Content-Type: a/b; charset",
        "Idempotency-Key: \xff",
        "If-None-Match: \xff",
        "Range: bytes=" + "9" * 5000,
    ],
)
@pytest.mark.parametrize("path", ["/chat", "/login", "/api/v1/queries", "/account/password"])
async def test_odd_headers_are_answered_4xx(site: Site, header: str, path: str) -> None:
    answer = await said(site.url, post(path, b"a=b", header))
    assert 300 <= status_of(answer) < 500, answer[:200]
    assert site.metrics.value("http_errors") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/calls?cursor=" + "9" * 30, "/api/v1/calls?cursor=%ff", "/api/v1/calls?cursor=w4DDgA",
        "/api/v1/calls?cursor=k8t_8AAAAAAAAKFhAA", "/api/v1/calls?cursor=kwCgz_______________",
        "/api/v1/calls?limit=" + "9" * 30, "/api/v1/deliveries?before=" + "9" * 30,
        "/api/v1/calls/x/segments/" + "9" * 30 + "/grade", "/api/v1/calls?since=1e999",
        "/admin/audit?before=" + "9" * 30, "/admin/audit?before=%D9%A1", "/calls/x?correct=" + "9" * 5000,
        "/agents/me?after=1e999__1", "/agents/me?after=1_" + "9" * 5000 + "_a", "/agents/me?after=nan_1_a",
    ],
)  # fmt: skip
async def test_odd_numbers_are_answered_4xx(site: Site, path: str) -> None:
    for browser in (site.browser(), await site.logged_in("admin"), await site.logged_in("agent")):
        async with await browser.get(path) as response:
            assert response.status < 500, await response.text()
    assert site.metrics.value("http_errors") == 0


async def test_odd_places_in_the_feed_begin_anew(site: Site) -> None:
    browser = await site.logged_in("supervisor")
    for last in ("life-" + "9" * 30, "life-" + "9" * 5000, "life-%FF", "x" * 4000):
        async with await browser.get(f"/api/v1/live/events?last_event_id={last}") as response:
            assert response.status == 200
            assert (await response.content.readline()).startswith(b"retry:")


async def test_a_key_with_a_line_break_is_no_key(site: Site) -> None:
    body = {"text": "hello", "customer": "KD-1\n"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{site.url}/api/v1/queries", json=body) as response,
    ):
        assert response.status == 422

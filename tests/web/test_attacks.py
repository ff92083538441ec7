"""Attacks on the HTTP door, small and on loopback: each once froze, exhausted or fooled the service."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from web.raw_http import post, said, status_of
from web.web_site import Site

from emocx_pbx.settings.settings import HttpSettings
from emocx_pbx.web import guards, listening
from emocx_pbx.web.listening import HttpServer

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
async def test_another_spelling_of_the_codec_is_refused_too(site: Site, given: str) -> None:
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
async def test_a_codec_in_a_part_of_a_form_is_refused(site: Site, head: bytes) -> None:
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

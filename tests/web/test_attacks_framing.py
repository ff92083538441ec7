"""Attacks on how requests are framed, and how slowly they come and go: each connection ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from web.raw_http import said, status_of
from web.web_site import Site

from emocx_pbx.settings.settings import HttpSettings
from emocx_pbx.web import listening
from emocx_pbx.web.listening import HttpServer

HEAD = "POST /chat HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
async def door(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpServer]:
    """The site's app behind the real door, which waits a moment only."""
    monkeypatch.setitem(listening.READING, "keepalive_timeout", 0.5)
    door = HttpServer(site.app, HttpSettings(port=0), None, 12)
    await door.start()
    yield door
    await door.stop()


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        " folded: header\r\n",
        "no colon\r\n",
        "nul: \x00\r\n",
    ],
)
async def test_what_two_readers_may_read_in_two_ways_is_refused(
    door: HttpServer, site: Site, head: str, caplog: pytest.LogCaptureFixture
) -> None:
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    url = f"http://127.0.0.1:{door.port}"
    answer = await said(url, (HEAD + head + "\r\n").encode("latin-1") + smuggled)
    assert 400 <= status_of(answer) < 500
    assert answer.count(b"HTTP/1.") == 1, "what is behind it was taken for a request"
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "GET http://elsewhere.example/healthz HTTP/1.1",
        "GET //elsewhere.example/ HTTP/1.1",
        "GET /../../etc/passwd HTTP/1.1",
        "GET /static/..%2f..%2f..%2fetc/passwd HTTP/1.1",
        "GET /static/%00 HTTP/1.1",
        "GET /%ff%fe HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET / HTTP/9.9",
        "\x16\x03\x01\x02",
        "get / http/1.1",
    ],
)
async def test_odd_request_lines_are_no_way_anywhere(
    door: HttpServer, site: Site, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{door.port}"
    answer = await said(url, f"{line}\r\nHost: h\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert status_of(answer) < 500
    assert b"root:" not in answer and b"elsewhere.example" not in answer.split(b"\r\n\r\n")[0]
    assert site.metrics.value("http_errors") == 0
    assert "Traceback" not in caplog.text


async def test_a_chunk_without_end_does_not_hold_anybody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emocx_pbx.web.guards.BODY_S", 0.1)
    head = HEAD + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"
    assert status_of(await said(site.url, head.encode())) == 411
    half = HEAD + "Content-Length: 9\r\n\r\nab"
    assert status_of(await said(site.url, half.encode())) == 408


async def test_a_client_that_does_not_read_is_given_up(
    door: HttpServer, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "UNREAD_S", 0.2)
    sock = socket.create_connection(("127.0.0.1", door.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setblocking(False)
    # Answers of megabytes, of which nothing is read.
    ask = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n" * 200
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, ask)
    async with asyncio.timeout(10):
        while door.room.open:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    sock.close()


async def test_headers_that_come_a_byte_at_a_time_end(door: HttpServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    began = asyncio.get_running_loop().time()
    with pytest.raises((ConnectionError, TimeoutError)):
        writer.write(b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(20):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.01)
    assert asyncio.get_running_loop().time() - began < 10
    writer.close()

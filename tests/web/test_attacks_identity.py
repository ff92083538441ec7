"""Attacks on who is speaking: proxies, this machine, requests told twice, no token at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from web.raw_http import TOKEN, said, status_of
from web.web_site import TEST, Site, open_site

from emocx_pbx.errors import OutcomeUnknown, PeerUnavailable
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.web.identity.passwords import token_hash

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


async def test_a_proxy_that_is_not_trusted_names_no_client(tmp_path: Path) -> None:
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

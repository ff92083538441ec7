"""Every status that an endpoint answers by is in its document, whatever is wrong with a request.

All other tests of the site help: whoever stops it hears of an answer that no row of the table names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import aiohttp
import msgspec
import pytest
from web.v1_calls import client_of, tell
from web.web_site import UNDOCUMENTED, Site

from emocx_pbx.errors import StoreUnavailable
from emocx_pbx.web.v1.openapi import document
from emocx_pbx.web.v1.routes import ENDPOINTS
from emocx_pbx.web.v1.table import EVENTS, Endpoint

ENDLESS = [e for e in ENDPOINTS if e.answers.get(200) is not None and e.answers[200].media == EVENTS]
TRIED = [e for e in ENDPOINTS if e not in ENDLESS]

#: What is wrong with a request, for every endpoint alike.
WRONG: dict[str, dict[str, Any]] = {
    "no body": {},
    "another charset": {"data": b"x", "headers": {"Content-Type": "text/plain; charset=punycode"}},
    "packed": {"data": b"x", "headers": {"Content-Encoding": "gzip"}},
    "no JSON": {"data": b"{", "headers": {"Content-Type": "application/json"}},
    "another shape": {"json": {"no": "such field"}},
    "long": {"data": b"x" * 300_000},
    "an odd key": {"json": {}, "headers": {"Idempotency-Key": "a b"}},
}


def named_nobody(endpoint: Endpoint) -> dict[str, Any]:
    """A body that fits its type, and names in every field what is not there."""
    return {name: _nothing(kind) for name, kind in get_type_hints(endpoint.body).items()}


def _nothing(kind: Any) -> Any:
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return options[0]
    if kind in {str, int, float, bool}:
        return "nobody" if kind is str else kind(1)
    if kind is dict or get_origin(kind) is dict:
        return {}
    return _nothing(options[0])


async def asked(site: Site, http: aiohttp.ClientSession, endpoint: Endpoint, **options: Any) -> int:
    path = re.sub(r"\{segment\}", "0", endpoint.path)
    path = re.sub(r"\{\w+\}", "nobody", path)
    async with http.request(endpoint.method, site.url + path, **options) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("endpoint", TRIED, ids=lambda e: e.handler.__name__)
async def test_whatever_is_wrong_is_documented(site: Site, endpoint: Endpoint) -> None:
    await tell(site.store, 1)
    every, none = (await client_of(site)).headers, (await client_of(site, "metrics:read")).headers
    async with aiohttp.ClientSession() as http:
        for headers in (every, none, {}, {"Authorization": "Bearer no-such-token"}):
            for options in WRONG.values():
                more = {**headers, **dict(options.get("headers", {}))}
                await asked(site, http, endpoint, **{**options, "headers": more})
        await asked(site, http, endpoint, headers={**every, "X": "1"}, params={"no-such": "1", "limit": "0"})
    assert not UNDOCUMENTED


@pytest.mark.parametrize("endpoint", [e for e in TRIED if e.body], ids=lambda e: e.handler.__name__)
async def test_naming_what_is_not_there_is_documented(site: Site, endpoint: Endpoint) -> None:
    headers = (await client_of(site)).headers
    async with aiohttp.ClientSession() as http:
        whole = named_nobody(endpoint)
        msgspec.convert(whole, endpoint.body)
        # All of it, and all but each field: one wrong name must not hide the next.
        for body in (whole, *({k: v for k, v in whole.items() if k != name} for name in whole)):
            await asked(site, http, endpoint, json=body, headers=headers)
    assert not UNDOCUMENTED


async def test_a_store_that_takes_nothing_now_is_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*args: Any, **more: Any) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(site.store.outbox, "replay", full)
    await (await client_of(site)).post("/deliveries/replay", {"failed": True}, 503)


def test_refusals_of_an_endpoint_are_in_the_document() -> None:
    paths = document(ENDPOINTS)["paths"]
    assert {"404", "503"} <= set(paths["/api/v1/deliveries/replay"]["post"]["responses"])
    assert {"408", "413", "415"} <= set(paths["/api/v1/queries"]["post"]["responses"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_the_page_of_the_api_has_every_endpoint(endpoint: Endpoint) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"`{endpoint.method} {endpoint.path}`" in page

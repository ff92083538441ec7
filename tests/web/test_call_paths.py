"""A call's id with a slash in an address: as links write it, and as a proxy may have rewritten it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from emocx_pbx.web.call_paths import with_call_ids
from emocx_pbx.web.filters import path_part

ROUTES = ("/calls/{call_id}", "/calls/{call_id}/recording", "/calls/{call_id}/parts/{part}/override")


async def told(request: web.Request) -> web.Response:
    resource = request.match_info.route.resource
    assert resource is not None
    return web.json_response([resource.canonical, request.match_info["call_id"]])


@pytest.mark.parametrize(
    "call_id", ["1795.1", "berlin/1795.1", "berlin/pbxa-1795.12", "/sys/1.1", "c1", "a/emocx-call-5f"]
)
@pytest.mark.parametrize("route", ROUTES)
async def test_links_lead_to_their_call(call_id: str, route: str) -> None:
    assert await asked(route, quote(call_id, safe="")) == [route, call_id]
    assert path_part(call_id) == quote(call_id, safe="")


@pytest.mark.parametrize("call_id", ["1795.1", "berlin/1795.1", "berlin/pbxa-1795.12", "a/emocx-call-5f"])
@pytest.mark.parametrize("route", ROUTES)
async def test_paths_hold_through_a_proxy_that_decodes_the_slash(call_id: str, route: str) -> None:
    assert await asked(route, call_id) == [route, call_id]


async def test_no_other_page_is_taken_for_a_call() -> None:
    assert await asked(ROUTES[1], "c1") == [ROUTES[1], "c1"]
    assert await asked("/calls/{call_id}/readings.csv", "c1", *ROUTES) is None


async def asked(route: str, as_sent: str, *routes: str) -> list[str] | None:
    """What the route's handler is told; None: none was found."""
    app = web.Application()
    app.add_routes([web.get(with_call_ids(path), told) for path in routes or ROUTES])
    path = route.replace("{call_id}", as_sent).replace("{part}", "0")
    async with TestClient(TestServer(app)) as client:
        # As it is sent: aiohttp's client would normalise it otherwise.
        answer = await client.get(URL(path, encoded=True))
        return await answer.json() if answer.status == 200 else None

"""Names that version 1 of the API had before are taken and given beside today's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web.v1_calls import Client, client_of, tell
from web.web_site import Site, open_site

from emocx_pbx.settings.settings import Settings, WebhookSettings
from emocx_pbx.web.v1.openapi import document
from emocx_pbx.web.v1.routes import ENDPOINTS

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
PERIOD = "since=1789990000&until=1789999000"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), webhooks=(CRM,)))
    yield site
    await site.stop()
    await site.store.close()


@pytest.fixture
async def client(site: Site) -> Client:
    return await client_of(site)


async def test_filters_by_their_earlier_names(site: Site, client: Client) -> None:
    await tell(site.store, 1, agents=())
    await tell(site.store, 2)
    (call,) = (await client.get("/calls?came=angry&went=happy"))["calls"]
    assert call["call_id"].endswith(".2")
    problem = await client.get("/calls?came=angry&arrived_as=angry", 422)
    assert "came" in problem["detail"]
    assert (await client.get("/deliveries?endpoint=nobody"))["deliveries"] == []


async def test_answers_by_their_earlier_names(site: Site, client: Client) -> None:
    await tell(site.store, 1)
    (call,) = (await client.get("/calls"))["calls"]
    (grade,) = (await client.get("/grades"))["grades"]
    queue = next(q for q in (await client.get(f"/queues?{PERIOD}"))["queues"] if q["queue"] == "care")
    (agent,) = (await client.get(f"/agents?{PERIOD}"))["agents"]
    assert (call["came"], call["went"], grade["came"]) == ("angry", "happy", "angry")
    assert (
        (queue["came"], queue["went"])
        == (queue["arrived_as"], queue["left_as"])
        == ({"angry": 1}, {"happy": 1})
    )
    assert (agent["parts"], agent["by_came"]) == (agent["segments"], agent["by_arrival"])
    by_came = agent["by_came"][0]
    assert (by_came["came"], by_came["parts"]) == ("angry", by_came["graded"])
    for delivery in (await client.get("/deliveries"))["deliveries"]:
        assert delivery["endpoint"] == delivery["receiver"] == "crm"


def test_earlier_names_are_deprecated_in_the_document() -> None:
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("deprecated") and "name" in node:
                found.add(node["name"])
            for name, kind in node.get("properties", {}).items():
                if isinstance(kind, dict) and kind.get("deprecated"):
                    found.add(name)
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(document(ENDPOINTS))
    assert found == {"came", "went", "by_came", "endpoint", "parts"}

"""Pages and API of a site with several PBXes, over calls that have the same Uniqueid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web.web_site import Site, open_site

from emocx_pbx.domain import Grade, Segment
from emocx_pbx.settings.settings import AsteriskSettings, HttpSettings, Settings

IDS = ("berlin/1795.1", "vienna/1795.1")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    pbxes = tuple(AsteriskSettings(name=name) for name in ("berlin", "vienna"))
    settings = Settings(directory=str(tmp_path), pbxes=pbxes, http=HttpSettings(open_to_this_machine=True))
    site = await open_site(tmp_path, settings)
    for call_id in IDS:
        await site.store.calls.start(call_id, site.clock() - 60, None, None, "care", None)
    yield site
    await site.stop()
    await site.store.close()


async def test_a_call_of_the_list_leads_to_its_own_page(desk: Site) -> None:
    browser = await desk.logged_in("supervisor")
    listed = await browser.open("/calls")
    assert 'name="pbx"' in listed
    for call_id in IDS:
        address = f"/calls/{call_id.replace('/', '%2F')}"
        assert f'href="{address}"' in listed
        assert call_id in await browser.open(address)
    of_one = await browser.open("/calls?pbx=vienna")
    assert "vienna%2F1795.1" in of_one and "berlin%2F1795.1" not in of_one


async def test_a_program_asks_for_one_pbx(desk: Site) -> None:
    http = desk.browser().http
    async with http.get(f"{desk.url}/api/v1/calls", params={"pbx": "berlin"}) as answer:
        assert [(c["call_id"], c["pbx"]) for c in (await answer.json())["calls"]] == [
            ("berlin/1795.1", "berlin")
        ]
    for name, status in (("paris", 422), ("vienna", 200)):
        async with http.post(f"{desk.url}/api/v1/queries", json={"text": "hello", "pbx": name}) as answer:
            assert answer.status == status
            assert status == 200 or "berlin, vienna" in await answer.text()


async def test_an_agent_on_two_pbxes_is_one_agent(desk: Site) -> None:
    at = desk.clock() - 50
    for call_id, score in zip(IDS, (80.0, 60.0), strict=True):
        for agent in ("Ann", "Ben"):
            index = 0 if agent == "Ann" else 1
            part = Segment(
                call_id, index, agent, f"PJSIP/{agent}", "care", "queue", at, at + 30, "agent_hung_up"
            )
            await desk.store.calls.save_segment(part)
            await desk.store.grades.save(call_id, index, Grade(score, "B", score - 9, score + 9, 20.0))
    supervisor = await desk.logged_in("supervisor")
    assert (await supervisor.open("/agents")).count('href="/agents/Ann') == 1
    ann = await desk.logged_in("agent", "Ann")
    listed = await ann.open("/calls")
    of_vienna = await ann.open("/calls?pbx=vienna")
    for call_id in IDS:
        address = call_id.replace("/", "%2F")
        assert address in listed
        assert (address in of_vienna) == call_id.startswith("vienna")
        assert 'id="part-0"' in await ann.open(f"/calls/{address}")
    http = desk.browser().http
    async with http.get(f"{desk.url}/api/v1/grades", params={"agent": "Ann"}) as answer:
        grades = (await answer.json())["grades"]
    assert {(grade["pbx"], grade["agent"]) for grade in grades} == {("berlin", "Ann"), ("vienna", "Ann")}

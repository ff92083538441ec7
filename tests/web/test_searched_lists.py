"""Lists behind rare filters: what a page and the API say when the time of one request was not enough."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from a_day import Day
from web.web_site import Site, open_site

from emocx_pbx.settings.settings import Settings
from emocx_pbx.store import searching

CALLS, LOOKS = 5, 3


@pytest.fixture
async def hurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A site with five calls, which looks at two of them for each request."""
    monkeypatch.setattr(searching, "FIRST", 1)
    monkeypatch.setattr(searching, "BUDGET_S", -1.0)
    site = await open_site(tmp_path, Settings(directory=str(tmp_path)), tmp_path / "emocx.db")
    day = Day(site.store, site.clock(), seed=3)
    for hour in range(CALLS):
        at = site.clock() - 3600 * (1 + hour)
        await day.call(at, arrived="angry", agents=(1,), minutes=2, abandoned=False, hold=False, alert=False)
    yield site
    await site.stop()
    await site.store.close()


async def test_a_page_says_how_far_it_searched_and_leads_on_to_the_end(hurried: Site) -> None:
    browser = await hurried.logged_in("supervisor")
    html, looks = await browser.open("/calls?search=nobody"), 1
    while further := re.search(r'<a class="button" rel="next" href="([^"]+)">Search further back', html):
        assert "Searched back to" in html
        assert "No call so far fits these filters." in html
        html, looks = await browser.open(unescape(further[1])), looks + 1
    assert looks == LOOKS
    assert "No call fits these filters." in html
    assert "Searched back to" not in html


async def test_the_api_goes_on_where_a_search_stopped(hurried: Site) -> None:
    browser = await hurried.logged_in("supervisor")
    found, answers, path = 0, 0, "/api/v1/calls?arrived_as=angry&limit=2"
    cursor = ""
    while True:
        answer = await (await browser.get(path + cursor)).json()
        found, answers = found + len(answer["calls"]), answers + 1
        if answer["next"] is None:
            break
        cursor = f"&cursor={answer['next']}"
    assert (found, answers) == (CALLS, LOOKS)


async def test_a_download_holds_all_that_a_search_finds(hurried: Site) -> None:
    browser = await hurried.logged_in("supervisor")
    text = await (await browser.get("/calls.csv?arrived_as=angry")).text()
    assert len(text.splitlines()) == 1 + CALLS

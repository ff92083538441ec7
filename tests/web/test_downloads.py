"""Every list has a download: it opens in a spreadsheet, has a header line, and tells no secret."""

from __future__ import annotations

import csv
import re

import pytest
from web.v1_calls import BEGIN, tell
from web.web_site import TEST, Site

from emocx_pbx.domain import Segment
from emocx_pbx.settings.settings import WebhookSettings

#: Pages with a list, and how many lines the list has beside its header at least.
LISTS = {
    "/calls": 1,
    "/agents": 1,
    "/agents/bob": 1,
    "/queues": 1,
    "/admin/users": 2,
    "/admin/tokens": 0,
    "/admin/webhooks": 1,
    "/admin/webhooks/crm": 0,
    "/admin/models": 2,
    "/admin/audit": 1,
}


@pytest.mark.parametrize("page", LISTS)
async def test_a_list_has_a_download_of_what_it_shows(site: Site, page: str) -> None:
    await tell(site.store, 1)
    site.clock.now = BEGIN + 400
    admin = await site.logged_in("admin")
    await site.user("cora", "supervisor")
    receiver = WebhookSettings("crm", "https://crm.example/in?key=hidden", "whsec_" + "c2VjcmV0" * 4)
    await site.store.receivers.add(receiver, TEST)
    html = await admin.open(page)
    found = re.search(r'<a href="([^"]+)" download>', html)
    assert found, f"{page} has no download"
    async with await admin.get(found[1].replace("&amp;", "&")) as response:
        assert response.status == 200 and "attachment" in response.headers["Content-Disposition"]
        text = (await response.read()).decode("utf-8-sig")
    head, *rows = csv.reader(text.splitlines())
    assert len(rows) >= LISTS[page] and all(len(row) == len(head) for row in rows)
    assert not re.search(r"whsec_|hidden|argon2|\d{10}\.\d+,", text.replace(f"{BEGIN:.0f}.1,", ""))


async def test_who_transferred_to_whom_is_in_list_and_sheet(site: Site) -> None:
    call_id = await tell(site.store, 1, agents=("bob", "eve"))
    ended = (BEGIN + 110, BEGIN + 125, "attended_transfer", "eve")
    part = Segment(call_id, 0, "bob", "PJSIP/bob", "care", "queue", *ended)
    await site.store.calls.save_segment(part)
    admin = await site.logged_in("admin")
    assert "bob to eve" in await admin.open("/calls")
    for path in ("/calls.csv", "/api/v1/calls.csv", "/api/v1/calls"):
        async with await admin.get(path) as response:
            assert "bob to eve" in await response.text(), path
    eve = await site.logged_in("agent", "eve")
    async with await eve.get("/calls.csv") as response:
        assert "bob" not in await response.text()

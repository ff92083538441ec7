"""Administration of receivers: added, changed, switched, removed; failures shown and sent again."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web.administered import SECRET, open_administered, refused
from web.web_site import Browser, Site

from emocx_pbx.store.rows import FailedAttempt


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async for site in open_administered(tmp_path):
        yield site


@pytest.fixture
async def admin(site: Site) -> Browser:
    return await site.logged_in("admin")


async def test_a_receiver_is_added_changed_rotated_and_removed(site: Site, admin: Browser) -> None:
    form: dict[str, Any] = {
        "url": "https://dw.example/in",
        "timeout_s": "9",
        "events": ["call.graded", "nonsense"],
    }
    async with await admin.post("/admin/webhooks", name="data warehouse", **form) as response:
        first = re.search(r"whsec_[\w+/=]+", await response.text())
    receivers = site.store.receivers
    stored = receivers.find("data warehouse")
    assert first and stored and (stored.secret, stored.events) == (first[0], ("call.graded",))
    path = "/admin/webhooks/data%20warehouse"
    async with await admin.post(path, url="https://dw.example/2", timeout_s="5") as response:
        assert response.status == 303
    async with await admin.post(f"{path}/rotate", hours="1") as response:
        second = re.search(r"whsec_[\w+/=]+", await response.text())
    assert second
    now = {e.name: e for e in receivers.current()}["data warehouse"]
    assert (now.url, now.events, now.secret) == ("https://dw.example/2", (), f"{second[0]} {first[0]}")
    site.clock.now += 3600
    assert {e.name: e for e in receivers.current()}["data warehouse"].secret == second[0]
    page = await admin.open(path)
    assert first[0] not in page and second[0] not in page
    async with await admin.post(f"{path}/remove") as response:
        assert response.status == 303
    assert receivers.find("data warehouse") is None
    observed = json.dumps([row.after for row in await site.store.audit.rows()])
    assert "whsec_" not in observed


async def test_wrong_receivers_are_refused_in_plain_words(admin: Browser) -> None:
    form = {"timeout_s": "9", "name": "x"}
    assert "expected an address that begins with https:// or http://" in await refused(
        admin, "/admin/webhooks", url="ftp://x", **form
    )
    assert "there is a receiver crm already" in await refused(
        admin, "/admin/webhooks", url="https://x.example", timeout_s="9", name="crm"
    )
    assert "1 to 60" in await refused(
        admin, "/admin/webhooks", url="https://x.example", timeout_s="0", name="x"
    )


async def test_one_of_the_settings_is_shown_and_switched_but_not_changed(site: Site, admin: Browser) -> None:
    page = await admin.open("/admin/webhooks/crm")
    assert "settings file" in page and SECRET not in page
    assert "no receiver crm" in await refused(admin, "/admin/webhooks/crm/rotate", hours="1")
    async with await admin.post("/admin/webhooks/crm/switch", enabled="0") as response:
        assert response.status == 303
    assert await site.store.outbox.disabled() == {"crm": "switched off by admin"}
    async with await admin.post("/admin/webhooks/crm/switch", enabled="1") as response:
        assert response.status == 303
    assert await site.store.outbox.disabled() == {}
    async with await admin.post("/admin/webhooks/crm/test") as response:
        assert "HTTP 204" in await response.text()
    assert site.tested == ["crm"]


async def test_secrets_of_an_address_are_shown_nowhere(site: Site, admin: Browser) -> None:
    url = "https://ann:s3cret@dw.example/in?sig=abc%2Bdef&v=1"
    form: dict[str, Any] = {"timeout_s": "9", "events": ["call.graded"]}
    await admin.post("/admin/webhooks", name="dw", url=url, **form)
    page = await admin.open("/admin/webhooks/dw") + await admin.open("/admin/webhooks")
    shown = "https://ann:***@dw.example/in?sig=***&amp;v=***"
    assert shown in page and "s3cret" not in page and "abc%2Bdef" not in page
    # Saved as it is shown, it stays; changed in part, it can't be meant.
    async with await admin.post(
        "/admin/webhooks/dw", url=shown.replace("&amp;", "&"), timeout_s="5"
    ) as response:
        assert response.status == 303
    stored = site.store.receivers.find("dw")
    assert stored and (stored.url, stored.timeout_s) == (url, 5.0)
    assert "Write the whole address" in await refused(
        admin, "/admin/webhooks/dw", url="https://ann:***@other.example/in", timeout_s="5"
    )
    observed = json.dumps([[row.before, row.after] for row in await site.store.audit.rows()])
    assert "s3cret" not in observed and "abc" not in observed


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", "größe ü", "x" * 64, "100%", "a?b#c", "=YQ", "<script>", "\\"]
)
async def test_a_receiver_of_any_name_can_be_seen_and_removed(site: Site, admin: Browser, name: str) -> None:
    async with await admin.post(
        "/admin/webhooks", name=name, url="https://x.example/", timeout_s="9"
    ) as response:
        assert response.status == 200
    page = await admin.open("/admin/webhooks")
    paths = [p for p in re.findall(r'href="(/admin/webhooks/[^"]+)"', page) if not p.endswith("/crm")]
    assert len(paths) == 1
    assert "x.example" in await admin.open(paths[0])
    async with await admin.post(f"{paths[0]}/remove") as response:
        assert response.status == 303
    assert site.store.receivers.find(name) is None


async def test_no_other_address_is_a_receivers(admin: Browser) -> None:
    for key in ("nobody", "=", "=%C3%BC", "=a"):
        async with await admin.get(f"/admin/webhooks/{key}") as response:
            assert response.status == 404


async def test_a_refusals_words_are_shown_as_text(site: Site, admin: Browser) -> None:
    await site.store.outbox.add_event("call.started", "c1", {}, 1.0)
    (delivery,) = await site.store.outbox.deliveries("crm")
    await site.store.outbox.gave_up(
        delivery.delivery_id, FailedAttempt(2.0, 422, "HTTP 422", "<b>no such field</b>")
    )
    assert "&lt;b&gt;no such field&lt;/b&gt;" in await admin.open("/admin/webhooks/crm")


async def test_failures_are_listed_and_sent_again(site: Site, admin: Browser) -> None:
    for n, at in enumerate((100.0, 200.0, 300.0)):
        await site.store.outbox.add_event("call.started", f"c{n}", {}, at)
    for delivery in await site.store.outbox.deliveries("crm"):
        await site.store.outbox.gave_up(
            delivery.delivery_id, FailedAttempt(400.0, 500, "HTTP 500; 10 attempts")
        )
    page = await admin.open("/admin/webhooks/crm")
    assert page.count("HTTP 500; 10 attempts") == 3
    event = re.search(r'name="event" value="([^"]+)"', page)
    assert event
    async with await admin.post("/admin/webhooks/crm/replay", event=event[1]) as response:
        assert "One delivery is on its way" in await response.text()
    async with await admin.post(
        "/admin/webhooks/crm/replay", since="1970-01-01T00:01", until="1970-01-01T00:04", which="failed"
    ) as response:
        assert "2 deliveries are on their way" in await response.text()
    assert len(await site.store.outbox.deliveries("crm", "pending")) == 3
    assert "expected a time" in await refused(admin, "/admin/webhooks/crm/replay", since="soon")

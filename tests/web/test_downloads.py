"""Every list has a download: it opens in a spreadsheet, has a header line, and tells no secret."""

from __future__ import annotations

import csv
import re
from datetime import datetime
from pathlib import Path

from web.live_calls import talking, waiting
from web.v1_calls import BEGIN, tell
from web.web_site import TEST, Site

from emocx_pbx.domain import Decision, Segment
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.web import render
from emocx_pbx.web.admin.shared import SHEETS
from emocx_pbx.web.identity.passwords import new_token, token_hash

#: Downloads of pages, and how many lines each has beside its header at least.
LINES = {
    "/calls.csv": 1,
    "/live.csv": 1,
    "/benefit.csv": 4,
    "/account/sessions.csv": 1,
    f"/calls/{BEGIN:.0f}.1/readings.csv": 3,
    f"/calls/{BEGIN:.0f}.1/lines.csv": 1,
    "/agents.csv": 1,
    "/grades.csv": 1,
    "/queues.csv": 1,
    "/admin/parts.csv": 1,
    "/admin/users.csv": 2,
    "/admin/webhooks.csv": 1,
    "/admin/models.csv": 2,
    "/admin/audit.csv": 1,
}
#: What stands for the variable parts of pages' addresses.
EXAMPLES = {"agent": "bob", "call_id": f"{BEGIN:.0f}.1", "user_id": "1", "key": "crm"}
#: Pages that show no list, but things to read, do or hear; the API and files are no pages.
_NO_PAGES = re.compile(r"/api/|/static/|/metrics|/healthz|/readyz|\.csv$|/link/|/chat|/recording|/correct$")


async def filled(site: Site) -> None:
    """Something in each list."""
    await tell(site.store, 1)
    site.clock.now = BEGIN + 400
    await site.user("cora", "supervisor")
    receiver = WebhookSettings("crm", "https://crm.example/in?key=hidden", "whsec_" + "c2VjcmV0" * 4)
    await site.store.receivers.add(receiver, TEST)
    await site.store.decisions.record(
        Decision("dec_2", BEGIN, "ok", "care", "angry", 0.9, {"angry": 0.9}, "bill"), None, None, "text"
    )
    site.health.set("asterisk", up=False, why="=cmd|'/c calc'!A1")
    talking(site.board, waiting(site.board, "live-1", BEGIN), "bob", BEGIN + 5)


def pages(site: Site) -> list[str]:
    """The address of every page, the variable parts filled in."""
    shown = []
    for route in site.app.router.routes():
        address = route.resource.canonical if route.resource and route.method == "GET" else "/api/"
        if not _NO_PAGES.search(address):
            shown.append(re.sub(r"\{(\w+)[^{}]*\}", lambda part: EXAMPLES[part[1]], address))
    return shown


async def test_every_page_with_a_table_has_a_download_that_opens_in_a_spreadsheet(site: Site) -> None:
    await filled(site)
    admin = await site.logged_in("admin")
    lines: dict[str, int] = {}
    without = []
    for page in pages(site):
        async with await admin.get(page) as response:
            html = await response.text()
        links = re.findall(r'<a href="([^"]+)" download>', html)
        if "<table" in html and not links:
            without.append(page)
        for link in links:
            async with await admin.get(link.replace("&amp;", "&")) as response:
                assert response.status == 200, link
                assert "attachment" in response.headers["Content-Disposition"], link
                raw = await response.read()
            assert raw.startswith(b"\xef\xbb\xbf"), link
            text = raw.decode("utf-8-sig")
            head, *rows = csv.reader(text.splitlines())
            assert all(len(row) == len(head) for row in rows), link
            plain = text.replace(f"{BEGIN:.0f}.1,", "")
            assert not re.search(r"whsec_|hidden|argon2|\d{10}\.\d+,", plain), link
            assert not re.search(r"(^|,)\"?[=@]", text, re.MULTILINE), link
            at = [i for i, name in enumerate(head) if name.endswith("_at")]
            times = [row[i] for row in rows for i in at if row[i]]
            assert all(datetime.fromisoformat(time).tzinfo for time in times), link
            lines[link.partition("?")[0]] = len(rows)
    assert not without, "a page with a list lacks its download: an <a ... download> to a CSV of the same"
    assert {name: lines.get(name, -1) for name in LINES if lines.get(name, -1) < LINES[name]} == {}


def test_every_template_with_a_table_has_a_download_of_it() -> None:
    """One that is shown on a page beside others can't hide behind their links."""
    folder = Path(render.__file__).parent / "templates"
    shown = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.html")
        if "<table" in (text := path.read_text()) and not re.search(r" download>|\{\{ sheet", text)
    }
    # The frame of the administration has the links of these...
    in_frame = {f"admin/{name}.html" for name in SHEETS}
    # ... the page of the audit log that of this, and a policy's trial is downloaded by its form.
    assert shown <= {*in_frame, "admin/_audit_rows.html", "admin/policy.html"}


async def test_a_list_has_its_header_line_when_it_is_empty(site: Site) -> None:
    call_id = await tell(site.store, 1, agents=())
    admin = await site.logged_in("admin")
    for path in ("/live.csv", *(f"/calls/{call_id}/{name}.csv" for name in ("readings", "words", "lines"))):
        async with await admin.get(path) as response:
            assert len((await response.read()).decode("utf-8-sig").splitlines()) == 1, path


async def test_lists_of_a_call_are_for_those_who_see_the_page(site: Site) -> None:
    call_id = await tell(site.store, 1, agents=("bob", "eve"))
    bob, ann = await site.logged_in("agent", "bob"), await site.logged_in("agent", "ann")
    for name in ("readings", "words", "lines"):
        async with await ann.get(f"/calls/{call_id}/{name}.csv") as response:
            assert response.status == 404, name
        async with await bob.get(f"/calls/{call_id}/{name}.csv") as response:
            assert response.status == 200 and "eve" not in await response.text(), name
    for browser in (bob, ann):
        for path in (f"/calls/{call_id}/deliveries.csv", "/live.csv", "/benefit.csv"):
            async with await browser.get(path) as response:
                assert response.status == 403, path


async def test_live_calls_of_others_queues_are_in_no_download(site: Site) -> None:
    talking(site.board, waiting(site.board, "live-1", BEGIN), "bob", BEGIN + 5)
    waiting(site.board, "live-2", BEGIN, "sales")
    user = await site.store.accounts.add_user("cora", "supervisor", None, None, TEST, ("sales",))
    cookie = new_token()
    await site.store.accounts.add_session(token_hash(cookie), user, "127.0.0.1", "test", TEST)
    cora = site.browser(cookie)
    async with await cora.get("/live.csv") as response:
        text = await response.text()
    assert "live-2" in text and "live-1" not in text


async def test_a_policys_trial_is_downloaded_by_its_form(site: Site) -> None:
    await filled(site)
    admin = await site.logged_in("admin")
    await admin.open("/admin/policy")
    text = '[[rules]]\nname = "upset"\nemotion = ["angry"]\nqueue = "vip"\n'
    async with await admin.post("/admin/policy", do="sheet", text=text, based_on="") as response:
        head, *rows = csv.reader((await response.read()).decode("utf-8-sig").splitlines())
    assert head[0] == "decision_at" and [row[head.index("queue_then")] for row in rows] == ["vip"]


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

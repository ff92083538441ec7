"""The pages about calls over a real store: what they show, to whom, and what people may do on them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from a_day import AGENTS, Day
from web.web_site import Site, open_site

from emocx_pbx.settings.settings import RecordingSettings, Settings, WebhookSettings

HOOK = WebhookSettings(name="crm", url="http://127.0.0.1:9/", secret="whsec_" + "A" * 32)
PAGES = ("/live", "/calls", "/agents", "/queues", "/benefit")
BEN, AMIRA = AGENTS[1], AGENTS[0]


@pytest.fixture
async def desk(tmp_path: Path, place: Path | str) -> AsyncIterator[Site]:
    """A site with a receiver, recordings, and one long call: Ben hands an angry customer over to Amira."""
    (tmp_path / "recordings").mkdir()
    settings = Settings(
        directory=str(tmp_path),
        webhooks=(HOOK,),
        recordings=RecordingSettings(path=f"{tmp_path}/recordings/{{year}}-*-{{call_id}}.wav"),
    )
    site = await open_site(tmp_path, settings, place)
    yield site
    await site.stop()
    await site.store.close()


async def one_call(site: Site) -> str:
    day = Day(site.store, site.clock(), seed=3)
    return await day.call(
        site.clock() - 3600, arrived="angry", agents=(1, 0), minutes=5, abandoned=False, hold=True, alert=True
    )


async def test_every_page_has_an_empty_state(desk: Site) -> None:
    browser = await desk.logged_in("supervisor")
    for path, words in (
        ("/live", "Nobody is talking"),
        ("/calls", "There are no calls yet"),
        ("/agents", "No grades in this period"),
        ("/benefit", "too early to say"),
        ("/queues?day=2020-01-01", "No calls on this day"),
    ):
        assert words in await browser.open(path), path
    agent = await desk.logged_in("agent", "Nobody Yet")
    assert "No grades in this period yet" in await agent.open("/agents/me")


async def test_a_call_tells_its_whole_story(desk: Site) -> None:
    call_id = await one_call(desk)
    html = await (await desk.logged_in("supervisor")).open(f"/calls/{call_id}")
    for words in (
        BEN, AMIRA, "on hold", "Signals of anger for 20 s of speech", "rule &#34;angry callers&#34; fired",
        "call.graded", "Average of the signals", "likely between",
    ):  # fmt: skip
        assert words in html, words
    assert "Send again" not in html  # that is the administrator's
    marks = re.findall(r'data-marks="([^"]+)"', html)
    assert marks
    for mark in ",".join(marks).split(","):
        x, width = map(float, mark.split(":"))
        assert 0 <= x <= 100 and 0 <= width <= 100


async def test_lists_find_what_is_asked_for_and_lead_on(desk: Site) -> None:
    day = Day(desk.store, desk.clock(), seed=5)
    for n in range(53):
        await day.call(desk.clock() - 1000 * (n + 1), arrived="happy", abandoned=True)
    call_id = await one_call(desk)
    browser = await desk.logged_in("admin")
    first = await browser.open("/calls")
    assert first.count('href="/calls/') == 50
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = await browser.open(older[1].replace("&amp;", "&"))
    assert second.count('href="/calls/') == 4
    found = await browser.open("/calls?arrived_as=angry&only=alert")
    assert found.count('href="/calls/') == 1 and call_id in found
    assert "No call fits" in await browser.open("/calls?letter=A&left_as=uncertain&queue=nowhere")


async def test_an_agent_sees_his_own_calls_and_grades_alone(desk: Site) -> None:
    call_id = await one_call(desk)
    other = await Day(desk.store, desk.clock(), seed=9, made=700).call(
        desk.clock() - 9000, agents=(2,), abandoned=False, minutes=3
    )
    ben = await desk.logged_in("agent", BEN)
    html = await ben.open(f"/calls/{call_id}")
    assert 'id="part-0"' in html and 'id="part-1"' not in html
    assert "call.graded" not in html and "Set another grade" not in html
    assert "Dispute this grade" in html
    listed = await ben.open("/calls")
    assert call_id in listed and other not in listed
    assert BEN in await ben.open("/agents/me")
    for path in (f"/calls/{other}", "/agents/" + AMIRA.replace(" ", "%20"), f"/calls/{other}/recording"):
        async with await ben.get(path) as response:
            assert response.status == 404, path
    for path in ("/live", "/agents", "/queues", "/benefit"):
        async with await ben.get(path) as response:
            assert response.status == 403, path


async def test_a_stranger_is_asked_to_log_in(desk: Site) -> None:
    for path in PAGES:
        async with await desk.browser().get(path) as response:
            assert response.status == 303 and response.headers["Location"].startswith("/login")


async def test_a_supervisor_sets_a_grade_and_it_is_told_and_noted(desk: Site) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    await browser.open(f"/calls/{call_id}")
    path = f"/calls/{call_id}/parts/0/override"
    async with await browser.post(path, score="71", reason="He stayed calm throughout") as response:
        assert response.status == 303
        back = response.headers["Location"].partition("#")[0]
    html = await browser.open(back)
    assert "The grade was set" in html and "He stayed calm throughout" in html
    rows = [r for r in await desk.store.grades.of_call(call_id) if r.segment == 0]
    assert [(r.kind, r.author) for r in rows] == [("automatic", "emocx-pbx"), ("override", "supervisor")]
    assert rows[1].grade.score == 71
    types = [d.type for d in await desk.store.outbox.deliveries(call_id=call_id)]
    assert "grade.revised" in types
    assert (await desk.store.audit.rows())[0].action == "grade.override"


@pytest.mark.parametrize(
    ("score", "reason", "problem"),
    [
        ("150", "because", "0 to 100"),
        ("many", "because", "from 0 to 100"),
        ("50", "  ", "reason"),
        ("50", "x" * 501, "500"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_in_it(
    desk: Site, score: str, reason: str, problem: str
) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    await browser.open(f"/calls/{call_id}")
    async with await browser.post(
        f"/calls/{call_id}/parts/0/override", score=score, reason=reason
    ) as response:
        html = await response.text()
        assert response.status == 422
    assert problem in html and f'value="{score}"' in html
    assert len(await desk.store.grades.of_call(call_id)) == 2


async def test_an_agent_disputes_his_grade_and_no_other(desk: Site) -> None:
    call_id = await one_call(desk)
    ben = await desk.logged_in("agent", BEN)
    await ben.open(f"/calls/{call_id}")
    async with await ben.post(f"/calls/{call_id}/parts/0/dispute", reason="The line was bad") as response:
        assert response.status == 303
    async with await ben.post(f"/calls/{call_id}/parts/1/dispute", reason="Hers too") as response:
        assert response.status == 404, "nor is it told that there is such a part"
    async with await ben.post(f"/calls/{call_id}/parts/0/override", score="99", reason="better") as response:
        assert response.status == 403
    supervisor = await desk.logged_in("supervisor")
    assert call_id in await supervisor.open("/calls?only=disputed")
    assert "The line was bad" in await supervisor.open(f"/calls/{call_id}")


async def test_a_reading_is_corrected_as_a_label(desk: Site) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    await browser.open(f"/calls/{call_id}?correct=3")
    row = await browser.open(f"/calls/{call_id}/readings/3/correct")
    assert row.lstrip().startswith("<tr")
    path = f"/calls/{call_id}/readings/3/correct"
    async with await browser.post(path, emotion="neutral", reason="He only speaks loudly") as response:
        assert response.status == 303
    assert "corrected to Neutral by supervisor" in await browser.open(f"/calls/{call_id}")
    reading = (await desk.store.readings.of_call(call_id))[3]
    label = (await desk.store.readings.corrections())[0]
    assert (label.t0, label.t1, label.emotion) == (reading.t0, reading.t1, "neutral")
    for emotion, reason in (("furious", "x"), ("happy", "")):
        async with await browser.post(path, emotion=emotion, reason=reason) as response:
            assert response.status == 422
    async with await browser.post(
        f"/calls/{call_id}/readings/99999/correct", emotion="happy", reason="x"
    ) as response:
        assert response.status == 404


async def test_an_administrator_sends_an_event_again(desk: Site) -> None:
    call_id = await one_call(desk)
    row = (await desk.store.outbox.deliveries(call_id=call_id))[0]
    await desk.store.outbox.delivered(row.delivery_id, desk.clock(), 204)
    admin = await desk.logged_in("admin")
    await admin.open(f"/calls/{call_id}")
    path = f"/calls/{call_id}/deliveries/{row.delivery_id}/replay"
    async with await admin.post(path) as response:
        assert response.status == 303
    again = next(
        d for d in await desk.store.outbox.deliveries(call_id=call_id) if d.delivery_id == row.delivery_id
    )
    assert (again.state, again.attempts) == ("pending", 0)
    supervisor = await desk.logged_in("supervisor")
    await supervisor.open(f"/calls/{call_id}")
    async with await supervisor.post(path) as response:
        assert response.status == 403


async def test_a_forged_form_changes_nothing(desk: Site) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    async with await browser.post(f"/calls/{call_id}/parts/0/dispute", csrf="", reason="x") as response:
        assert response.status == 403
    assert len(await desk.store.grades.of_call(call_id)) == 2


async def test_a_recording_is_played_from_any_moment(desk: Site, tmp_path: Path) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    assert "<audio" not in await browser.open(f"/calls/{call_id}")
    (tmp_path / "recordings" / f"2026-q-{call_id}.wav").write_bytes(bytes(range(200)))
    assert "<audio" in await browser.open(f"/calls/{call_id}")
    path = f"/calls/{call_id}/recording"
    async with await browser.get(path, headers={"Range": "bytes=50-59"}) as response:
        assert response.status == 206
        assert await response.read() == bytes(range(50, 60))
        assert response.headers["Content-Type"] == "audio/wav"


async def test_agents_are_ranked_with_ranges(desk: Site) -> None:
    await Day(desk.store, desk.clock(), seed=2).calls(40, days=10)
    browser = await desk.logged_in("supervisor")
    html = await browser.open("/agents")
    ranges = re.findall(r"(\d+) to (\d+)</span>", html)
    assert len(ranges) >= 6
    assert all(int(low) < int(high) for low, high in ranges)
    assert "Angry" in await browser.open("/agents?emotion=angry&days=30")
    one = await browser.open(f"/agents/{BEN.replace(' ', '%20')}")
    assert "among all agents" in one
    for path in (
        "/agents?days=4",
        "/agents?emotion=furious",
        "/calls?only=x",
        "/calls?after=x",
        "/queues?day=x",
    ):
        async with await browser.get(path) as response:
            assert response.status == 422, path
    async with await browser.get("/agents/Nobody") as response:
        assert response.status == 404


async def test_a_day_of_queues_begins_at_the_viewers_midnight(desk: Site) -> None:
    """2026-09-21T18:30Z is the 22nd in Auckland, and still the 21st in Berlin."""
    at = 1_790_015_400.0
    desk.clock.now = at + 4000
    await Day(desk.store, desk.clock(), seed=1).call(at, abandoned=False, minutes=2, arrived="angry")
    browser = await desk.logged_in("supervisor")
    for zone, day in (("Pacific/Auckland", "2026-09-22"), ("Europe/Berlin", "2026-09-21")):
        browser.http.cookie_jar.update_cookies({"emocx-zone": zone})
        assert "Left better" in await browser.open(f"/queues?day={day}"), zone
        other = "2026-09-21" if zone.startswith("Pacific") else "2026-09-22"
        assert "Left better" not in await browser.open(f"/queues?day={other}"), zone
    browser.http.cookie_jar.update_cookies({"emocx-zone": "../../etc/passwd"})
    await browser.open("/queues")


async def test_every_list_of_calls_opens_in_a_spreadsheet(desk: Site) -> None:
    call_id = await one_call(desk)
    browser = await desk.logged_in("supervisor")
    browser.http.cookie_jar.update_cookies({"emocx-zone": "Asia/Tokyo"})
    for page, link, column in (
        ("/calls?days=30", "/calls.csv?days=30", "call_id"),
        ("/agents?days=30", "/grades.csv?days=30", "call_id"),
        (f"/agents/{BEN.replace(' ', '%20')}", "/grades.csv?days=30&amp;agent=Ben", "agent"),
        ("/queues", "/queues.csv?day=", "queue"),
    ):
        html = await browser.open(page)
        found = re.search(rf'href="({re.escape(link)}[^"]*)" download', html)
        assert found, page
        async with await browser.get(unescape(found[1])) as response:
            assert response.status == 200, page
            assert response.headers["Content-Disposition"].startswith("attachment; filename=")
            content = await response.read()
        assert content.startswith(b"\xef\xbb\xbf")
        assert column in content.decode("utf-8-sig").splitlines()[0].split(",")
    async with await browser.get("/calls.csv") as response:
        (row,) = csv.DictReader(io.StringIO((await response.read()).decode("utf-8-sig"), newline=""))
    assert (row["call_id"], row["agents"]) == (call_id, f"{BEN} → {AMIRA}")
    assert row["started_at"].endswith("+09:00")
    async with await browser.get("/calls.csv?queue=none") as response:
        assert (await response.text(encoding="utf-8-sig")).startswith("call_id,started_at")
    for wrong in ("/queues?within=7", "/queues.csv?within=x"):
        async with await browser.get(wrong) as response:
            assert response.status in (400, 422)

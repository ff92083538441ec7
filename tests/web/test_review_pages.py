"""Review by page and API: blind, by team, once a person; what admins see of it; trainings begun or not."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web.reviewed import WINDOWS, add_call, reviewed_site, tone
from web.web_site import TEST, Browser, Site

from emocx_pbx.audio.excerpt import excerpt
from emocx_pbx.errors import InputError
from emocx_pbx.web.identity.passwords import new_token, token_hash


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await reviewed_site(tmp_path, 4)
    yield site
    await site.stop()
    await site.store.close()


async def person(
    site: Site, name: str, role: Any = "supervisor", queues: tuple[str, ...] | None = None
) -> Browser:
    user = await site.store.accounts.add_user(name, role, None, None, TEST, queues)
    cookie = new_token()
    await site.store.accounts.add_session(token_hash(cookie), user, "127.0.0.1", "test", TEST)
    return site.browser(cookie)


async def draw(admin: Browser, **form: str) -> None:
    asked: dict[str, Any] = {"kind": "voice", "number": "100", "doubts": "0", "twice": "0", "days": ""} | form
    async with await admin.post("/admin/accuracy/draw", **asked) as response:
        assert response.status == 303, await response.text()


def item_in(html: str) -> str:
    found = re.search(r'action="/review/([0-9a-f]+)"', html)
    assert found is not None
    return found[1]


async def api(browser: Browser, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"X-CSRF-Token": browser.csrf}
    async with browser.http.request(method, browser.url + path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_windows_are_shown_without_what_the_model_said(site: Site) -> None:
    admin = await site.logged_in("admin")
    await draw(admin)
    html = await admin.open("/review")
    main = html[html.index("<main") : html.index("</main")]
    assert (
        "0.86" not in main and "86 %" not in main and "emo-" not in main and "uncertain" not in main.lower()
    )
    assert "crm-" not in main and not re.search(r"\d{10}\.\d", main)  # neither customer nor call
    _, found = await api(admin, "GET", "/api/v1/reviews/next?kind=voice")
    assert set(found["window"]) == {"item_id", "kind", "text", "audio"}
    assert (found["waiting"], found["done"]) == (4 * WINDOWS, 0)


async def test_each_window_is_labelled_once_and_may_be_changed(site: Site) -> None:
    admin = await site.logged_in("admin")
    await draw(admin)
    first = item_in(await admin.open("/review"))
    async with await admin.post(f"/review/{first}", label="angry") as response:
        assert (response.status, response.headers["Location"]) == (303, "/review?kind=voice")
    assert item_in(await admin.open("/review")) != first
    assert "You said: Angry" in await admin.open(f"/review?item={first}")
    async with await admin.post(f"/review/{first}", label="unclear") as response:
        assert response.status == 303
    assert await site.store.reviews.labels(first) == {"admin": "unclear"}
    async with await admin.post(f"/review/{first}", label="furious") as response:
        assert response.status == 422
    async with await admin.post("/review/none", label="angry") as response:
        assert response.status == 404


async def test_another_persons_label_is_shown_to_nobody(site: Site) -> None:
    admin, ann = await site.logged_in("admin"), await person(site, "ann")
    await draw(admin, twice="100")
    item = item_in(await admin.open("/review"))
    async with await admin.post(f"/review/{item}", label="happy") as response:
        assert response.status == 303
    assert "You said" not in await ann.open(f"/review?item={item}")
    assert item_in(await ann.open("/review")) == item


async def test_a_supervisor_reviews_the_queues_given_to_them(site: Site) -> None:
    admin, sales = await site.logged_in("admin"), await person(site, "sal", queues=("sales",))
    call_id = await add_call(site, 9, queue="sales")
    await draw(admin)
    await draw(admin, kind="text")
    _, found = await api(sales, "GET", "/api/v1/reviews/next?kind=voice")
    assert found["waiting"] == WINDOWS
    item = await site.store.reviews.item(found["window"]["item_id"])
    assert item is not None and item.key == call_id
    _, found = await api(sales, "GET", "/api/v1/reviews/next?kind=text")
    assert (found["waiting"], found["window"]["text"]) == (1, "message 9: where is my parcel?")
    (other,) = [i for i in await site.store.reviews.open("voice", "x", frozenset({"care"}), 1)]
    for path in (f"/api/v1/reviews/{other}/audio",):
        async with await sales.get(path) as response:
            assert response.status == 404
    assert (await api(sales, "POST", f"/api/v1/reviews/{other}/label", {"label": "angry"}))[0] == 404
    async with await sales.post(f"/review/{other}", label="angry") as response:
        assert response.status == 404


async def test_accuracy_is_for_admins_and_agents_have_nothing(site: Site) -> None:
    ann, bob = await person(site, "ann"), await site.logged_in("agent")
    for path in ("/admin/accuracy", "/api/v1/reviews", "/api/v1/reviews/accuracy?kind=voice"):
        for browser in (ann, bob):
            async with await browser.get(path) as response:
                assert response.status == 403
    for path in ("/review", "/api/v1/reviews/next?kind=voice"):
        async with await bob.get(path) as response:
            assert response.status == 403


async def test_a_window_is_heard_and_only_that(site: Site) -> None:
    admin = await site.logged_in("admin")
    await draw(admin)
    _, found = await api(admin, "GET", "/api/v1/reviews/next?kind=voice")
    path = found["window"]["audio"]
    async with await admin.get(path) as response:
        assert (response.status, response.content_type) == (200, "audio/wav")
        assert response.headers["Cache-Control"] == "private, no-store"
        whole = await response.read()
    with wave.open(io.BytesIO(whole)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(3.5 + 0.8, abs=0.01)
    async with await admin.get(path, headers={"Range": "bytes=0-99"}) as response:
        assert response.status == 206 and await response.read() == whole[:100]
        assert response.headers["Content-Range"] == f"bytes 0-99/{len(whole)}"
    async with await admin.get(path, headers={"Range": f"bytes={len(whole)}-"}) as response:
        assert response.status == 416
    item = await site.store.reviews.item(found["window"]["item_id"])
    assert item is not None
    recording(site, item.key).unlink()
    async with await admin.get(path) as response:
        assert response.status == 404


def recording(site: Site, call_id: str) -> Path:
    return Path(site.settings.recordings.path.format(call_id=call_id))


def test_a_stretch_is_cut_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    tone(path, 10)
    found = excerpt(path, 3.0, 4.0)[:, 0]
    crossings = int(((found[:-1] < 0) & (found[1:] >= 0)).sum())
    assert crossings == pytest.approx(260, abs=1)  # the pitch of the fourth second
    assert len(excerpt(path, 9.5, 12.0)) == 4000
    with pytest.raises(InputError, match="has ended before"):
        excerpt(path, 11.0, 12.0)
    with pytest.raises(InputError, match="expected a stretch"):
        excerpt(path, 4.0, 3.0)


async def test_the_report_by_page_and_api(site: Site) -> None:
    admin, ann = await site.logged_in("admin"), await person(site, "ann")
    assert "No labels yet" in await admin.open("/admin/accuracy")
    await draw(admin, twice="100")
    for browser, off in ((admin, 0), (ann, 1)):
        for number in range(4 * WINDOWS):
            _, found = await api(browser, "GET", "/api/v1/reviews/next?kind=voice")
            label = ("angry", "neutral")[(number + off * (number % 3 == 0)) % 2]
            path = f"/api/v1/reviews/{found['window']['item_id']}/label"
            assert (await api(browser, "POST", path, {"label": label}))[0] == 201
    status, report = await api(admin, "GET", "/api/v1/reviews/accuracy?kind=voice")
    assert status == 200 and report["windows"] == 12 and report["people"] == 2
    assert report["agreement"]["pairs"] == 12 and report["agreement"]["observed"] == pytest.approx(8 / 12)
    assert report["recall"]["happy"] is None
    low, value, high = (report["recall"]["angry"][k] for k in ("low", "value", "high"))
    assert 0 <= low <= value <= high <= 1
    html = await admin.open("/admin/accuracy?kind=voice")
    assert "From 12 labelled windows of 4 callers, by 2 people." in html
    assert "Kappa of two people" in html and "Few labels" in html and "67 % of 12 windows" in html
    status, listed = await api(admin, "GET", "/api/v1/reviews")
    assert listed["rounds"][0]["labelled"] == 12 and listed["trainings"] == []


async def test_what_can_not_be_drawn_is_said_on_the_page(site: Site) -> None:
    admin = await site.logged_in("admin")
    await admin.open("/admin/accuracy")
    bad: dict[str, Any] = {"kind": "voice", "number": "many", "doubts": "7", "twice": "0", "days": ""}
    async with await admin.post("/admin/accuracy/draw", **bad) as response:
        html = await response.text()
        assert response.status == 422 and "expected a whole number" in html and 'value="many"' in html
    status, problem = await api(
        admin, "POST", "/api/v1/reviews/rounds", {"kind": "text", "number": 5, "since": 1.0, "until": 2.0}
    )
    assert status == 422 and "nothing to draw" in problem["detail"]
    status, row = await api(admin, "POST", "/api/v1/reviews/rounds", {"kind": "text", "number": 3})
    assert (status, row["items"], row["sure"] + row["doubtful"]) == (201, 3, 4)


async def test_a_training_that_can_not_begin_says_the_remedy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedy = "tensorflow is not installed: pip install 'emocx-pbx[train]'"
    site.learning._hindered = lambda settings, kind: remedy
    admin = await site.logged_in("admin")
    await admin.open("/admin/accuracy")
    async with await admin.post("/admin/accuracy/train", kind="voice", promote="yes") as response:
        assert response.status == 422 and "emocx-pbx[train]" in await response.text()
    status, problem = await api(admin, "POST", "/api/v1/reviews/trainings", {"kind": "text"})
    assert (status, problem["detail"]) == (422, remedy)
    assert await api(admin, "POST", "/api/v1/reviews/trainings/stop") == (200, {"stopped": False})
    assert await site.store.reviews.trainings() == []

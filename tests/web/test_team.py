"""A supervisor to whom queues are given sees the calls that were in them, by whichever door, no others."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from web.live_calls import talking, waiting
from web.v1_calls import BEGIN, tell
from web.web_site import TEST, Browser, Site

from emocx_pbx.domain import Visit
from emocx_pbx.store.rows import AlertRow
from emocx_pbx.web.identity.passwords import new_token, token_hash

#: What stands in calls of other queues and nowhere else: the call, its customer, its agent, its queue.
SECRETS = (f"{BEGIN:.0f}.2", "crm-sales", "zelda", "sales", "sales-alarm", "dec_2")
CARE, SALES, BOTH = (f"{BEGIN:.0f}.{n}" for n in (1, 2, 3))


@pytest.fixture
async def cora(site: Site) -> AsyncIterator[Browser]:
    """The supervisor of care; call 2 is of sales alone, call 3 went from care to billing."""
    store = site.store
    await tell(store, 1, agents=("bob",), queue="care", customer="crm-care")
    await tell(store, 2, agents=("zelda",), queue="sales", customer="crm-sales")
    await tell(store, 3, agents=("ann",), queue="billing", customer="crm-both")
    await store.calls.save_visit(BOTH, 1, Visit("care", BEGIN + 302, BEGIN + 305, "timeout"))
    for call_id, agent, rule in ((CARE, "bob", "care-alarm"), (SALES, "zelda", "sales-alarm")):
        await store.alerts.save([AlertRow(call_id, rule, 2.0, 6.0, BEGIN + 130, 0, agent, rule)])
    user = await store.accounts.add_user("cora", "supervisor", None, None, TEST, ("care",))
    cookie = new_token()
    await store.accounts.add_session(token_hash(cookie), user, "127.0.0.1", "test", TEST)
    yield site.browser(cookie)


async def text(browser: Browser, path: str) -> tuple[int, str]:
    async with await browser.get(path) as response:
        return response.status, await response.text()


def observed(body: str) -> list[str]:
    return [secret for secret in SECRETS if re.search(rf"(?<![\w.-]){re.escape(secret)}(?![\w-])", body)]


@pytest.mark.parametrize("call_id", [CARE, SALES, BOTH])
async def test_no_route_tells_of_another_queue(site: Site, cora: Browser, call_id: str) -> None:
    site.queues = {name: site.queues["support"] for name in ("care", "sales", "billing")}
    number = call_id[-1]
    fill = {"call_id": call_id, "segment": "0", "decision_id": f"dec_{number}", "part": "0", "reading": "0",
            "agent": {"1": "bob", "2": "zelda", "3": "ann"}[number]}  # fmt: skip
    answered = 0
    for resource in site.app.router.resources():
        path = resource.canonical
        for name, value in fill.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" in path or "/events" in path or path.startswith(("/static", "/metrics", "/login", "/link")):
            continue
        status, body = await text(cora, path)
        assert status < 500 or path == "/readyz", path
        if call_id == SALES and status != 200:
            continue  # a refusal may name what was asked for
        answered += status == 200
        assert observed(body) == [], path
    assert answered >= 12


async def test_what_was_in_the_queue_is_seen_whole_also_what_came_from_it_to_another(cora: Browser) -> None:
    _, calls = await text(cora, "/api/v1/calls")
    assert CARE in calls and BOTH in calls
    assert (await text(cora, f"/calls/{BOTH}"))[0] == 200
    assert (await text(cora, f"/calls/{SALES}"))[0] == (await text(cora, "/calls/none"))[0] == 404
    _, sheet = await text(cora, "/calls.csv")
    assert sheet.count("\n") == 3 and "ann" in sheet
    _, grades = await text(cora, "/api/v1/grades.csv")
    assert grades.count("\n") == 3 and "zelda" not in grades


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/api/v1/calls/{SALES}/segments/0/override", {"score": 5, "reason": "because"}),
        (f"/api/v1/calls/{SALES}/segments/0/dispute", {"reason": "because"}),
        (
            f"/api/v1/calls/{SALES}/corrections",
            {"t0": 0.0, "t1": 4.0, "emotion": "happy", "reason": "because"},
        ),
        ("/api/v1/deliveries/replay", {"call_id": SALES}),
    ],
)
async def test_nothing_of_another_queue_is_changed(
    site: Site, cora: Browser, path: str, body: dict[str, object]
) -> None:
    before = await site.store.call(SALES)
    async with cora.http.post(site.url + path, json=body, headers={"X-CSRF-Token": cora.csrf}) as refused:
        assert refused.status in {403, 404}, await refused.text()
    after = await site.store.call(SALES)
    assert before and after and after.grades == before.grades


async def test_all_deliveries_at_once_are_for_who_sees_all(site: Site, cora: Browser) -> None:
    headers = {"X-CSRF-Token": cora.csrf}
    async with cora.http.post(
        f"{site.url}/api/v1/deliveries/replay", json={"failed": True}, headers=headers
    ) as refused:
        assert refused.status == 403, await refused.text()


async def test_the_live_feed_tells_of_the_queue_from_when_a_call_joins_it(site: Site, cora: Browser) -> None:
    board = site.board
    waiting(board, "1.1", 1.0, "care")
    sales = waiting(board, "1.2", 1.0, "sales")
    _, now = await text(cora, "/api/v1/live")
    assert '"1.1"' in now and '"1.2"' not in now
    events = site.live.events("life-0", team=frozenset({"care"}))
    assert b"snapshot" not in (first := await anext(events)) and b'"1.1"' in first
    talking(board, sales, "zelda", 3.0, "sales")
    later = waiting(board, "1.3", 4.0, "care")
    assert b'"1.3"' in await anext(events)
    talking(board, later, "ann", 5.0, "billing")
    assert b'"ann"' in await anext(events)
    await events.aclose()


async def test_an_agent_is_chosen_from_those_that_exist_and_queues_are_given(site: Site) -> None:
    site.queues = {"care": replace(site.queues["support"], agents=frozenset({"Ann", "Bob"}))}
    admin = await site.logged_in("admin")
    html = await admin.open("/admin/users")
    assert '<option value="Ann">' in html and 'name="queue" value="care"' in html
    async with await admin.post("/admin/users", name="cora", role="supervisor", queue=["care"]) as added:
        assert added.status == 200
    user = await site.store.accounts.user_named("cora")
    assert user is not None and user.queues == ("care",)
    async with await admin.post(f"/admin/users/{user.user_id}", role="supervisor") as changed:
        assert changed.status == 303
    after = await site.store.accounts.user(user.user_id)
    assert after is not None and after.queues is None
    async with await admin.post("/admin/users", name="dan", role="admin", queue=["care"]) as refused:
        assert refused.status == 422 and "supervisors" in await refused.text()

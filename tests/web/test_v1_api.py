"""The API's table and document agree; queries, repeated posts, limits, reports, deliveries, models."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from openapi_spec_validator import validate
from web.live_calls import waiting
from web.v1_calls import Client, client_of, tell
from web.web_site import Site, open_site

from emocx_pbx.settings.settings import HttpSettings, Settings, WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import FailedAttempt
from emocx_pbx.web.identity.access import access_of_handler
from emocx_pbx.web.v1.limits import RateLimits
from emocx_pbx.web.v1.routes import ENDPOINTS

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
PROGRAMS = ("/api/", "/metrics", "/healthz", "/readyz")


@pytest.fixture
async def site(tmp_path: Path, place: Path | str) -> AsyncIterator[Site]:
    site = await open_site(tmp_path, place=place)
    yield site
    await site.stop()
    await site.store.close()


@pytest.fixture
async def client(site: Site) -> Client:
    return await client_of(site)


async def test_the_document_is_valid_and_names_every_route(site: Site, client: Client) -> None:
    document = await client.get("/openapi.json")
    validate(document)
    documented = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    routes = {
        (route.method, route.resource.canonical)
        for route in site.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith(PROGRAMS)
    }
    assert {r for r in routes if r[0] != "HEAD"} == documented


def test_the_docs_name_every_endpoint() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for endpoint in ENDPOINTS:
        assert f"`{endpoint.method} {endpoint.path}`" in text, endpoint.path


def test_every_endpoint_has_words_and_somebody_who_may_call_it() -> None:
    operations = [endpoint.handler.__name__ for endpoint in ENDPOINTS]
    assert len(set(operations)) == len(operations)
    for endpoint in ENDPOINTS:
        access = access_of_handler(endpoint.handler)
        assert endpoint.handler.__doc__, endpoint.path
        assert access.public or access.scope, endpoint.path


async def test_nobody_gets_in_without_a_token(site: Site) -> None:
    browser = site.browser()
    for endpoint in ENDPOINTS:
        if access_of_handler(endpoint.handler).public:
            continue
        path = re.sub(r"\{\w+\}", "0", endpoint.path)
        async with browser.http.request(
            endpoint.method, site.url + path, headers={"Origin": "http://elsewhere.example"}
        ) as response:
            assert response.status == 401, endpoint.path
            assert response.content_type == "application/problem+json"


async def test_a_token_without_the_scope_is_refused(site: Site) -> None:
    client = await client_of(site, "queries:write")
    assert "calls:read" in (await client.get("/calls", 403))["detail"]
    await client.post("/queries", {"text": "hello"})


async def test_a_query_is_decided(site: Site, client: Client) -> None:
    answer = await client.post("/queries", {"text": "I am furious", "customer": "crm-1"})
    assert (answer["emotion"], answer["call_id"]) == ("angry", None)
    problem = await client.post("/queries", {"text": "x", "callback_number": "+4930123456"}, 422)
    assert "queue" in problem["detail"]  # the built-in policy names none
    body = {"text": "x", "callback_number": "030 123457", "default_queue": "care"}
    assert (await client.post("/queries", body, 503))["title"] == "Service unavailable"
    again = await client.post("/queries", body | {"callback_number": "+49 (0)30 / 123457"}, 429)
    assert "short time ago" in again["detail"] and client.last.headers["Retry-After"]
    placed = (await site.store.audit.rows(action="call."))[0]
    assert (placed.action, placed.after) == ("call.placed", '{"number":"…457"}')


async def test_only_some_may_have_calls_placed(site: Site) -> None:
    body = {"text": "x", "callback_number": "+4930123456"}
    client = await client_of(site, "queries:write")
    assert "calls:place" in (await client.post("/queries", body, 403))["detail"]
    boss = await site.logged_in("supervisor")
    async with boss.http.post(
        f"{site.url}/api/v1/queries", json=body, headers={"X-CSRF-Token": boss.csrf}
    ) as response:
        assert response.status == 403 and "dialling.supervisors" in await response.text()


@pytest.mark.parametrize("number", ["0900 1 123456", "+1 900 555 1234", "112", "+49 0900 1123456"])
async def test_no_number_is_dialled_that_costs_a_fortune(client: Client, number: str) -> None:
    body = {"text": "x", "callback_number": number, "default_queue": "care"}
    assert (await client.post("/queries", body, 422))["title"] == "Not called"


@pytest.mark.parametrize("queue", ["Z\u00fcrich (EN)", "800@tenant", "c1-!hold!1"])
@pytest.mark.parametrize("customer", ["+4930123456", "a+b@x.org", "KD-4711/2024", "Zo\u00eb, Ltd."])
async def test_names_are_taken_as_asterisk_and_the_crm_have_them(
    client: Client, queue: str, customer: str
) -> None:
    body = {"text": "x", "default_queue": queue, "customer": customer}
    assert (await client.post("/queries", body))["queue"] == queue


@pytest.mark.parametrize(
    "wrong",
    [{"default_queue": "a,b"}, {"default_queue": "${X}"}, {"default_queue": "a(b"}, {"customer": "a\n"}],
)
async def test_names_that_would_break_something_are_refused(client: Client, wrong: dict[str, str]) -> None:
    assert next(iter(wrong)) in (await client.post("/queries", {"text": "x"} | wrong, 422))["detail"]


async def test_a_bad_body_is_told_where(client: Client) -> None:
    for body, where in (
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "x", "colour": 1}, "colour"),
        ({"text": "x", "callback_number": "call me"}, "telephone number"),
        ([], "body"),
    ):
        assert where in (await client.post("/queries", body, 422))["detail"]


async def test_a_body_that_is_no_json_is_refused(site: Site, client: Client) -> None:
    http, url = site.browser().http, f"{site.url}/api/v1/queries"
    for data, kind, status in (
        (b"{", "application/json", 400),
        (b'{"text": "\xff"}', "application/json", 400),
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b'{"text": "' + b"x" * 300_000 + b'"}', "application/json", 413),
    ):
        async with http.post(url, data=data, headers=client.headers | {"Content-Type": kind}) as response:
            assert response.status == status
            assert response.content_type == "application/problem+json"


async def test_a_repeated_post_is_answered_alike(site: Site, client: Client) -> None:
    body = {"text": "I am furious"}
    first = await client.post("/queries", body, Idempotency_Key="k1")
    again = await client.post("/queries", body, Idempotency_Key="k1")
    assert again == first and client.last.headers["Idempotent-Replayed"] == "true"
    assert (await client.post("/queries", body, Idempotency_Key="k2"))["decision_id"] != first["decision_id"]
    await client.post("/queries", {"text": "other"}, 409, Idempotency_Key="k1")
    await client.post("/queries", body, 422, Idempotency_Key="a b")
    other = await client_of(site)
    answer = await other.post("/queries", {"text": "other"}, Idempotency_Key="k1")
    assert answer["decision_id"] != first["decision_id"]
    site.clock.now += 86_401
    await client.post("/queries", {"text": "other"}, Idempotency_Key="k1")


async def test_what_failed_may_be_tried_again_with_its_key(client: Client) -> None:
    body = {"text": "x", "callback_number": "0900 1 123456"}
    for _ in range(2):
        assert "kind" in (await client.post("/queries", body, 422, Idempotency_Key="k1"))["detail"]


async def test_the_same_post_at_the_same_moment_is_worked_on_once(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    by_text = site.queries.by_text

    async def slowly(*words: object) -> object:
        entered.set()
        await go_on.wait()
        return await by_text(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(site.queries, "by_text", slowly)
    first = asyncio.create_task(client.post("/queries", {"text": "x"}, Idempotency_Key="k"))
    await entered.wait()
    other = Client(site.browser().http, site.url, "")
    other.headers = client.headers
    await other.post("/queries", {"text": "x"}, 409, Idempotency_Key="k")
    go_on.set()
    await first


async def test_a_preview_records_nothing(site: Site, client: Client) -> None:
    preview = await client.post("/queries/preview", {"text": "I am furious", "default_queue": "care"})
    assert preview["decision"]["emotion"] == "angry"
    assert (await client.get("/decisions"))["decisions"] == []


async def test_decisions(site: Site, client: Client) -> None:
    await tell(site.store, 1)
    await tell(site.store, 2, status="holdout")
    page = await client.get("/decisions?limit=1")
    rest = await client.get(f"/decisions?limit=1&cursor={page['next']}")
    assert [d["decision"]["decision_id"] for d in page["decisions"] + rest["decisions"]] == ["dec_2", "dec_1"]
    assert len((await client.get("/decisions?status=holdout&emotion=angry"))["decisions"]) == 1
    assert (await client.get("/decisions/dec_1"))["customer_key"] == "crm-1"
    await client.get("/decisions/nobody", 404)


async def test_queues(site: Site, client: Client) -> None:
    await tell(site.store, 1)
    await tell(site.store, 2, agents=())
    answer = await client.get("/queues?since=1789990000&until=1789999000")
    care = next(q for q in answer["queues"] if q["queue"] == "care")
    assert (care["calls"], care["answered"], care["abandoned"]) == (2, 1, 1)
    assert (care["arrived_as"], care["left_as"], care["wait_median_s"]) == ({"angry": 2}, {"happy": 1}, 8.0)
    vip = next(q for q in answer["queues"] if q["queue"] == "vip")  # known to Asterisk, no call
    assert (vip["calls"], vip["waiting_now"]) == (0, 1)
    await client.get("/queues?since=0", 422)


async def test_agents_with_their_uncertainty(site: Site, client: Client) -> None:
    for number in range(4):
        await tell(site.store, number, agents=("bob", "eve") if number else ("bob",))
    period = "since=1789990000&until=1789999000"
    bob, eve = (await client.get(f"/agents?{period}"))["agents"]
    assert (bob["agent"], bob["graded"], bob["mean"], bob["letters"]) == ("bob", 4, 70.0, {"B": 4})
    assert bob["low"] < bob["expected"] < bob["high"] and bob["by_arrival"][0]["arrived_as"] == "angry"
    assert eve["graded"] == 3 and eve["high"] - eve["low"] > bob["high"] - bob["low"]
    browser = await site.logged_in("agent", "eve")
    async with await browser.get(f"/api/v1/agents?{period}") as response:
        assert [a["agent"] for a in (await response.json())["agents"]] == ["eve"]
    await client.get("/agents?since=5&until=5", 422)


async def test_the_benefit_says_when_nothing_can_be_told(site: Site, client: Client) -> None:
    await tell(site.store, 1)
    await tell(site.store, 2, status="holdout", customer="crm-2")
    benefit = await client.get("/benefit?since=1789990000&until=1789999000")
    assert benefit["calls"] == 2
    assert {c["verdict"] for c in benefit["comparisons"]} == {"can't tell yet"}
    assert [c["measure"] for c in benefit["comparisons"]] == ["grade", "abandoned", "wait", "handle time"]


async def test_deliveries_are_listed_and_replayed(tmp_path: Path) -> None:
    site = await open_site(tmp_path, Settings(webhooks=(CRM,), directory=str(tmp_path)))
    client = await client_of(site)
    call_id = await tell(site.store, 1)
    page = await client.get(f"/deliveries?state=pending&call_id={call_id}")
    assert [d["type"] for d in page["deliveries"]] == ["call.ended"]
    await site.store.outbox.delivered(page["deliveries"][0]["delivery_id"], 1.0, 204)
    assert (await client.get("/deliveries?state=pending"))["deliveries"] == []
    assert await client.post("/deliveries/replay", {"call_id": call_id}) == {"replayed": 1}
    (waiting,) = (await client.get("/deliveries?state=pending"))["deliveries"]
    await site.store.outbox.retry_later(
        waiting["delivery_id"], FailedAttempt(2.0, 422, "HTTP 422", "no such field"), 60.0
    )
    (refused,) = (await client.get("/deliveries?state=pending"))["deliveries"]
    assert (refused["last_error"], refused["last_answer"]) == ("HTTP 422", "no such field")
    await client.post("/deliveries/replay", {"endpoint": "crm"}, 422)
    assert (await site.store.audit.rows(limit=1))[0].action == "webhook.replayed"
    await site.stop()
    await site.store.close()


async def test_models_and_health(site: Site, client: Client) -> None:
    models = (await client.get("/models"))["models"]
    assert {("speech", "mlp"), ("text", "lstm")} <= {(m["kind"], m["name"]) for m in models}
    assert all(m["problem"] is None for m in models)
    site.health.set("asterisk", False, "not connected yet")
    health = await client.get("/health")
    assert health["ready"] is False and health["components"]["asterisk"]["why"] == "not connected yet"


async def test_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    settings = Settings(http=HttpSettings(api_requests_per_minute=2), directory=str(tmp_path))
    site = await open_site(tmp_path, settings)
    client = await client_of(site)
    await client.get("/health")
    assert client.last.headers["RateLimit-Policy"] == '"default";q=2;w=60'
    assert client.last.headers["RateLimit"] == '"default";r=1;t=60'
    await client.get("/health")
    await client.get("/health", 429)
    assert client.last.headers["Retry-After"] == "60"
    other = await client_of(site)
    await other.get("/health")
    site.clock.now += 60
    await client.get("/health")
    await site.stop()
    await site.store.close()


def test_a_limit_holds_in_any_minute_and_clients_are_bounded() -> None:
    limits = RateLimits(60, max_clients=2)
    assert all(limits.ask("a", 0.5 * n).allowed for n in range(60))
    assert limits.ask("a", 40.0).retry_s == 20
    assert limits.ask("a", 60.0).allowed and not limits.ask("a", 60.0).allowed
    assert limits.ask("a", 59.0).allowed is False  # a clock that goes back gives nothing
    limits.ask("b", 61.0)
    limits.ask("c", 61.0)
    assert limits.ask("a", 61.0).remaining == 59  # forgotten: it begins anew
    assert RateLimits(0).ask("a", 0.0).allowed


async def test_answers_outlive_a_crash_and_unanswered_requests_do_not(tmp_path: Path) -> None:
    now = 1000.0
    store = await Store.open(tmp_path / "emocx.db", now=lambda: now)
    kept = store.idempotency
    assert (await kept.claim("w", "k", "r")).state == "new"
    assert (await kept.claim("w", "k", "r")).state == "busy"
    now += 121.0
    assert (await kept.claim("w", "k", "r")).state == "new"
    await kept.keep("w", "k", 200, b"{}")
    await store.close()
    store = await Store.open(tmp_path / "emocx.db", now=lambda: now)
    claim = await store.idempotency.claim("w", "k", "r")
    assert (claim.state, claim.status, claim.body) == ("known", 200, b"{}")
    await store.close()


async def test_the_live_feed_over_http(site: Site, client: Client) -> None:
    call = waiting(site.board, "1.1", 100.0)
    assert (await client.get("/live"))["calls"][0]["state"] == "waiting"
    url = f"{site.url}/api/v1/live/events"
    http = site.browser().http
    async with http.get(url, headers=client.headers) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readuntil(b"\n\n") == b"retry: 1000\n\n"
        assert b"event: snapshot" in await response.content.readuntil(b"\n\n")
        site.board.ended(call, 120.0, "abandoned", "abandoned")
        event = await response.content.readuntil(b"\n\n")
        assert event.startswith(b"id: life-2\nevent: ended\n")
    async with http.get(url, headers=client.headers | {"Last-Event-ID": "life-1"}) as response:
        await response.content.readuntil(b"\n\n")
        assert (await response.content.readuntil(b"\n\n")).startswith(b"id: life-2\nevent: ended\n")


async def test_too_many_watchers_are_told_to_come_later(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.live.feed.MAX_WATCHERS", 0)
    await client.get("/live/events", 503)
    assert client.last.headers["Retry-After"] == "10"


async def test_an_agents_feed_is_his_own(site: Site) -> None:
    waiting(site.board, "1.1", 100.0)
    browser = await site.logged_in("agent", "bob")
    async with await browser.get("/api/v1/live") as response:
        assert msgspec.json.decode(await response.read())["calls"] == []

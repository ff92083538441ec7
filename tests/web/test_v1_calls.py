"""Calls and grades over the API: pages, filters, ETags, revisions, corrections, CSV; agents see their own."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import msgspec
import pytest
from web.v1_calls import Client, client_of, tell
from web.web_site import Site

from emocx_pbx.domain import Decision
from emocx_pbx.web.v1.shapes_out import QueryAnswer


@pytest.fixture
async def client(site: Site) -> Client:
    return await client_of(site)


async def test_calls_by_pages(site: Site, client: Client) -> None:
    for number in range(5):
        await tell(site.store, number)
    first = await client.get("/calls?limit=3")
    rest = await client.get(f"/calls?limit=3&cursor={first['next']}")
    numbers = [call["call_id"].split(".")[1] for call in first["calls"] + rest["calls"]]
    assert numbers == ["4", "3", "2", "1", "0"] and rest["next"] is None
    assert first["calls"][0]["wait_s"] == 8.0 and first["calls"][0]["left_as"] == "happy"


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("arrived_as=furious", "arrived_as"),
        ("alert=maybe", "alert"),
        ("cursor=nonsense", "cursor"),
        ("colour=red", "colour"),
        ("queue=a&queue=b", "queue"),
        ("search=%00", "search"),
        ("since=-1", "since"),
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, query: str, where: str) -> None:
    problem = await client.get(f"/calls?{query}", 422)
    assert problem["status"] == 422 and where in problem["detail"]
    assert client.last.content_type == "application/problem+json"


async def test_filters_reach_the_store(site: Site, client: Client) -> None:
    await tell(site.store, 1, agents=(), queue="sales")
    await tell(site.store, 2)
    for query, wanted in (
        ("queue=sales", ["1"]),
        ("outcome=abandoned", ["1"]),
        ("agent=bob&arrived_as=angry&letter=B&left_as=happy&alert=false&disputed=false", ["2"]),
        ("search=%2B492", ["2"]),
    ):
        page = await client.get(f"/calls?{query}")
        assert [call["call_id"].split(".")[1] for call in page["calls"]] == wanted, query


async def test_a_call_in_detail(site: Site, client: Client) -> None:
    call_id = await tell(site.store, 1, agents=("bob", "eve"))
    call = await client.get(f"/calls/{call_id}")
    assert call["decision"]["rule"] == "r" and len(call["segments"]) == 2
    assert [r["emotion"] for r in call["readings"]] == ["angry", "happy", "happy"]
    assert call["readings"][0]["probabilities"]["angry"] == 0.9
    assert [(g["segment"], g["grade"]["score"]) for g in call["grades"]] == [(0, 70.0), (1, 70.0)]
    await client.get("/calls/nobody", 404)


async def test_an_answer_that_did_not_change_is_not_sent_again(site: Site, client: Client) -> None:
    call_id = await tell(site.store, 1)
    for path in ("/calls", f"/calls/{call_id}", "/grades", "/decisions"):
        await client.get(path)
        tag = client.last.headers["ETag"]
        assert await client.get(path, 304, If_None_Match=f'"other", W/{tag}') == ""
        assert client.last.headers["ETag"] == tag
    await client.post(f"/calls/{call_id}/segments/0/dispute", {"reason": "no"}, 201)
    await client.get("/grades", 200, If_None_Match=tag)


async def test_a_grade_is_overridden_and_disputed(site: Site, client: Client) -> None:
    call_id = await tell(site.store, 1)
    part = f"/calls/{call_id}/segments/0"
    dispute = await client.post(f"{part}/dispute", {"reason": "the line was bad"}, 201)
    assert (dispute["revision"], dispute["kind"], dispute["author"]) == (1, "dispute", "token tester")
    assert len((await client.get("/grades?disputed=true"))["grades"]) == 1
    override = await client.post(f"{part}/override", {"score": 90, "reason": "it was"}, 201)
    assert (override["revision"], override["grade"]["letter"]) == (2, "A")
    assert (await client.get("/grades?disputed=true"))["grades"] == []
    events = [e for e in await site.store.outbox.events_of_call(call_id) if e.type == "grade.revised"]
    assert len(events) == 2
    actions = [row.action for row in await site.store.audit.rows(limit=2)]
    assert actions == ["grade.override", "grade.dispute"]
    for body, where in (({"score": 101, "reason": "x"}, "score"), ({"score": 1, "reason": " "}, "reason")):
        assert where in (await client.post(f"{part}/override", body, 422))["detail"]
    await client.post(f"/calls/{call_id}/segments/7/dispute", {"reason": "x"}, 404)
    await client.post(f"/calls/{call_id}/segments/-1/dispute", {"reason": "x"}, 422)


async def test_a_reading_is_corrected(site: Site, client: Client) -> None:
    call_id = await tell(site.store, 1)
    body = {"t0": 0.0, "t1": 4.0, "emotion": "neutral", "reason": "he laughed"}
    row = await client.post(f"/calls/{call_id}/corrections", body, 201)
    assert (row["emotion"], row["author"]) == ("neutral", "token tester")
    assert [c["reason"] for c in (await client.get(f"/calls/{call_id}"))["corrections"]] == ["he laughed"]
    await client.post(f"/calls/{call_id}/corrections", body | {"t1": 5.0}, 404)


async def test_csv_is_whole_and_safe_in_a_spreadsheet(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.web.v1.export.PAGE", 2)
    for number in range(5):
        await tell(site.store, number, customer="=cmd()", agents=("bob", "eve"))
    text = await client.get("/calls.csv")
    assert client.last.content_type == "text/csv"
    assert text.startswith("\ufeffcall_id,")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["call_id"].split(".")[1] for row in rows] == ["4", "3", "2", "1", "0"]
    assert (rows[0]["customer_key"], rows[0]["caller"], rows[0]["agents"]) == ("'=cmd()", "+494", "bob → eve")
    grades = list(csv.DictReader(io.StringIO((await client.get("/grades.csv?agent=eve"))[1:])))
    assert len(grades) == 5 and grades[0]["score"] == "70.0"
    assert await client.get("/calls.csv?queue=nobody") == text.splitlines()[0] + "\r\n"
    for zone, offset in (("Europe/Berlin", timedelta(hours=1)), ("UTC", timedelta(0))):
        text = await client.get(f"/calls.csv?zone={zone}&until=1800000000")
        began = [datetime.fromisoformat(row["started_at"]) for row in csv.DictReader(io.StringIO(text[1:]))]
        assert {at.utcoffset() for at in began} <= {offset, offset + timedelta(hours=1)}
    await client.get("/calls.csv?zone=Europe/Nowhere", status=422)


async def test_an_agent_sees_his_own_calls_and_grades_alone(site: Site) -> None:
    mine = await tell(site.store, 1, agents=("bob", "eve"))
    theirs = await tell(site.store, 2, agents=("eve",))
    browser = await site.logged_in("agent", "bob")
    async with await browser.get("/api/v1/calls?agent=eve") as response:
        assert [call["call_id"] for call in (await response.json())["calls"]] == [mine]
    async with await browser.get(f"/api/v1/calls/{mine}") as response:
        call = await response.json()
    assert [g["segment"] for g in call["grades"]] == [0] and call["corrections"] == []
    async with await browser.get(f"/api/v1/calls/{theirs}") as response:
        assert response.status == 404
    async with await browser.get("/api/v1/grades") as response:
        assert [g["agent"] for g in (await response.json())["grades"]] == ["bob"]
    for path in ("calls.csv", "grades.csv", "deliveries", "decisions", "queues", "alerts"):
        async with await browser.get(f"/api/v1/{path}") as response:
            assert response.status == 403, path
    for call_id, segment, status in ((mine, 0, 201), (mine, 1, 404), (theirs, 0, 404)):
        async with browser.http.post(
            f"{site.url}/api/v1/calls/{call_id}/segments/{segment}/dispute",
            json={"reason": "unfair"},
            headers={"X-CSRF-Token": browser.csrf},
        ) as response:
            assert response.status == status


async def test_a_browsers_change_needs_the_forms_token(site: Site) -> None:
    call_id = await tell(site.store, 1)
    browser = await site.logged_in("supervisor")
    async with browser.http.post(
        f"{site.url}/api/v1/calls/{call_id}/segments/0/dispute", json={"reason": "x"}
    ) as response:
        assert response.status == 403


def test_a_querys_answer_is_its_decision() -> None:
    names = [field.name for field in msgspec.structs.fields(QueryAnswer)]
    assert sorted(names) == sorted([*Decision.__dataclass_fields__, "call_id"])

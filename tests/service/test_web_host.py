"""The web process for real, and the controller's end of it: answers, state and deaths."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import aiohttp
import msgspec
from service.web_world import World
from web.v1_calls import tell

from emocx_pbx.service.web_host import WebHost
from emocx_pbx.settings.settings import ChatSettings


async def test_a_query_is_decided_by_the_controller(world: World, host: WebHost) -> None:
    status, answer = await world.ask("nobody answers, I am furious")
    assert (status, answer["emotion"], answer["decision_id"]) == (200, "angry", "dec_0")
    assert [query.text for query in world.recorded] == ["nobody answers, I am furious"]


async def test_the_process_knows_state_and_board_of_the_controller(world: World, host: WebHost) -> None:
    world.waits("1.1", "care")
    status, live = await world.get("/api/v1/live")
    assert status == 200
    assert [call["call_id"] for call in msgspec.json.decode(live)["calls"]] == ["1.1"]
    status, _ = await world.get("/api/v1/models")
    assert status == 200
    status, queues = await world.get("/readyz")
    assert (status, msgspec.json.decode(queues)["components"]["web"]["up"]) == (200, True)


async def test_settings_that_the_controller_took_over_hold_on_the_pages(world: World, host: WebHost) -> None:
    assert (await world.get("/chat"))[0] == 200
    new = msgspec.structs.replace(world.settings, chat=ChatSettings(title="Talk to us"))
    world.in_force.put(new)
    host.settings_changed()
    async with asyncio.timeout(5):  # messages and requests come by different ways
        while "Talk to us" not in (await world.get("/chat"))[1]:
            pass
    world.in_force.put(msgspec.structs.replace(new, chat=ChatSettings(mode="off")))
    host.settings_changed()
    async with asyncio.timeout(5):
        while (await world.get("/chat"))[0] != 404:
            pass
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while True:
            try:
                assert (await world.get("/chat"))[0] == 404  # its successor begins with them
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def test_metrics_tell_how_things_stand_on_both_sides(world: World, host: WebHost) -> None:
    world.waits("1.1", "care")
    world.health.set("asterisk", False, "not connected yet")
    await world.ask("hello")
    status, text = await world.get("/metrics")
    lines = text.splitlines()
    assert status == 200
    assert 'emocx_calls{state="waiting"} 1.0' in lines and 'emocx_calls{state="talking"} 0.0' in lines
    assert 'emocx_component_up{component="asterisk"} 0.0' in lines
    async with asyncio.timeout(5):  # the process tells its counts every second
        while 'emocx_http_request_seconds_count{area="api"} 1.0' not in (await world.get("/metrics"))[1]:
            pass


async def test_few_decisions_of_the_web_are_in_work_at_once(world: World, host: WebHost) -> None:
    world.pool.may_answer.clear()
    asking = [asyncio.create_task(world.ask(f"query {n}")) for n in range(12)]
    async with asyncio.timeout(30):
        while world.pool.asked < 4:
            await world.get("/healthz")
    done, _ = await asyncio.wait(asking, timeout=0.5)
    assert not done and world.pool.asked == 4
    world.pool.may_answer.set()
    assert [status for status, _ in await asyncio.gather(*asking)] == [200] * 12


async def test_a_killed_process_is_started_again_and_knows_all_again(world: World, host: WebHost) -> None:
    world.waits("1.1", "care")
    first = host.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(60):
        while True:
            try:
                status, live = await world.get("/api/v1/live")
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    assert host.pid != first and status == 200
    assert [call["call_id"] for call in msgspec.json.decode(live)["calls"]] == ["1.1"]
    assert world.metrics.value("web_restarts") == 1


async def test_a_deed_is_done_by_the_controller(world: World, host: WebHost) -> None:
    call_id = await tell(world.store, 1)
    status, row = await world.post(f"/calls/{call_id}/segments/0/dispute", {"reason": "not so"})
    assert (status, row["kind"], row["reason"]) == (201, "dispute", "not so")
    newest = (await world.store.audit.rows())[0]
    assert (newest.action, newest.actor) == ("grade.dispute", "token http.api_token")
    status, problem = await world.post(f"/calls/{call_id}/segments/7/dispute", {"reason": "not so"})
    assert (status, problem["detail"]) == (404, f"no grade of segment 7 of call {call_id}")
    assert (await world.post("/deliveries/replay", {"endpoint": "nobody", "failed": True}))[0] == 404


async def test_a_repeated_post_is_answered_alike_by_the_next_process(world: World, host: WebHost) -> None:
    call_id = await tell(world.store, 1)
    path, body, key = f"/calls/{call_id}/segments/0/dispute", {"reason": "no"}, {"Idempotency-Key": "k1"}
    status, first = await world.post(path, body, key)
    assert status == 201
    await world.kill(host)
    assert await world.post(path, body, key) == (201, first)
    assert [row.action for row in await world.store.audit.rows(action="grade.")] == ["grade.dispute"]


async def test_limits_of_dialling_outlive_the_process(world: World, host: WebHost) -> None:
    call = {"text": "call me", "callback_number": "030 123456", "default_queue": "support"}
    assert (await world.post("/queries", call))[0] == 202
    assert [row.subject for row in await world.store.audit.rows(action="call.placed")] != []
    await world.kill(host)
    status, problem = await world.post("/queries", call)
    assert (status, "dialling.number_cooldown_s" in problem["detail"]) == (429, True)


async def test_a_customer_erased_on_the_pages_is_forgotten_by_calls_that_go_on(
    world: World, host: WebHost
) -> None:
    await world.store.calls.start("1.9", 100.0, "crm-9", "+4930", "care", None)
    browser = await world.administrator()
    async with browser.get(f"{world.url}/admin/retention") as response:
        csrf = re.search(r'name="csrf" value="([^"]+)"', await response.text())
    assert csrf is not None
    form = {"csrf": csrf[1], "customer": "crm-9"}
    async with browser.post(f"{world.url}/admin/retention/erase", data=form) as response:
        assert response.status == 200
    await browser.close()
    assert world.forgotten == ["1.9"]

"""The web process for real, and the controller's end of it: answers, state, deaths and refusals."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import aiohttp
import msgspec
import pytest
from fixed_grounds import NoLines, grounds
from web.v1_calls import tell

from emocx_pbx.analysis.messages import ModelsLoaded, Ready, TextResult
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.rules import Rules
from emocx_pbx.deeds import deed
from emocx_pbx.deeds.doing import Deeds
from emocx_pbx.deeds.learning import Learning
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.callback import CallBack, Placed
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import DecidedQuery, Queries
from emocx_pbx.dispatch.queue_watch import QueueWatch
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.errors import SettingsError
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.message import AmiResponse
from emocx_pbx.pbx.tracking.changes import CallStarted, QueueJoined
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.service import web_host as module
from emocx_pbx.service.web_answers import Behind, WebAnswers
from emocx_pbx.service.web_host import WebHost
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import ChatSettings, HttpSettings, Settings, WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.sessions import SESSION, cookie_name
from emocx_pbx.web.messages import Admitted, CallPlaced, DeedDone, DoDeed, Failed, FromWeb, MayDial, Ring
from emocx_pbx.webhooks.schedule import AttemptOutcome
from emocx_pbx.wire import link as link_module
from emocx_pbx.wire.progress import ProcessProgress

TOKEN = "a-token-of-more-than-24-characters"


class Ami:
    """An Asterisk that takes every action."""

    def __init__(self) -> None:
        self.actions: list[tuple[str, Mapping[str, Any]]] = []
        self.state = type("State", (), {"version": "22.0.0"})

    async def action(
        self, name: str, fields: Mapping[str, Any], deadline_s: float | None = None
    ) -> AmiResponse:
        self.actions.append((name, fields))
        return AmiResponse({"Value": "x"}, [])


class Pool:
    """Hears anger in everything, once it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        self.asked += 1
        await self.may_answer.wait()
        return TextResult("1", (0.9, 0.04, 0.04, 0.02), 0.4)

    def pick(self) -> Any:
        raise AssertionError("nobody speaks here")


class World:
    """A controller's parts with a web process in front."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.pool, self.ami = Pool(), Ami()
        self.board, self.metrics, self.health = (
            LiveBoard(4.0),
            Metrics(),
            HealthBoard(lambda: 1_790_000_000.0),
        )
        self.policies = Policies(None)
        self.queues = QueueWatch(self.ami, self.policies)
        self.queues.queues = {"support": QueueState(0, 0.0, 2)}
        self.policies.watch("", self.queues)
        self.recorded: list[DecidedQuery] = []
        ids = (f"dec_{n}" for n in range(10**6))
        self.in_force = SettingsInForce(settings)
        decided_on = grounds(
            self.queues, now=lambda: 1_790_000_000.0, new_id=lambda: next(ids), in_force=self.in_force
        )
        self.queries = Queries(self.pool, decided_on, NoLines(), self.recorded.append, self.metrics.count)
        self.forgotten: list[str] = []
        self.listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})

    def behind(self) -> Behind:
        call_back = CallBack(self.ami, "Local/{number}@x", create_autospec(Placed, instance=True))  # type: ignore[arg-type]
        dialling = Dialling(self.settings.dialling, time.monotonic)
        return Behind(
            queries=self.queries,
            placing=Placing(dialling, call_back, self.store.audit),
            deeds=Deeds(
                self.store,
                self.in_force,
                self.policies,
                self,
                self,
                Learning(self.store, self.in_force, Tasks(), "service"),
            ),
            board=self.board,
            health=self.health,
            metrics=self.metrics,
            policies=self.policies,
            store=self.store,
            reloading=self,
            pool=self,
        )

    def host(self, **options: Any) -> WebHost:
        return WebHost(self.in_force, self.behind(), life="life", **options)

    def policy_and_models(self) -> asyncio.Task[list[ModelsLoaded]]:
        return asyncio.create_task(self._reloaded())

    def models(self) -> tuple[Ready, ...]:
        return (Ready(1, "voice/5", "lstm/2", None),)

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        self.forgotten += call_ids

    def waits(self, call_id: str, queue: str) -> None:
        """A caller of that queue, on the board."""
        call = CallState(call_id, Rules(load_rubric()))
        for happening in (
            CallStarted(call_id, 100.0, "PJSIP/c-1", queue, "+4930"),
            QueueJoined(call_id, 100.0, queue, 1),
        ):
            call.take(happening, 100.0)
        self.board.changed(call, 100.0)

    async def _reloaded(self) -> list[ModelsLoaded]:
        return [ModelsLoaded("1", "voice/5", "lstm/2")]

    async def test(self, name: str) -> AttemptOutcome:
        return AttemptOutcome(204)

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(f"http://127.0.0.1:{await self.listening}{path}") as response:
            return response.status, await response.text()

    async def post(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{await self.listening}/api/v1{path}"
        async with self.http.post(url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.result()}"

    async def administrator(self) -> aiohttp.ClientSession:
        """A browser of theirs, with a session."""
        by, cookie = Actor("test", ""), new_token()
        user = await self.store.accounts.add_user("ann", "admin", None, None, by)
        await self.store.accounts.add_session(token_hash(cookie), user, "127.0.0.1", "test", by)
        name = cookie_name(SESSION, self.settings.http)
        return aiohttp.ClientSession(cookies={name: cookie}, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def kill(self, host: WebHost) -> None:
        """End the process, and wait for its successor."""
        before = host.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                try:
                    if host.pid != before and (await self.get("/healthz"))[0] == 200:
                        return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def ask(self, text: str) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{await self.listening}/api/v1/queries"
        async with self.http.post(url, json={"text": text}) as response:
            return response.status, await response.json()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    http = HttpSettings(port=free_port(), api_token=TOKEN)
    settings = Settings(directory=str(tmp_path), http=http, dialling=DiallingSettings(country="DE"))
    store = await Store.open(settings.store_path())
    world = World(store, settings)
    yield world
    await world.http.close()
    await store.close()


@pytest.fixture
async def host(world: World) -> AsyncIterator[WebHost]:
    host = world.host()
    running = asyncio.create_task(host.run(world.listening))
    async with asyncio.timeout(30):
        await asyncio.shield(world.listening)
    yield host
    await host.stop()
    async with asyncio.timeout(5):
        await running


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


ASKS_ONCE = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
link.sendall(bytes.fromhex(sys.argv[1]))
while link.recv(65536):
    pass
"""


class Begun:
    """A step of a deed that is held until it is let go on."""

    def __init__(self) -> None:
        self.began, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def step(self) -> None:
        self.began.set()
        await self.may_go_on.wait()


async def asked_by_one_that_dies(world: World, begun: Begun, host: WebHost) -> None:
    """The web process is killed once the deed that it asked for has begun."""
    running = asyncio.create_task(host.run(world.listening))
    async with asyncio.timeout(30):
        await begun.began.wait()
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    await running
    with pytest.raises(SettingsError, match="it ended"):
        await world.listening
    begun.may_go_on.set()


def one_that_asks(message: FromWeb) -> tuple[str, ...]:
    body = msgspec.msgpack.encode(message)
    return (sys.executable, "-c", ASKS_ONCE, (len(body).to_bytes(4, "big") + body).hex())


async def test_a_deed_that_has_begun_is_finished_if_the_process_dies(world: World) -> None:
    begun, by = Begun(), Actor("ann", "192.0.2.1")
    crm = WebhookSettings(name="crm", url="https://crm.example/", secret="whsec_" + "A" * 32)
    await world.store.receivers.add(crm, by)

    async def tested(name: str) -> AttemptOutcome:
        await begun.step()
        return AttemptOutcome(204)

    world.test = tested  # type: ignore[method-assign]
    asked = DoDeed(1, deed.TestReceiver("crm"), by)
    host = world.host(command=one_that_asks(asked))
    await asked_by_one_that_dies(world, begun, host)
    async with asyncio.timeout(10):
        await host._answers.settle()
    rows = await world.store.audit.rows(action="webhook.tested")
    assert [(row.subject, row.actor) for row in rows] == [("crm", "ann")]


async def test_and_so_is_a_call_that_is_being_placed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, add = Begun(), world.store.audit.add

    async def slowly(*entry: Any) -> None:
        await add(*entry)
        await begun.step()

    monkeypatch.setattr(world.store.audit, "add", slowly)
    decision = Decision("d", 1.0, "ok", "support", "angry", 0.9, None)
    asked = Ring(1, CallToPlace("+4930123456", "emocx-call-1", decision), Actor("ann", "192.0.2.1"))
    host = world.host(command=one_that_asks(asked))
    assert host._behind.placing.admit("030 123456") == asked.call.number
    await asked_by_one_that_dies(world, begun, host)
    async with asyncio.timeout(10):
        await host._answers.settle()
    assert world.ami.actions[0][1]["ChannelId"] == "emocx-call-1"


async def test_a_port_that_is_taken_is_told_by_the_name_of_its_setting(world: World) -> None:
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", world.settings.http.port)
    try:
        await world.host().run(world.listening)
        with pytest.raises(SettingsError, match=r"http\.port: can't listen on 127\.0\.0\.1"):
            await world.listening
    finally:
        taken.close()
        await taken.wait_closed()


async def test_a_process_that_talks_nonsense_is_given_up(world: World, tmp_path: Path) -> None:
    script = tmp_path / "nonsense.py"
    script.write_text(
        "import socket, sys\n"
        "fd = int(sys.argv[sys.argv.index('--fd') + 1])\n"
        "socket.socket(fileno=fd).sendall(b'\\xff\\xff\\xff\\xff')\n"
    )
    await world.host(command=(sys.executable, str(script))).run(world.listening)
    with pytest.raises(SettingsError, match="sent an invalid message"):
        await world.listening


async def test_a_process_that_others_keep_from_the_core_at_its_start_is_waited_for(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_S", 0.02)
    monkeypatch.setattr(link_module, "SECOND_LOOK_S", 0.01)
    script, gate = tmp_path / "starved.py", tmp_path / "gate"
    script.write_text(
        "import fcntl, signal, socket, sys\n"
        "import msgspec\n"
        "from emocx_pbx.web.messages import Listening\n"
        "fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)\n"
        "body = msgspec.msgpack.encode(Listening(4711))\n"
        "link = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1]))\n"
        "link.sendall(len(body).to_bytes(4, 'big') + body)\n"
        "signal.pause()\n"
    )
    looks = 0
    with gate.open("w") as closed:
        fcntl.flock(closed, fcntl.LOCK_EX)

        def moved(progress: ProcessProgress) -> bool:
            nonlocal looks
            looks += 1
            if looks == 2 * module.FIRST_STARTS:
                fcntl.flock(closed, fcntl.LOCK_UN)
            return True

        monkeypatch.setattr(ProcessProgress, "moved", moved)
        host = world.host(command=(sys.executable, str(script), str(gate)))
        running = asyncio.create_task(host.run(world.listening))
        try:
            async with asyncio.timeout(60):
                assert await world.listening == 4711
            assert looks >= 2 * module.FIRST_STARTS
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_process_that_hangs_at_first_is_started_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_S", 0.05)
    monkeypatch.setattr(module, "AGAIN_S", (0.0,))
    counted: list[str] = []
    monkeypatch.setattr(world.metrics, "count", lambda name, *labels: counted.append(name))
    script = tmp_path / "slow.py"
    script.write_text("import signal\nsignal.pause()\n")
    await world.host(command=(sys.executable, str(script))).run(world.listening)
    with pytest.raises(SettingsError, match="silent"):
        await world.listening
    assert counted.count("web_restarts") == module.FIRST_STARTS - 1


@pytest.mark.parametrize("too_late", [False, True])
async def test_what_is_read_after_whoever_asked_gave_up_is_not_done(world: World, too_late: bool) -> None:
    by, at = Actor("ann", "192.0.2.1"), 1000.0
    crm = WebhookSettings(name="crm", url="https://crm.example/", secret="whsec_" + "A" * 32)
    await world.store.receivers.add(crm, by)
    answers = WebAnswers(world.behind(), lambda: at)
    until = at - 0.1 if too_late else at + 0.1
    number = await answers.answer(MayDial(1, "030 123456"))
    assert isinstance(number, Admitted)
    call = CallToPlace(number.number, "emocx-call-1", Decision("d", 1.0, "ok", "support", "angry", 0.9, None))
    answered = [
        await answers.answer(DoDeed(2, deed.TestReceiver("crm"), by, until)),
        await answers.answer(Ring(3, call, by, until)),
    ]
    done = {row.action for row in await world.store.audit.rows()} & {"webhook.tested", "call.placed"}
    if too_late:
        assert all(isinstance(answer, Failed) and "too late" in answer.why for answer in answered)
        assert done == set() and world.ami.actions == []
    else:
        assert [type(answer) for answer in answered] == [DeedDone, CallPlaced]
        assert len(done) == 2 and world.ami.actions

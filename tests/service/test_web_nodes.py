"""Web nodes and controllers over a real NATS server, on one real PostgreSQL: any node serves anything."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from databases import Databases
from service.web_world import TOKEN, World
from web.v1_calls import tell
from web.web_site import CHEAP, PASSWORD, Browser
from wire.nats_helpers import DEADLINE_S, Box, connected

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.check.check import check
from emocx_pbx.deeds.deed import ChangeUser
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.web_answers import WebAnswers
from emocx_pbx.service.web_nodes import WebNodes
from emocx_pbx.service.web_role import WebNode
from emocx_pbx.settings.cluster import ClusterSettings
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.records import StoreSettings
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.web.identity.throttle import HERE
from emocx_pbx.web.limited import LIMITS
from emocx_pbx.web.nodes.controllers import LOST_S
from emocx_pbx.web.nodes.messages import NodeBeat, Taken
from emocx_pbx.wire.bus import Bus

TEST = Actor("test", "")


class Controller:
    """A controller's parts over NATS; `acts` for PBXes in a term."""

    def __init__(self, world: World, bus: Bus, name: str, acts: dict[str, int]) -> None:
        self.world, self.bus, self.acts = world, bus, acts
        self.slept_s = -1234.5
        """Its monotonic clock is not the nodes'."""
        self.answers = WebAnswers(world.behind(), self.clock)
        self.nodes = WebNodes(
            bus, f"life-{name}", name, self.answers, world.board, lambda: self.acts, self.clock
        )
        self.tasks = Tasks()

    def clock(self) -> float:
        return time.monotonic() + self.slept_s

    async def end(self) -> None:
        """At once, as if killed."""
        await self.bus.close()
        await self.tasks.__aexit__(None, None, None)


class Node:
    """A web node, and browsers that open its pages."""

    def __init__(self, node: WebNode, port: int, stack: AsyncExitStack) -> None:
        self.node, self._stack, self.url = node, stack, f"http://127.0.0.1:{port}"
        self._program: aiohttp.ClientSession | None = None
        self._news = asyncio.Event()
        self.node.controllers.mirror.changes.subscribe(lambda change: self._news.set())
        self.node.controllers.board_anew.subscribe(self._news.set)

    async def browser(self, cookies: dict[str, str] | None = None) -> Browser:
        jar = aiohttp.CookieJar(unsafe=True)
        http = await self._stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar, cookies=cookies))
        return Browser(http, self.url)

    async def program(self) -> aiohttp.ClientSession:
        """A program with the settings' token."""
        if self._program is None:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            self._program = aiohttp.ClientSession(self.url, headers=headers)
            await self._stack.enter_async_context(self._program)
        return self._program

    async def got(self, path: str) -> tuple[int, Any]:
        """What a program is answered."""
        async with (await self.program()).get(path) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def live_ids(self) -> list[str] | str:
        """Calls of the live view; or why it is not there."""
        status, answer = await self.got("/api/v1/live")
        if status != 200:
            assert status == 503
            return str(answer["detail"])
        return [call["call_id"] for call in answer["calls"]]

    async def until_live(self, found: Callable[[Any], bool]) -> Any:
        """The live view, as soon as it is so."""
        async with asyncio.timeout(DEADLINE_S):
            while not found(self._now()):
                self._news.clear()
                await self._news.wait()
        return await self.live_ids()

    def _now(self) -> list[str] | str:
        try:
            return [call.call_id for call in self.node.serving.live.snapshot(None).calls]
        except PeerUnavailable as error:
            return str(error)


class House:
    """Nodes and controllers of one database."""

    def __init__(self, nats: PrivateNats, place: str, folder: Path, stack: AsyncExitStack) -> None:
        self.nats, self.place, self.folder, self._stack = nats, place, folder, stack

    def settings(self, **more: Any) -> Settings:
        http = HttpSettings(port=free_port(), api_token=TOKEN, check_minutes=0, **more)
        return Settings(
            directory=str(self.folder),
            http=http,
            store=StoreSettings(url=self.place),
            cluster=ClusterSettings(nats=self.nats.url, node="n"),
            dialling=DiallingSettings(country="DE"),
        )

    async def node(self, **more: Any) -> Node:
        settings = self.settings(**more)
        store = await Store.open(self.place, migrating=False)
        self._stack.push_async_callback(store.close)
        tasks = await self._stack.enter_async_context(Tasks())
        node = WebNode(settings, store, tasks, Metrics())
        self._stack.push_async_callback(node.bus.close)
        listening = await node.start()
        self._stack.push_async_callback(listening.stop)
        return Node(node, listening.port, self._stack)

    async def controller(self, name: str, acts: dict[str, int]) -> Controller:
        store = await Store.open(self.place)
        self._stack.push_async_callback(store.close)
        world = World(store, self.settings())
        self._stack.push_async_callback(world.http.close)
        controller = Controller(world, await connected(self.nats.url), name, acts)
        self._stack.push_async_callback(controller.end)
        await controller.nodes.start(controller.tasks)
        return controller


@pytest.fixture
def nats() -> Iterator[PrivateNats]:
    with PrivateNats() as server:
        yield server


@pytest.fixture
async def house(nats: PrivateNats, databases: Databases, tmp_path: Path) -> AsyncIterator[House]:
    with databases.one() as place:
        async with AsyncExitStack() as stack:
            yield House(nats, place, tmp_path, stack)


async def logged_in(house: House, node: Node, role: Any = "admin") -> Browser:
    """A browser that logs in at this node by name and password."""
    accounts = node.node.serving.parts.store.accounts
    if await accounts.user_named("ann") is None:
        await accounts.add_user("ann", role, None, CHEAP.hash(PASSWORD), TEST)
    browser = await node.browser()
    await browser.open("/login")
    async with await browser.post("/login", name="ann", password=PASSWORD) as response:
        assert response.status == 303
    return browser


def at(browser: Browser, node: Node) -> Browser:
    """The same browser, sent to another node by a load balancer."""
    other = Browser(browser.http, node.url)
    other.csrf = browser.csrf
    return other


async def status_of(browser: Browser, path: str) -> int:
    async with await browser.get(path) as response:
        return response.status


async def test_a_session_of_one_node_holds_on_all_and_ends_on_all(house: House) -> None:
    a, b = await house.node(), await house.node()
    browser = await logged_in(house, a)  # without any controller
    there = at(browser, b)
    assert "ann" in await there.open("/account")
    async with await there.post("/logout") as response:  # a form of the one node, sent to the other
        assert response.status == 303
    assert await status_of(at(browser, a), "/account") == 303
    # Another role holds everywhere at once; a new password ends every other session.
    first, second = await logged_in(house, a), await logged_in(house, b)
    accounts = a.node.serving.parts.store.accounts
    user = await accounts.user_named("ann")
    assert user is not None and await status_of(first, "/admin") == 200
    await accounts.add_user("root", "admin", None, CHEAP.hash(PASSWORD), TEST)
    changed = ChangeUser(user.user_id, "supervisor", "", False, ())
    await b.node.serving.parts.deeds.do(changed, TEST)
    assert await status_of(at(first, b), "/admin") in {303, 403}
    third, fourth = await logged_in(house, a), await logged_in(house, b)
    await third.open("/account")
    new = "another good sentence"
    async with await third.post("/account/password", old=PASSWORD, password=new, again=new) as response:
        assert response.status == 303
    assert await status_of(at(fourth, a), "/account") == 303
    assert await status_of(at(third, b), "/account") == 200
    assert await status_of(second, "/account") == 303


async def test_every_node_shows_the_calls_of_all_controllers(house: House) -> None:
    north = await house.controller("north", {"": 1})
    south = await house.controller("south", {"munich": 1})
    north.world.waits("1.1", "care")
    a, b = await house.node(), await house.node()
    assert await a.until_live(lambda ids: ids == ["1.1"])
    south.world.waits("munich/2.1", "sales")  # told, where the first was asked for
    for node in (a, b):
        await node.until_live(lambda ids: sorted(ids) == ["1.1", "munich/2.1"])
    south.world.waits("9.9", "sales")  # of a PBX that another acts for: not shown twice, nor by it
    north.world.waits("1.2", "care")
    await a.until_live(lambda ids: "1.2" in ids)
    assert "9.9" not in await a.live_ids()


async def test_a_deed_on_a_node_is_the_controllers_with_its_line_in_the_audit_log(house: House) -> None:
    controller = await house.controller("north", {"": 1})
    b = await house.node()
    await b.until_live(lambda ids: ids == [])
    call_id = await tell(controller.world.store, 1)
    program = await b.program()
    path, key = f"/api/v1/calls/{call_id}/segments/0/dispute", {"Idempotency-Key": "k1"}
    async with program.post(path, json={"reason": "not so"}, headers=key) as response:
        assert response.status == 201
        first = await response.json()
    newest = (await controller.world.store.audit.rows())[0]
    assert (newest.action, newest.actor) == ("grade.dispute", "token http.api_token")
    a = await house.node()
    async with (await a.program()).post(path, json={"reason": "not so"}, headers=key) as response:
        assert (response.status, response.headers["Idempotent-Replayed"]) == (201, "true")
        assert await response.json() == first
    async with program.post(path.replace("/0/", "/7/"), json={"reason": "no"}) as response:
        assert response.status == 404  # as the controller failed
    async with program.post("/api/v1/queries", json={"text": "I am furious"}) as response:
        assert (await response.json())["emotion"] == "angry"


async def test_without_a_controller_records_are_served_and_the_live_view_says_so(house: House) -> None:
    north = await house.controller("north", {"": 1})
    north.world.waits("1.1", "care")
    call_id = await tell(north.world.store, 1)
    a = await house.node()
    await a.until_live(lambda ids: ids == ["1.1"])
    async with (await a.program()).get("/api/v1/live/events") as watching:
        assert (await watching.content.readline()).startswith(b"retry")
        await north.end()
        async with asyncio.timeout(DEADLINE_S):  # whoever watches is sent away, and comes again to be told
            while await watching.content.readline():
                pass
    assert "no controller answers" in await a.until_live(lambda ids: isinstance(ids, str))
    assert (await a.got(f"/api/v1/calls/{call_id}"))[0] == 200
    assert (await a.got("/readyz"))[0] == 200
    async with (await a.program()).post("/api/v1/queries", json={"text": "hello"}) as response:
        assert (response.status, (await response.json())["detail"]) == (503, "no controller answers")
    browser = await logged_in(house, a)
    assert call_id in await browser.open("/calls")
    # Another one takes over.
    south = await house.controller("south", {"": 2})
    south.world.waits("1.3", "care")
    await a.until_live(lambda ids: ids == ["1.3"])


async def test_of_two_that_say_that_they_act_the_later_term_is_believed(house: House) -> None:
    old = await house.controller("north", {"": 1})
    old.world.waits("1.1", "care")
    a = await house.node()
    await a.until_live(lambda ids: ids == ["1.1"])
    new = await house.controller("south", {"": 2})
    new.world.waits("1.2", "care")
    await a.until_live(lambda ids: ids == ["1.2"])


async def test_what_is_lost_on_the_way_is_asked_for_anew(house: House) -> None:
    north = await house.controller("north", {"": 1})
    north.world.waits("1.1", "care")
    a = await house.node()
    await a.until_live(lambda ids: ids == ["1.1"])
    house.nats.kill()
    async with asyncio.timeout(DEADLINE_S):
        while north.bus.up:
            await north.bus.tell("nobody", Taken())
            await asyncio.sleep(0)
    for number in range(2, 20):
        north.world.waits(f"1.{number}", "care")  # nobody is told
    assert "NATS" in await a.until_live(lambda ids: isinstance(ids, str))
    house.nats.start()
    await a.until_live(lambda ids: len(ids) == 19)


async def test_a_frozen_controllers_question_fails_as_soon_as_it_is_known_to_be_gone(house: House) -> None:
    north = await house.controller("north", {"": 1})
    a = await house.node()
    await a.until_live(lambda ids: ids == [])
    north.world.pool.may_answer.clear()
    program = await a.program()
    call_id = await tell(north.world.store, 1)
    never = asyncio.Event()

    async def silent(*args: Any) -> Any:
        await never.wait()

    north.answers.answer = silent  # type: ignore[method-assign, assignment]
    asking = asyncio.create_task(
        program.post(f"/api/v1/calls/{call_id}/segments/0/dispute", json={"reason": "not so"})
    )
    await asyncio.wait([asking], timeout=0.2)
    for task in list(north.tasks._running):
        task.cancel()  # no beat any more; the connection stays
    async with asyncio.timeout(15), await asking as response:  # a deed has 20 s
        assert response.status == 503
        assert "gone" in (await response.json())["detail"]
    never.set()


async def test_what_a_controller_reads_after_it_stood_still_is_not_done(house: House) -> None:
    north = await house.controller("north", {"": 1})
    a = await house.node()
    await a.until_live(lambda ids: ids == [])
    call_id = await tell(north.world.store, 1)
    for task in list(north.tasks._running):
        task.cancel()  # no beat any more
    north.slept_s += LOST_S
    path = f"/api/v1/calls/{call_id}/segments/0/dispute"
    async with (await a.program()).post(path, json={"reason": "not so"}) as response:
        assert response.status == 503
        assert "too late" in (await response.json())["detail"]
    assert not await north.world.store.audit.rows(action="grade.dispute")


async def test_a_limit_of_requests_holds_over_all_nodes(house: House) -> None:
    a, b = [await house.node(api_requests_per_minute=60) for _ in range(2)]
    told = Box()
    bus = await connected(house.nats.url)
    await bus.hear(subjects.WEB_NODES, msgspec.msgpack.Decoder(NodeBeat), told)
    for _ in range(40):
        assert (await a.got("/api/v1/calls?limit=1"))[0] == 200
    await told.until(lambda: sum(n for beat in told.found for _, _, n in beat.uses) == 40)
    limit = b.node.app[LIMITS].limit
    async with asyncio.timeout(DEADLINE_S):
        while limit.left("address 127.0.0.1", time.time()) != 20:
            await b.got("/healthz")  # its own turn to hear it
    got = [(await b.got("/api/v1/calls?limit=1"))[0] for _ in range(21)]
    assert got == [200] * 20 + [429]
    await bus.close()


async def test_the_check_of_a_web_node_hears_controllers_and_other_nodes(house: House) -> None:
    await house.controller("north", {"": 1})
    await house.node()
    found = await check(house.settings(), role="web")
    assert not [finding for finding in found if finding.level == "fail"]
    assert {"controller north acts for the PBX", "web node n"} <= {finding.what for finding in found}


async def test_guessed_passwords_are_counted_over_all_nodes(house: House) -> None:
    nodes = [await house.node(), await house.node()]
    accounts = nodes[0].node.serving.parts.store.accounts
    await accounts.add_user("ann", "admin", None, CHEAP.hash(PASSWORD), TEST)
    browsers = [await node.browser() for node in nodes]
    for browser in browsers:
        await browser.open("/login")

    async def guess(browser: Browser, password: str = "wrong wrong") -> int:
        async with await browser.post("/login", name="ann", password=password) as response:
            return response.status

    statuses = [await guess(browsers[number % 2]) for number in range(HERE + 1)]
    assert statuses == [401] * HERE + [429]
    assert await guess(browsers[0], PASSWORD) == 429

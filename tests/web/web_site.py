"""The HTTP app over a real store, a clock that tests set, and browsers that remember their cookies."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from argon2 import PasswordHasher
from fixed_grounds import NoLines, grounds

from emocx_pbx.analysis.messages import ModelsLoaded, Ready, TextResult
from emocx_pbx.chat.chat_desk import ChatDesk
from emocx_pbx.deeds.doing import Deeds
from emocx_pbx.deeds.learning import Learning
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.callback import CallBack, Placed, new_call_id
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.queries import Queries
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.gateway import AmiGateway
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy, load_policy
from emocx_pbx.settings.dialling import DiallingSettings
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.store.account_rows import Actor, Role, User
from emocx_pbx.store.database import Store
from emocx_pbx.web.app import create_app
from emocx_pbx.web.identity.passwords import Passwords, new_token, token_hash
from emocx_pbx.web.identity.sessions import SESSION, cookie_name, form_token
from emocx_pbx.web.listening import READING
from emocx_pbx.web.parts import Parts
from emocx_pbx.web.v1.openapi import refusals_of
from emocx_pbx.web.v1.routes import ENDPOINTS
from emocx_pbx.webhooks.schedule import AttemptOutcome

TEST = Actor("test", "127.0.0.1")
#: The hash's cost is not what these tests are about.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "a good long sentence"
#: What each handler of the API may answer by its document.
STATUSES: dict[Any, set[int]] = {e.handler: {304, *e.answers, *refusals_of(e)} for e in ENDPOINTS}
#: Answers of a site's API that the document does not have; looked at after each test.
UNDOCUMENTED: list[str] = []


class Clock:
    """Unix seconds as a test wants them."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class AngryPool:
    """Takes every text for an angry one; no worker process behind it."""

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        return TextResult("1", (0.9, 0.04, 0.04, 0.02), 0.4, None, 0.0)

    def pick(self, pbx: str = "", *, waits: bool = False) -> Any:
        raise AssertionError("nobody speaks here")


class PlacedAtOnce(Placing):
    """Places calls as the controller does, asked as the web process asks it."""

    async def admit(self, text: str, pbx: str | None = None) -> str:  # type: ignore[override]
        return super().admit(text)

    def new_call_id(self, pbx: str | None = None) -> str:
        return new_call_id(uuid.uuid4, pbx or "")


class Browser:
    """One browser: its cookies, and the form token of its session."""

    def __init__(self, http: aiohttp.ClientSession, url: str, cookie: str = "") -> None:
        self.http, self.url, self.csrf = http, url, form_token(cookie)

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.http.get(self.url + path, allow_redirects=False, **options)

    async def post(
        self, path: str, csrf: str | None = None, headers: dict[str, str] | None = None, **form: Any
    ) -> aiohttp.ClientResponse:
        """A form sent as the browser would; `csrf` "" leaves the token out."""
        token = self.csrf if csrf is None else csrf
        data = [(k, v) for k, vs in form.items() for v in (vs if isinstance(vs, list) else [vs])]
        return await self.http.post(
            self.url + path, data=[("csrf", token), *data], headers=headers, allow_redirects=False
        )

    async def open(self, path: str) -> str:
        """A page's HTML, and from now on its form token."""
        async with await self.get(path) as response:
            html = await response.text()
            assert response.status == 200, (path, response.status, html)
        if found := re.search(r'name="csrf" value="([^"]+)"', html):
            self.csrf = found[1]
        return html


class Site:
    """The app, listening on a free port; `life` and `port` are for one that comes back after another."""

    def __init__(
        self, store: Store, settings: Settings, clock: Clock, life: str = "life", port: int | None = None
    ) -> None:
        self.store, self.clock, self.settings = store, clock, settings
        self.policy: Policy = load_policy(settings.policy_path())
        self.queues: Mapping[str, QueueState] = {
            "support": QueueState(0, 0.0, 2),
            "vip": QueueState(1, 12.0, 1),
        }
        self.metrics = metrics = Metrics()
        ids = (f"dec_{n}" for n in range(10**6))
        self.widening: Collection[int] = ()
        in_force = SettingsInForce(settings)
        decided_on = grounds(self, now=clock, new_id=lambda: next(ids), in_force=in_force)
        self.queries = Queries(AngryPool(), decided_on, NoLines(), lambda decided: None, metrics.count)
        ami = AmiGateway(settings.asterisk, lambda event: None, lambda state: None)
        self.call_back = CallBack(ami, "Local/{number}@x", create_autospec(Placed, instance=True))
        self.dialling = Dialling(settings.dialling, clock)
        self.placing = PlacedAtOnce(self.dialling, self.call_back, store.audit, clock)
        self.forgotten: list[str] = []
        self.tasks = Tasks()
        self.learning = Learning(store, in_force, self.tasks, "service", clock)
        self.deeds = Deeds(store, in_force, self, self, self, self.learning, clock)
        tickets = (f"{n:032x}" for n in range(10**6))
        self.chat = ChatDesk(
            settings.chat, self.queries, self.placing, self.dialling.on, self, metrics.count, clock,
            lambda: next(tickets),
        )  # fmt: skip
        self.board, self.health = LiveBoard(4.0), HealthBoard(clock)
        self.live = LiveFeed(self.board, life, clock)
        self.parts = Parts(
            in_force=in_force,
            store=store,
            controller=self,
            queries=self.queries,
            call_back=self.placing,
            deeds=self.deeds,
            chat=self.chat,
            live=self.live,
            health=self.health,
            metrics=metrics,
            now=clock,
        )
        self.tested: list[str] = []
        self.reloaded = 0
        self.app = create_app(self.parts, Passwords(CHEAP))
        self.app.on_response_prepare.append(self._documented)
        self.server = TestServer(self.app, port=port)
        self._sessions: list[aiohttp.ClientSession] = []

    @property
    def pbx_queues(self) -> Mapping[str, Mapping[str, QueueState]]:
        """As RemoteController has it."""
        return {"": self.queues}

    @property
    def queues_to_name(self) -> Mapping[str, QueueState]:
        """As Policies has it."""
        return self.queues

    async def _documented(self, request: web.Request, response: web.StreamResponse) -> None:
        if (statuses := STATUSES.get(request.match_info.handler)) and response.status not in statuses:
            UNDOCUMENTED.append(f"{request.method} {request.path}: {response.status}")

    def models(self) -> Sequence[Ready]:
        return [Ready(1, Registry().find("speech", "voice").card.title, "lstm/1", None)]

    async def scrape(self) -> tuple[bytes, str]:
        return self.metrics.render()

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        self.policy = load_policy(self.settings.policy_path())
        self.reloaded += 1
        return []

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        self.forgotten += call_ids

    async def test(self, name: str) -> AttemptOutcome:
        self.tested.append(name)
        return AttemptOutcome(204)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/")).rstrip("/")

    async def stop(self) -> None:
        await self.tasks.__aexit__(None, None, None)
        self.live.stop()
        for session in self._sessions:
            await session.close()
        await self.server.close()

    def browser(self, cookie: str = "") -> Browser:
        """A browser that nobody has logged in with."""
        jar = aiohttp.CookieJar(unsafe=True)
        http = aiohttp.ClientSession(cookie_jar=jar)
        if cookie:
            jar.update_cookies({cookie_name(SESSION, self.settings.http): cookie}, self.server.make_url("/"))
        self._sessions.append(http)
        return Browser(http, self.url, cookie)

    async def user(self, name: str, role: Role, agent: str | None = None) -> User:
        """A user whose password is PASSWORD."""
        return await self.store.accounts.add_user(name, role, agent, CHEAP.hash(PASSWORD), TEST)

    async def logged_in(self, role: Role, agent: str | None = None) -> Browser:
        """A browser with a session of a user of that role, made if missing."""
        agent = agent or ("bob" if role == "agent" else None)
        name = f"{role}-{agent}" if agent else role
        user = await self.store.accounts.user_named(name) or await self.user(name, role, agent)
        cookie = new_token()
        await self.store.accounts.add_session(token_hash(cookie), user, "127.0.0.1", "test", TEST)
        return self.browser(cookie)


async def open_site(path: Path, settings: Settings | None = None, place: Path | str | None = None) -> Site:
    """A site over a new database, at `place` or as a file; `stop` it and close its store."""
    settings = settings or Settings(
        directory=str(path),
        http=HttpSettings(open_to_this_machine=True),
        dialling=DiallingSettings(country="DE"),
    )
    clock = Clock()
    store = await Store.open(place or path / "emocx.db", settings.webhooks, clock)
    try:
        site = Site(store, settings, clock)
        await site.server.start_server(**READING)  # as the real door reads
    except BaseException:
        await store.close()  # its threads would keep the tests from ending
        raise
    return site

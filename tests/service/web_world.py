"""A controller's parts with a web process in front of them, for tests of the web host and of web nodes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import create_autospec

import aiohttp
from fixed_grounds import NoLines, grounds

from emocx_pbx.analysis.messages import ModelsLoaded, Ready, TextResult
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.rules import Rules
from emocx_pbx.deeds.doing import Deeds
from emocx_pbx.deeds.learning import Learning
from emocx_pbx.deeds.placing import Placing
from emocx_pbx.dispatch.callback import CallBack, Placed
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import DecidedQuery, Queries
from emocx_pbx.dispatch.queue_watch import QueueWatch
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.message import AmiResponse
from emocx_pbx.pbx.tracking.changes import CallStarted, QueueJoined
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.service.web_answers import Behind
from emocx_pbx.service.web_host import WebHost
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.sessions import SESSION, cookie_name
from emocx_pbx.webhooks.schedule import AttemptOutcome

TOKEN = "a-token-of-more-than-24-characters"


class Ami:
    """An Asterisk that takes every action."""

    def __init__(self) -> None:
        self.actions: list[tuple[str, Mapping[str, str | list[str]]]] = []
        self.state = type("State", (), {"version": "22.0.0"})

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        self.actions.append((name, fields or {}))
        return AmiResponse({"Value": "x"}, ())


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

    def pick(self, pbx: str = "", *, waits: bool = False) -> Any:
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

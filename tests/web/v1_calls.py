"""Calls for tests of the API, told to the store as the journeys tell it, and a client with a token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
from web.web_site import TEST, Site

from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment, Visit
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.database import Store
from emocx_pbx.web.identity.access import SCOPES
from emocx_pbx.web.identity.passwords import new_token, token_hash

ANGRY, HAPPY = (0.9, 0.05, 0.03, 0.02), (0.02, 0.05, 0.03, 0.9)
BEGIN = 1_789_990_000.0


async def tell(
    store: Store,
    number: int,
    *,
    agents: tuple[str, ...] = ("bob",),
    queue: str = "care",
    customer: str | None = "crm-1",
    status: str = "ok",
) -> str:
    """One call; its id."""
    at, call_id = BEGIN + 100.0 * number, f"{BEGIN:.0f}.{number}"
    decision = Decision(
        f"dec_{number}", at, status, queue, "angry", 0.9, None, "bill", rule="r", reasons=("so",)
    )
    await store.decisions.record(decision, call_id, customer, None)
    await store.calls.start(
        call_id, at, customer, f"+49{number}", queue, decision.decision_id, queued_at=at + 2
    )
    for index, agent in enumerate(agents):
        began = at + 10 + 20 * index
        part = Segment(call_id, index, agent, f"PJSIP/{agent}", queue, "queue", began)
        await store.calls.save_segment(part)
        await store.calls.set_tapped(call_id, at + 10)
        scores = [Scores(ANGRY, 0.4), Scores(HAPPY, 0.4), Scores(HAPPY, 0.4)]
        heard = [Reading(4.0 * i, 4.0 * i + 4, 4.0, s, "m/1") for i, s in enumerate(scores)]
        await store.readings.add(call_id, heard)
        await store.calls.save_segment(replace(part, ended_at=began + 15, end_reason="agent_hung_up"))
        grade = Grade(70.0, "B", 60.0, 80.0, 9.0, (Contribution("base", 70.0, "all"),))
        await store.grades.save(call_id, index, grade, at=began + 18)
    reason = "hangup" if agents else "abandoned"
    left = (at + 10, "answered") if agents else (at + 60, "abandoned")
    await store.calls.save_visit(call_id, 0, Visit(queue, at + 2, *left))
    await store.calls.end(
        call_id, at + 60, reason, [NewEvent("call.ended", call_id, {}, at + 60)], disposition=left[1]
    )
    return call_id


class Client:
    """A program with a token."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http, self._url = http, f"{url}/api/v1"
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        """The JSON of an answer of that status, or its text; the answer itself is `last`."""
        return await self._send("GET", path, status, None, headers)

    async def post(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        return await self._send("POST", path, status, body, headers)

    async def _send(self, method: str, path: str, status: int, body: Any, headers: dict[str, str]) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.request(
            method, self._url + path, json=body, headers=self.headers | named
        ) as self.last:
            text = await self.last.text()
            assert self.last.status == status, (method, path, self.last.status, text)
            return await self.last.json(content_type=None) if "json" in self.last.content_type else text


async def client_of(site: Site, *scopes: str) -> Client:
    """A client whose token has these scopes; none: all."""
    token = new_token()
    await site.store.accounts.add_api_token(
        token[:8], token_hash(token), "tester", scopes or SCOPES, None, TEST
    )
    return Client(site.browser().http, site.url, token)

"""Two worlds that differ only in what somebody may not know: every answer is the same in both.

So neither a field nor a sum, a filter, an order, a cursor or a status of any route tells of it. What differs:
for an agent, colleagues' parts of the agent's calls (readings, grades, disputes, alerts, names) and all calls
without a part of the agent's; for a supervisor with a team, the calls in other queues.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from web.web_site import TEST, Browser, Site, open_site

from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment, Visit
from emocx_pbx.events.event import NewEvent
from emocx_pbx.store.database import Store
from emocx_pbx.store.grades import Revision
from emocx_pbx.store.rows import AlertRow, GradeRow
from emocx_pbx.web.identity.passwords import token_hash

BEGIN = 1_789_990_000.0
COOKIE = "the same in both worlds, so that forms carry the same token"
LETTERS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True)
class Part:
    """What one agent's part of a call came to: what only those who may see it know."""

    emotions: tuple[int, ...]
    score: float
    letter: str
    disputed: bool
    alerted: bool


@dataclass(frozen=True)
class Call:
    """A call: whose parts it has, in which queue."""

    queue: str
    agents: tuple[str, ...]
    parts: tuple[Part, ...]


parts = st.builds(
    Part,
    emotions=st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple),
    score=st.integers(0, 100).map(float),
    letter=st.sampled_from(LETTERS),
    disputed=st.booleans(),
    alerted=st.booleans(),
)
calls = st.builds(
    Call,
    queue=st.sampled_from(("care", "sales")),
    agents=st.lists(st.sampled_from(("bob", "eve", "kim")), min_size=1, max_size=3).map(tuple),
    parts=st.tuples(parts, parts, parts),
)
OTHERS = {"eve": "kim", "kim": "eve"}


def for_bob(call: Call, other: tuple[Part, ...]) -> Call:
    """The call with other colleagues and other things in their parts; what is bob's stays."""
    agents = tuple(OTHERS.get(agent, agent) for agent in call.agents)
    whose = itertools.chain(call.agents, itertools.repeat(""))
    kept = tuple(
        part if agent == "bob" else new for agent, part, new in zip(whose, call.parts, other, strict=False)
    )
    return replace(call, agents=agents, parts=kept)


def for_care(call: Call, other: tuple[Part, ...]) -> Call:
    """Another call, if it was in another queue than care."""
    if call.queue == "care":
        return call
    return replace(call, agents=tuple(OTHERS.get(a, a) for a in call.agents), parts=other)


def always(word: Revision) -> Callable[[Segment, GradeRow], Revision]:
    return lambda part, newest: word


async def happened(store: Store, number: int, call: Call) -> None:
    at, call_id = BEGIN + 500.0 * number, f"{BEGIN:.0f}.{number}"
    decision = Decision(f"dec_{number}", at, "ok", call.queue, "angry", 0.9, None, "bill", rule="r")
    await store.decisions.record(decision, call_id, f"crm-{number}", None)
    await store.calls.start(
        call_id, at, f"crm-{number}", f"+4930{number}", call.queue, decision.decision_id, queued_at=at + 2
    )
    await store.calls.set_tapped(call_id, at + 10)
    for index, (agent, part) in enumerate(zip(call.agents, call.parts, strict=False)):
        began = at + 10 + 40 * index
        segment = Segment(call_id, index, agent, f"PJSIP/{agent}", call.queue, "queue", began)
        await store.calls.save_segment(segment)
        readings = []
        for i, emotion in enumerate(part.emotions):
            a, n, d, h = (0.7 if k == emotion else 0.1 for k in range(4))
            t0 = 40.0 * index + 1 + 5 * i
            readings.append(Reading(t0, t0 + 4, 4.0, Scores((a, n, d, h)), f"m/{part.score:.0f}"))
        await store.readings.add(call_id, readings)
        await store.calls.save_segment(replace(segment, ended_at=began + 30, end_reason="agent_hung_up"))
        grade = Grade(
            part.score, part.letter, part.score, part.score, 9.0, (Contribution("base", part.score, "all"),)
        )
        await store.grades.save(call_id, index, grade, at=began + 33)
        if part.disputed:
            word = Revision("dispute", grade, agent, f"no-{part.score}", TEST)
            await store.grades.revise(call_id, index, always(word))
        if part.alerted:
            message = f"alarm-{part.score}"
            alert = AlertRow(
                call_id, "anger", 40.0 * index + 1, 40.0 * index + 5, began + 5, index, agent, message
            )
            await store.alerts.save([alert])
    await store.calls.save_visit(call_id, 0, Visit(call.queue, at + 2, at + 10, "answered"))
    end = [NewEvent("call.ended", call_id, {}, at + 200)]
    await store.calls.end(call_id, at + 200, "hangup", end, disposition="answered")


def questions(site: Site, number: int) -> list[str]:
    """Every page and endpoint that is read, for every call, and the lists by every filter."""
    fill: dict[str, list[str]] = {
        "call_id": [f"{BEGIN:.0f}.{n}" for n in range(number)],
        "segment": ["0"],
        "decision_id": ["dec_0"],
        "agent": ["bob", "eve"],
        "reading": ["0", "2"],
        "part": ["0"],
    }
    asked: list[str] = []
    for resource in site.app.router.resources():
        path = resource.canonical
        if "GET" not in {route.method for route in resource}:
            continue
        names = re.findall(r"{(\w+)}", path)
        if path.startswith("/static") or path in {"/metrics", "/readyz"} or not set(names) <= set(fill):
            continue
        for values in itertools.product(*(fill[name] for name in names)):
            filled = path
            for name, value in zip(names, values, strict=True):
                filled = filled.replace(f"{{{name}}}", quote(value))
            asked.append(filled)
    filters: dict[str, tuple[str, ...]] = {
        "letter": LETTERS,
        "left_as": ("angry", "neutral", "happy"),
        "disputed": ("true", "false"),
        "alert": ("true", "false"),
        "agent": ("eve",),
        "queue": ("sales",),
        "limit": ("1",),
        "search": ("crm-1",),
    }
    for name, values in filters.items():
        asked += [f"/api/v1/{kind}?{urlencode({name: v})}" for kind in ("calls", "grades") for v in values]
        asked += [f"{page}?{urlencode({name: v})}" for page in ("/calls", "/calls.csv") for v in values]
    asked += [f"{page}?only={only}" for page in ("/calls", "/calls.csv") for only in ("disputed", "alert")]
    return [path for path in asked if "/live/events" not in path]


async def answers(observed: list[Call], who: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """What one user is answered in one world."""
    with tempfile.TemporaryDirectory() as folder:
        site = await open_site(Path(folder))
        try:
            accounts = site.store.accounts
            user = await accounts.add_user("ann", who["role"], who["agent"], None, TEST, who["queues"])
            await accounts.add_session(token_hash(COOKIE), user, "127.0.0.1", "test", TEST)
            for number, call in enumerate(observed):
                await happened(site.store, number, call)
            browser = site.browser(COOKIE)
            return {path: await _answer(browser, path) for path in questions(site, len(observed))}
        finally:
            await site.stop()
            await site.store.close()


async def _answer(browser: Browser, path: str) -> tuple[int, str]:
    async with await browser.get(path, timeout=aiohttp.ClientTimeout(total=30)) as response:
        return response.status, await response.text()


BOB = {"role": "agent", "agent": "bob", "queues": None}
CARE = {"role": "supervisor", "agent": None, "queues": ("care",)}


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(calls, min_size=2, max_size=3), st.tuples(parts, parts, parts), st.sampled_from(("bob", "care"))
)
def test_no_answer_depends_on_what_may_not_be_known(
    observed: list[Call], other: tuple[Part, ...], who: str
) -> None:
    user, changed = (BOB, for_bob) if who == "bob" else (CARE, for_care)
    here = asyncio.run(answers(observed, user))
    there = asyncio.run(answers([changed(call, other) for call in observed], user))
    assert sum(status == 200 for status, _ in here.values()) >= 8
    different = [path for path, answer in here.items() if there[path] != answer]
    assert different == [], [(here[p], there[p]) for p in different][:2]

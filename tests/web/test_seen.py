"""By whichever door an agent asks: nothing of a colleague's part is told, nor found out by asking on."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlencode

import pytest
from web.v1_calls import BEGIN, tell
from web.web_site import TEST, Browser, Site

from emocx_pbx.domain import Contribution, Grade, Reading, Scores, Segment
from emocx_pbx.store.grades import Revision
from emocx_pbx.store.rows import AlertRow, GradeRow

#: What stands in the colleague's part and nowhere else.
SECRETS = ("eve-was-told-why", "17.17", "Z", "eve-alarm", "cnn-of-eve/9")
SHARED = f"{BEGIN:.0f}.1"


def _revised(word: Revision, segment: Segment, newest: GradeRow) -> Revision:
    return word


@pytest.fixture
async def bob(site: Site) -> AsyncIterator[Browser]:
    """The agent bob; the second part of his call 1 is the colleague eve's, who also has call 2 alone."""
    store = site.store
    await tell(store, 1, agents=("bob", "eve"))
    await tell(store, 2, agents=("eve",))
    for call_id, index in ((SHARED, 1), (f"{BEGIN:.0f}.2", 0)):
        secret = Grade(17.17, "Z", 17.17, 17.17, 9.0, (Contribution("base", 17.17, "eve-was-told-why"),))
        word = Revision("dispute", secret, "eve", "eve-was-told-why", TEST)
        await store.grades.revise(call_id, index, partial(_revised, word))
    # Readings of the second part, which begins 20 s after the first tapped sample.
    heard = [
        Reading(21.0 + 4 * i, 25.0 + 4 * i, 4.0, Scores((0.05, 0.05, 0.85, 0.05)), "cnn-of-eve/9")
        for i in range(3)
    ]
    await store.readings.add(SHARED, heard)
    await store.alerts.save([AlertRow(SHARED, "eve-alarm", 21.0, 25.0, BEGIN + 130, 1, "eve", "eve-alarm")])
    yield await site.logged_in("agent", "bob")


async def answer(bob: Browser, path: str) -> tuple[int, str]:
    async with await bob.get(path) as response:
        return response.status, await response.text()


def named(text: str) -> list[str]:
    return [secret for secret in SECRETS if (f'"{secret}"' if secret == "Z" else secret) in text]


async def test_every_answer_of_every_route_keeps_to_what_the_role_may_know(site: Site, bob: Browser) -> None:
    fill = {
        "call_id": SHARED,
        "segment": "0",
        "decision_id": "dec_1",
        "agent": "bob",
        "part": "0",
        "reading": "0",
    }
    seen = 0
    for resource in site.app.router.resources():
        path = resource.canonical
        for name, value in fill.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" in path or "/events" in path or path.startswith("/static"):
            continue
        status, text = await answer(bob, path)
        assert status < 500 or path == "/readyz", path
        seen += status == 200
        assert named(text) == [], path
    assert seen >= 8


async def test_no_filter_tells_what_is_not_shown(bob: Browser) -> None:
    choices = {
        "letter": ("A", "B", "Z", "-"),
        "left_as": ("disappointed", "happy", "angry"),
        "disputed": ("true", "false"),
        "alert": ("true", "false"),
    }
    for size in (1, 2):
        for names in itertools.combinations(choices, size):
            for values in itertools.product(*(choices[name] for name in names)):
                asked = dict(zip(names, values, strict=True))
                _, text = await answer(bob, f"/api/v1/calls?{urlencode(asked)}")
                found = json.loads(text)["calls"]
                # Just what the shown call answers to: asking on tells no more.
                fits = (
                    asked.get("letter", "B") == "B"
                    and asked.get("left_as", "happy") == "happy"
                    and asked.get("disputed", "false") == "false"
                    and asked.get("alert", "false") == "false"
                )
                assert [c["call_id"] for c in found] == ([SHARED] if fits else []), asked
    for query in ("letter=Z", "left_as=disappointed", "only=disputed", "only=alert"):
        _, page = await answer(bob, f"/calls?{query}")
        assert SHARED not in page, query


async def test_sums_of_a_shared_call_are_the_agents_own(bob: Browser) -> None:
    _, text = await answer(bob, f"/api/v1/calls/{SHARED}")
    observed = json.loads(text)
    assert (observed["call"]["score"], observed["call"]["letters"], observed["call"]["agents"]) == (
        70.0,
        ["B"],
        ["bob"],
    )
    assert (observed["call"]["disputed"], observed["call"]["alerts"], observed["call"]["talk_s"]) == (
        False,
        0,
        15.0,
    )
    assert [s["agent"] for s in observed["segments"]] == ["bob"]
    assert [r["model"] for r in observed["readings"]] == ["m/1"] * 3
    assert observed["alerts"] == []


async def test_a_colleagues_part_can_neither_be_seen_nor_disputed(site: Site, bob: Browser) -> None:
    assert (await answer(bob, f"/calls/{BEGIN:.0f}.2"))[0] == 404
    async with await bob.post(f"/calls/{SHARED}/parts/1/dispute", reason="no") as response:
        assert response.status == 404
    async with await bob.post(f"/calls/{SHARED}/parts/0/dispute", reason="no") as response:
        assert response.status == 303

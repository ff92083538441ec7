"""The feed: snapshot or what was missed, changes in order, heartbeats, slow watchers sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from live.live_helpers import Observed

from emocx_pbx.live.feed import HEARTBEAT, MAX_WAITING, MAX_WATCHERS, LiveFeed


def feed_of(observed: Observed) -> LiveFeed:
    return LiveFeed(observed.board, "life", lambda: 500.0, beat_s=0.0)


async def together(events: AsyncGenerator[bytes, None]) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, name and data of the events that come next, in one piece."""
    async with asyncio.timeout(5):
        raw = await anext(events)
    found = []
    for event in raw.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n"))
        found.append((lines["id"], lines["event"], msgspec.json.decode(lines["data"])))
    return found


async def take(events: AsyncGenerator[bytes, None]) -> tuple[str, str, dict[str, Any]]:
    """The same of the only one."""
    (event,) = await together(events)
    return event


async def test_a_newcomer_gets_a_snapshot_and_then_changes() -> None:
    observed = Observed()
    observed.waits("1.1")
    feed = feed_of(observed)
    events = feed.events("")
    event_id, kind, data = await take(events)
    assert (event_id, kind, data["now"]) == ("life-1", "snapshot", 500.0)
    assert [call["call_id"] for call in data["calls"]] == ["1.1"]
    observed.talks("1.1")
    (event_id, kind, data), (_, _, tapped) = await together(events)
    assert (event_id, kind) == ("life-2", "changed")
    # Only what differs, to who knows the call.
    talks = {"state": "talking", "since": 110.0, "agent": "bob", "segment": 0, "answered_at": 110.0}
    assert data == {"call_id": "1.1", "fields": talks}
    assert tapped["fields"] == {"tapped": True, "tapped_at": 110.0}
    await events.aclose()
    assert feed.watchers == 0


async def test_a_client_that_reconnects_gets_what_it_missed() -> None:
    observed = Observed()
    feed = feed_of(observed)
    observed.waits("1.1")
    observed.waits("1.2")
    observed.ends("1.1")
    events = feed.events("life-1")
    assert [event[:2] for event in await together(events)] == [("life-2", "call"), ("life-3", "ended")]
    observed.ends("1.2")
    assert (await take(events))[:2] == ("life-4", "ended")


async def test_too_old_or_of_another_life_or_nonsense_is_a_snapshot() -> None:
    observed = Observed(max_changes=2)
    feed = feed_of(observed)
    for i in range(9):
        observed.waits(f"1.{i}")
    for last_id in ("life-1", "other-8", "life-", "life-x", "life-99", "-", "life-²"):
        assert (await take(feed.events(last_id)))[1] == "snapshot"


async def test_silence_is_filled() -> None:
    events = feed_of(Observed()).events("", heartbeat_s=0.01)
    await take(events)
    assert await anext(events) == HEARTBEAT


async def test_a_slow_watcher_is_sent_away_and_others_are_not() -> None:
    observed = Observed()
    feed = feed_of(observed)
    slow, quick = feed.events(""), feed.events("")
    await take(slow)
    await take(quick)
    for i in range(MAX_WAITING + 1):
        observed.waits(f"1.{i}")
        await take(quick)
    assert feed.watchers == 1
    assert [kind async for kind in slow] == []
    assert not feed.crowded


async def test_the_end_of_the_service_ends_the_events() -> None:
    feed = feed_of(Observed())
    events = feed.events("")
    await take(events)
    waiting = asyncio.create_task(anext(events, None))
    await asyncio.sleep(0)
    feed.stop()
    async with asyncio.timeout(5):
        assert await waiting is None


async def test_watchers_are_bounded() -> None:
    feed = feed_of(Observed())
    all_events = [feed.events("") for _ in range(MAX_WATCHERS)]
    for events in all_events:
        await take(events)
    assert feed.crowded


async def test_an_agent_is_told_of_his_own_calls_and_when_they_leave_him() -> None:
    observed = Observed()
    feed = feed_of(observed)
    observed.waits("1.1")
    observed.waits("1.2")
    bob = observed.talks("1.2", "bob")
    events = feed.events("life-1", agent="bob")  # what he knew is not known: he begins anew
    _, kind, data = await take(events)
    assert kind == "snapshot" and [c["call_id"] for c in data["calls"]] == ["1.2"]
    observed.talks("1.1", "eve")
    observed.says("1.1")
    observed.says("1.2")
    _, kind, data = await take(events)
    assert (kind, data["call_id"], data["emotion"]) == ("reading", "1.2", "angry")
    observed.leaves(bob)
    observed.graded("1.2", 0, "bob")
    left, graded = await together(events)
    assert left[1:] == ("gone", {"call_id": "1.2"}) and graded[1] == "graded"
    observed.graded("1.1", 0, "eve")
    observed.talks("1.2", "eve", index=1)
    observed.says("1.2", t0=8.0)
    observed.ends("1.2")
    _, kind, data = await take(events)
    assert (kind, [g["agent"] for g in data["grades"]]) == ("ended", ["bob"])

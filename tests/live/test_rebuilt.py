"""What a watcher makes of the feed's differences is the board, whatever was lost on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from live.live_helpers import Observed
from live.test_mirror import step

from emocx_pbx.live.board import RECENT
from emocx_pbx.live.calls import BoardChange, in_pieces, joined
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.live.held import MAX_ALERTS, MAX_POINTS
from emocx_pbx.live.mirror import Mirror

WHAT = ["decided", "waits", "talks", "leaves", "says", "says", "graded", "alert", "over", "ends"]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(WHAT), st.sampled_from(["1.1", "2.2", "3.3"]), st.sampled_from(["ann", "bob"])
        ),
        st.sampled_from(["lost", "cut", "read"]),
    ),
    max_size=40,
)


class Watcher:
    """A program that does with events what docs/api.md says, and keeps the last id."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Any]] = {}
        self.recent: list[dict[str, Any]] = []
        self.last_id = ""

    def read(self, raw: bytes) -> None:
        for event in raw.decode().strip().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in event.split("\n"))
            self.last_id = lines.get("id", self.last_id)
            getattr(self, f"on_{lines['event']}")(msgspec.json.decode(lines["data"]))

    def on_snapshot(self, data: dict[str, Any]) -> None:
        self.calls = {call["call_id"]: call for call in data["calls"]}
        self.recent = data["recent"]

    def on_call(self, data: dict[str, Any]) -> None:
        self.calls[data["call_id"]] = data

    def on_changed(self, data: dict[str, Any]) -> None:
        self.calls[data["call_id"]] |= data["fields"]

    def on_reading(self, data: dict[str, Any]) -> None:
        call = self.calls[data.pop("call_id")]
        call["course"] = [*call["course"], data.pop("point")][-MAX_POINTS:]
        call |= data | {"tapped": True}

    def on_alert(self, data: dict[str, Any]) -> None:
        call, alert = self.calls[data["call_id"]], data["alert"]
        same = [a for a in call["alerts"] if (a["rule"], a["at"]) == (alert["rule"], alert["at"])]
        if same:
            call["alerts"][call["alerts"].index(same[-1])] = alert
        else:
            call["alerts"] = [*call["alerts"], alert][-MAX_ALERTS:]

    def on_graded(self, data: dict[str, Any]) -> None:
        grade = data["grade"]
        of_it = [call for call in self.recent if call["call_id"] == data["call_id"]]
        for call in [*of_it, *filter(None, [self.calls.get(data["call_id"])])]:
            kept = [g for g in call["grades"] if g["segment"] != grade["segment"]]
            call["grades"] = sorted([*kept, grade], key=lambda g: g["segment"])

    def on_ended(self, data: dict[str, Any]) -> None:
        self.calls.pop(data["call_id"], None)
        self.recent = [data, *self.recent][:RECENT]

    def on_alive(self, data: dict[str, Any]) -> None:
        pass


class World:
    """A board, a mirror of it behind a link that may lose messages, and watchers of the mirror."""

    def __init__(self, teams: list[frozenset[str] | None]) -> None:
        self.observed, self.mirror, self.loses = Observed(), Mirror(), False
        self.feed = LiveFeed(self.mirror, "life", lambda: 500.0, beat_s=0.0)
        self.observed.board.changes.subscribe(self._on_change)
        self.watchers = [(team, Watcher()) for team in teams]
        self.streams = [self._stream(*one) for one in self.watchers]

    def _stream(self, team: frozenset[str] | None, watcher: Watcher) -> Any:
        return self.feed.events(watcher.last_id, heartbeat_s=0.0005, team=team)

    def _on_change(self, change: BoardChange) -> None:
        if self.loses:
            self.loses = False
        elif not self.mirror.take(change.number, change.kind, change.present, change.data):
            self.again()

    def again(self) -> None:
        self.mirror.begin(joined(in_pieces(self.observed.board.state(), 1)))
        self.feed.begin_anew()

    async def read(self) -> None:
        """Let every watcher read what there is; who was sent away comes again."""
        for number, (team, watcher) in enumerate(self.watchers):
            while True:
                raw = await anext(self.streams[number], None)
                if raw is None:
                    self.streams[number] = self._stream(team, watcher)
                    continue
                watcher.read(raw)
                if raw.startswith(b"event: alive"):
                    break

    async def cut(self) -> None:
        """All connections break, with whatever was not read."""
        for number, one in enumerate(self.watchers):
            await self.streams[number].aclose()
            self.streams[number] = self._stream(*one)


async def played(steps: list[Any]) -> World:
    world = World([None, frozenset({"queue-ann"}), frozenset({"queue-bob"})])
    await world.read()
    for number, one in enumerate(steps):
        match one:
            case "lost":
                world.loses = True
            case "cut":
                await world.cut()
            case "read":
                await world.read()
            case _:
                step(world.observed, number, *one)
    if world.mirror.number != world.observed.board.number:
        world.again()  # as soon as anything else happens
    await world.read()
    return world


@settings(deadline=None)  # an event loop each time
@given(STEPS)
def test_differences_rebuild_the_board_after_any_loss(steps: list[Any]) -> None:
    world = asyncio.run(played(steps))
    for team, watcher in world.watchers:
        whole = msgspec.json.decode(msgspec.json.encode(world.observed.board.snapshot(0.0, team=team)))
        assert watcher.calls == {call["call_id"]: call for call in whole["calls"]}
        assert watcher.recent == whole["recent"]

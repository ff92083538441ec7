"""Whatever happens: an agent's stream tells just what a snapshot would, and nothing of colleagues' parts."""

from __future__ import annotations

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from live.live_helpers import Observed

from emocx_pbx.live.calls import (
    AlertUpdate,
    BoardChange,
    EndedCall,
    GoneChange,
    GradedChange,
    LiveCall,
    ReadingChange,
)
from emocx_pbx.live.held import MAX_ALERTS
from emocx_pbx.live.own import OwnCalls, own_time

AGENTS = ("bob", "eve", "kim")
CALLS = ("1.1", "1.2")
RULES = ("anger", "dead air")

happenings = st.lists(
    st.tuples(
        st.sampled_from(("talks", "leaves", "says", "late", "alert", "over", "graded", "ends")),
        st.sampled_from(CALLS),
        st.sampled_from(AGENTS),
        st.sampled_from(RULES),
    ),
    max_size=40,
)


class World:
    """A board, and by whose part of a call everything on it came to be."""

    def __init__(self) -> None:
        self.observed, self.at = Observed(), 100.0
        self.open: dict[str, list[int]] = {call: [] for call in CALLS}
        self.parts: dict[str, int] = dict.fromkeys(CALLS, 0)
        self.over: set[str] = set()
        for call in CALLS:
            self.observed.waits(call, at=self.at)

    def happens(self, what: str, call: str, agent: str, rule: str) -> None:
        self.at += 10.0
        if call in self.over:
            return
        state = self.observed.call(call)
        match what:
            case "talks":
                if agent not in {s.agent for s in state.open_segments}:
                    self.observed.talks(call, agent, self.parts[call], self.at)
                    self.parts[call] += 1
            case "leaves":
                if state.open_segments:
                    self.observed.leaves(state.open_segments[0], self.at)
            case "says" | "late" if state.zero_at is not None:
                # A late one was heard before whoever talks now came.
                begin = self.at - state.zero_at - (15.0 if what == "late" else 5.0)
                if begin >= 0:
                    self.observed.says(call, t0=begin)
            case "alert":
                self.observed.board.alert(call, rule, f"{rule} at {self.at}", self.at)
            case "over":
                self.observed.board.alert_over(call, rule, self.at)
            case "graded" if state.segments:
                index = max(state.segments)
                self.observed.graded(call, index, state.segments[index].agent, 40.0 + self.at / 100)
            case "ends":
                self.over.add(call)
                self.observed.ends(call, self.at)
            case _:
                pass


def after(shown: dict[str, LiveCall], change: BoardChange) -> None:
    """What a page makes of one event of its stream."""
    body = change.body
    match body:
        case LiveCall():
            shown[body.call_id] = body
        case EndedCall() | GoneChange():
            shown.pop(body.call_id, None)
        case AlertUpdate(call_id, alert):
            call = shown[call_id]
            kept = [a for a in call.alerts if (a.rule, a.at) != (alert.rule, alert.at)]
            place = next(
                (i for i, a in enumerate(call.alerts) if (a.rule, a.at) == (alert.rule, alert.at)), None
            )
            kept.insert(len(kept) if place is None else place, alert)
            shown[call_id] = msgspec.structs.replace(call, alerts=tuple(kept[-MAX_ALERTS:]))
        case ReadingChange(call_id, emotion, confidence, valence, point):
            call = shown[call_id]
            shown[call_id] = msgspec.structs.replace(
                call, emotion=emotion, confidence=confidence, valence=valence, tapped=True,
                points=(*call.points, point),
            )  # fmt: skip
        case GradedChange(call_id, grade) if call_id in shown:
            call = shown[call_id]
            kept_grades = [g for g in call.grades if g.segment != grade.segment]
            shown[call_id] = msgspec.structs.replace(
                call, grades=tuple(sorted((*kept_grades, grade), key=lambda g: g.segment))
            )


@settings(max_examples=200, deadline=None)
@given(happenings, st.integers(0, 40), st.sampled_from(AGENTS))
@example(
    [("talks", "1.1", "eve", "anger"), ("talks", "1.1", "bob", "anger"), ("leaves", "1.1", "", "")], 0, "eve"
)
def test_a_stream_is_what_snapshots_show(
    what: list[tuple[str, str, str, str]], begin: int, agent: str
) -> None:
    world = World()
    for happening in what[:begin]:
        world.happens(*happening)
    board = world.observed.board
    first = board.snapshot(world.at, agent)
    shown = {call.call_id: call for call in first.calls}
    own = OwnCalls(agent, first.calls)
    seen = len(world.observed.changes)
    for happening in what[begin:]:
        world.happens(*happening)
        for change in world.observed.changes[seen:]:
            if (observed := own.of(change)) is not None:
                after(shown, observed)
        seen = len(world.observed.changes)
        now = {call.call_id: call for call in board.snapshot(world.at, agent).calls}
        assert set(shown) == set(now)
        for call_id, call in now.items():
            assert shown[call_id].alerts == call.alerts
            assert shown[call_id].points == call.points
            assert {g.agent for g in shown[call_id].grades} <= {agent}
            mine = own_time(call, agent)
            assert all(mine.raised(a) for a in shown[call_id].alerts)
            assert all(mine.covers(p) for p in shown[call_id].points)


def test_a_colleagues_alert_that_ends_is_told_to_nobody_else() -> None:
    world = World()
    world.happens("talks", "1.1", "bob", "")
    world.happens("alert", "1.1", "bob", "anger")
    world.happens("leaves", "1.1", "bob", "")
    world.happens("talks", "1.1", "eve", "")
    own = OwnCalls("eve", world.observed.board.snapshot(world.at, "eve").calls)
    before = len(world.observed.changes)
    world.happens("over", "1.1", "eve", "anger")
    [change] = world.observed.changes[before:]
    assert isinstance(change.body, AlertUpdate) and own.of(change) is None

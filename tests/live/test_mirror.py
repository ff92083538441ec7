"""A mirror shows what its board shows, whenever it began and whatever happened since."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from live.live_helpers import ANGRY, HAPPY, Observed

from emocx_pbx.calls.happenings import CustomerErased
from emocx_pbx.live.calls import BoardChange
from emocx_pbx.live.mirror import Mirror

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["decided", "waits", "talks", "leaves", "says", "graded", "alert", "over", "ends"]),
        st.sampled_from(["1.1", "2.2", "3.3"]),
        st.sampled_from(["ann", "bob"]),
    ),
    max_size=30,
)


def told_to(mirror: Mirror) -> Callable[[BoardChange], None]:
    """What tells a mirror of a board's changes."""

    def take(change: BoardChange) -> None:
        mirror.take(change.number, change.kind, change.present, change.data)

    return take


def step(observed: Observed, number: int, what: str, call_id: str, agent: str) -> None:
    at = 1000.0 + number
    call = observed.call(call_id)
    if call.ended is not None and what != "graded":
        return
    match what:
        case "decided":
            observed.decided(call_id, at=at)
        case "waits":
            observed.waits(call_id, f"queue-{agent}", at)
        case "talks":
            if not call.segments:
                observed.talks(call_id, agent, 0, at)
        case "leaves":
            for segment in call.segments.values():
                observed.leaves(segment, at)
        case "says":
            observed.says(call_id, ANGRY if agent == "ann" else HAPPY, float(number))
        case "graded":
            if call.segments:
                observed.graded(call_id, 0, call.segments[0].agent, 50.0 + number)
        case "alert":
            observed.board.alert(call_id, "angry", "signals of anger", at)
        case "over":
            observed.board.alert_over(call_id, "angry", at)
        case "ends":
            observed.ends(call_id, at)


@settings(deadline=None)
@given(STEPS, STEPS)
def test_a_mirror_shows_what_its_board_shows(
    before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    observed, mirror = Observed(), Mirror()
    board = observed.board
    for number, (what, call_id, agent) in enumerate(before):
        step(observed, number, what, call_id, agent)
    mirror.begin(board.state())
    begun = board.number
    board.changes.subscribe(told_to(mirror))
    for number, (what, call_id, agent) in enumerate(after, len(before)):
        step(observed, number, what, call_id, agent)
    assert mirror.number == board.number
    for watcher in (None, "ann", "bob"):
        assert mirror.snapshot(5.0, watcher) == board.snapshot(5.0, watcher)
    assert mirror.since(begun) == board.since(begun)
    if begun:
        assert mirror.since(begun - 1) is None  # before its time: such a watcher begins anew


def test_an_erased_customer_is_in_no_change_that_is_kept() -> None:
    observed, mirror = Observed(), Mirror()
    observed.board.changes.subscribe(told_to(mirror))
    observed.decided()
    observed.waits()
    assert any(b"crm-1" in change.data for change in observed.board.since(0) or ())
    number = mirror.number
    observed.happens(CustomerErased("1.1"))
    for kept in (observed.board, mirror):
        assert kept.since(0) is None and kept.since(number) is not None
        assert not any(b"crm-1" in change.data for change in kept.since(number) or ())
        assert [call.customer for call in kept.snapshot(200.0).calls] == [None]

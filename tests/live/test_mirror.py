"""A mirror shows what its board shows, whenever it began and whatever happened since."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Grade, Reading, Scores, Segment
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.mirror import Mirror

CALLS = st.sampled_from(["1.1", "2.2", "3.3"])
AGENTS = st.sampled_from(["ann", "bob"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["queued", "open", "close", "hold", "read", "alert", "over", "grade", "end", "optout"]
        ),
        CALLS,
        AGENTS,
        st.integers(0, 2),
    ),
    max_size=40,
)


def step(board: LiveBoard, number: int, what: str, call_id: str, agent: str, index: int) -> None:
    at = 1000.0 + number
    segment = Segment(call_id, index, agent, f"PJSIP/{agent}", "care", "queue", at)
    match what:
        case "queued":
            board.queued(call_id, at, f"queue-{index}")
        case "open":
            board.segment_opened(segment)
        case "close":
            board.segment_closed(segment)
        case "hold":
            board.hold(call_id, at, index % 2 == 0)
        case "read":
            scores = Scores.of([1.0 + index, 2.0, 1.0, 0.5], 0.3)
            board.reading(call_id, Reading(float(number), number + 3.0, 2.5, scores, "m/1"))
        case "alert":
            board.alert(call_id, f"rule {index}", "signals of anger", at)
        case "over":
            board.alert_over(call_id, f"rule {index}", at)
        case "grade":
            board.graded(call_id, index, agent, Grade(70.0, "B", 60.0, 80.0, 12.0))
        case "end":
            board.ended(call_id, at, "hangup")
        case "optout":
            board.opted_out(call_id)


@given(STEPS, STEPS)
def test_a_mirror_shows_what_its_board_shows(
    before: list[tuple[str, str, str, int]], after: list[tuple[str, str, str, int]]
) -> None:
    board, mirror = LiveBoard(4.0), Mirror()
    for number, (what, call_id, agent, index) in enumerate(before):
        step(board, number, what, call_id, agent, index)
    mirror.begin(board.state())
    board.on_change = lambda change: mirror.take(change.number, change.kind, change.agents, change.data)
    for number, (what, call_id, agent, index) in enumerate(after, len(before)):
        step(board, number, what, call_id, agent, index)
    assert mirror.number == board.number
    for agent in (None, "ann", "bob"):
        assert mirror.snapshot(5.0, agent) == board.snapshot(5.0, agent)
    known = board.number - len(after)
    assert [c.data for c in mirror.since(board.number) or ()] == []
    if known >= 0 and mirror.since(board.number - 1) is not None:
        assert mirror.since(board.number - 1) == board.since(board.number - 1)

"""The expected wait: from what is seen, and unknown when too little was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.chat.waits import MAX_WAITING, Expected, WaitBoard
from emocx_pbx.routing.decision import QueueState

BUSY = QueueState(0, 0.0, 0)


def board(*waits: float, place: int = 1, at: float = 1000.0) -> WaitBoard:
    made = WaitBoard()
    for n, seconds in enumerate(waits):
        made.joined(f"c{n}", "care", place)
        made.connected(f"c{n}", "care", seconds, at)
    return made


def test_a_free_agent_means_now() -> None:
    assert WaitBoard().expected("care", QueueState(1, 5.0, 2), 1000.0) == Expected("now")
    assert WaitBoard().expected("care", QueueState(2, 5.0, 2), 1000.0) == Expected("unknown")


def test_what_is_not_known_is_not_invented() -> None:
    assert board(30, 30).expected("care", BUSY, 1000.0) == Expected("unknown")
    assert board(30, 30, 30).expected("care", None, 1000.0) == Expected("unknown")
    assert board(30, 30, 30).expected("sales", BUSY, 1000.0) == Expected("unknown")
    assert board(30, 30, 30).expected("care", BUSY, 1000.0 + 3600) == Expected("unknown")


def test_recent_waits_tell_and_a_longer_queue_takes_longer() -> None:
    seen = board(60, 60, 60, 60)
    assert seen.expected("care", BUSY, 1010.0) == Expected("minutes", 1)
    assert seen.expected("care", QueueState(4, 20.0, 0), 1010.0) == Expected("minutes", 5)
    assert seen.expected("care", QueueState(50, 20.0, 0), 1010.0) == Expected("long", 30)


def test_waits_of_a_long_queue_are_shared_by_its_places() -> None:
    assert board(240, 240, 240, place=4).expected("care", BUSY, 1010.0) == Expected("minutes", 1)


def test_a_caller_who_has_waited_long_is_not_overlooked() -> None:
    assert board(20, 20, 20).expected("care", QueueState(1, 590.0, 0), 1010.0) == Expected("minutes", 10)


@given(
    st.lists(st.floats(0, 3000), min_size=3, max_size=60),
    st.integers(0, 30),
    st.integers(0, 30),
    st.floats(0, 2000),
)
def test_more_callers_never_mean_a_shorter_wait(
    waits: list[float], waiting: int, more: int, longest: float
) -> None:
    seen = board(*waits)
    fewer = seen.expected("care", QueueState(waiting, longest, 0), 1010.0)
    many = seen.expected("care", QueueState(waiting + more, longest, 0), 1010.0)
    assert (fewer.kind == "long", fewer.minutes) <= (many.kind == "long", many.minutes)


def test_a_caller_who_hangs_up_is_forgotten_and_memory_is_bounded() -> None:
    made = WaitBoard()
    for n in range(MAX_WAITING + 10):
        made.joined(str(n), "care", 1)
    assert len(made._places) == MAX_WAITING
    made.ended(str(MAX_WAITING))
    assert len(made._places) == MAX_WAITING - 1

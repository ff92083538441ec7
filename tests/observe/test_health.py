"""The board tells what is down, since when and why."""

from __future__ import annotations

from emocx_pbx.observe.health import HealthBoard


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_ready_when_all_that_is_known_is_up() -> None:
    board = HealthBoard(now=Clock())
    assert not board.ready
    board.set("asterisk", True)
    board.set("analysis", False, "starting")
    assert not board.ready
    board.set("analysis", True)
    assert board.ready


def test_since_moves_only_with_a_change() -> None:
    clock = Clock()
    board = HealthBoard(now=clock)
    board.set("asterisk", False, "refused")
    clock.now = 105.0
    board.set("asterisk", False, "no route")
    assert board.report() == {
        "ready": False,
        "components": {"asterisk": {"up": False, "why": "no route", "since": 100.0}},
    }
    board.set("asterisk", True)
    assert board.report()["components"]["asterisk"] == {"up": True, "why": "", "since": 105.0}

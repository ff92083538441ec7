"""The timer that reads many connections: less often when there is more to do than time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from emocx_pbx.pbx.audiosocket.batches import LONGEST_S, PARTS, PERIOD_S, WORD_S, Batches

#: So many turns take a period from its least to its most, and back.
TURNS = 80


class Clock:
    """The loop's time, as far as it has been moved on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


class Connection:
    """Takes its time to be read."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.takes_s = clock, 0.0
        self.looks: list[float] = []

    def read_waiting(self) -> None:
        self.clock.now += self.takes_s

    def look(self) -> None:
        self.looks.append(self.clock.now)


def turn(batches: Batches, clock: Clock, times: int) -> None:
    """As the timer does."""
    for _ in range(times):
        batches.next_turn()
        clock.now += batches.period_s / PARTS


async def test_a_turn_that_takes_most_of_its_time_comes_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    batches = Batches(lambda: None, lambda name: None)
    connections = [Connection(clock) for _ in range(PARTS)]
    for connection in connections:
        batches.add(connection)
    turn(batches, clock, TURNS)
    assert batches.period_s == PERIOD_S
    for connection in connections:
        connection.takes_s = LONGEST_S / PARTS
    turn(batches, clock, TURNS)
    assert batches.period_s == LONGEST_S
    for connection in connections:
        connection.takes_s = 0.001
        batches.discard(connection)
        connection.looks.clear()
        batches.add(connection)
    turn(batches, clock, TURNS)
    assert batches.period_s == PERIOD_S
    # The peer waits for 2 s.
    looks = connections[0].looks
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) < 2 * WORD_S
    for connection in connections:
        batches.discard(connection)

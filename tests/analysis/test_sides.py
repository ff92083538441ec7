"""Two one-sided taps in step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.analysis.sides import PATIENCE, TwoSides
from emocx_pbx.domain import Side

Samples = npt.NDArray[np.int16]


class Collected(TwoSides):
    """Keeps what came out."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[tuple[Samples, Samples]] = []

    def push(self, side: Side, samples: Samples) -> tuple[Samples, Samples]:
        self.out.append(super().push(side, samples))
        return self.out[-1]

    def leave(self, side: Side) -> tuple[Samples, Samples]:
        self.out.append(super().leave(side))
        return self.out[-1]

    def both(self) -> tuple[Samples, Samples]:
        assert all(len(a) == len(b) for a, b in self.out)
        return np.concatenate([a for a, _ in self.out]), np.concatenate([b for _, b in self.out])


def ramp(first: int, count: int) -> Samples:
    return np.arange(first, first + count, dtype=np.int16)


def test_one_side_alone_waits_for_the_other_only_once() -> None:
    sides = Collected()
    sides.join("customer", 100.0)
    left, _ = sides.push("customer", ramp(1, PATIENCE))
    assert len(left) == 0
    left, right = sides.push("customer", ramp(PATIENCE + 1, 160))
    assert left.tolist() == ramp(1, PATIENCE + 160).tolist()
    assert not right.any() and len(right) == len(left)
    left, _ = sides.push("customer", ramp(1, 160))
    assert len(left) == 160


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 400)), min_size=1, max_size=60), st.integers(0, 3000))
def test_sides_in_step(turns: list[tuple[bool, int]], late: int) -> None:
    """Whatever the turns, as long as neither side is late by more than the patience."""
    sides = Collected()
    sides.join("customer", 50.0)
    sides.join("agent", 50.0 + late / 8000)
    sent = {"customer": 0, "agent": 0}
    for is_customer, count in turns:
        side: Side = "customer" if is_customer else "agent"
        offset = late if side == "agent" else 0
        other: Side = "agent" if is_customer else "customer"
        ahead = sent[side] + offset + count - sent[other] - (late if other == "agent" else 0)
        if ahead > PATIENCE:
            continue
        sides.push(side, ramp(sent[side] + offset + 1, count))
        sent[side] += count
    sides.leave("customer")
    sides.leave("agent")
    left, right = sides.both()
    assert left[: sent["customer"]].tolist() == ramp(1, sent["customer"]).tolist()
    assert not right[:late].any()
    assert right[late : late + sent["agent"]].tolist() == ramp(late + 1, sent["agent"]).tolist()


def test_a_silent_side_does_not_hold_up_the_other() -> None:
    sides = Collected()
    sides.join("customer", 0.0)
    sides.join("agent", 0.0)
    sides.push("agent", ramp(1, 160))
    for n in range(200):
        sides.push("customer", ramp(n * 160 + 1, 160))
    left, right = sides.both()
    assert len(left) == 32000 - PATIENCE
    # The agent's tap wakes up and fills its gap itself; what stood for the gap is not doubled.
    sides.push("agent", np.concatenate([np.zeros(31840, np.int16), ramp(101, 160)]))
    sides.push("customer", ramp(32001, 160))
    left, right = sides.both()
    assert left.tolist() == ramp(1, 32160).tolist()
    assert right[:160].tolist() == ramp(1, 160).tolist()
    assert not right[160:32000].any()
    assert right[32000:].tolist() == ramp(101, 160).tolist()


def test_a_new_agent_joins_at_the_right_time() -> None:
    sides = Collected()
    sides.join("customer", 10.0)
    sides.join("agent", 10.0)
    for side in ("customer", "agent"):
        sides.push(side, ramp(1, 800))
    sides.leave("agent")
    sides.push("customer", ramp(801, 800))
    sides.join("agent", 10.25)  # sample 2000
    sides.push("customer", ramp(1601, 800))
    sides.push("agent", ramp(2001, 400))
    left, right = sides.both()
    assert left.tolist() == ramp(1, 2400).tolist()
    assert right[:800].tolist() == ramp(1, 800).tolist()
    assert not right[800:2000].any()
    assert right[2000:].tolist() == ramp(2001, 400).tolist()

"""Which fault strikes when. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.faults.faults import FAULTS, NAMES, Fault
from emocx_pbx.errors import SettingsError

LEAST_PAUSE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault at one time."""

    fault: Fault
    number: int
    """Which time of this fault it is, from 0."""
    pause_s: float
    """Quiet time before it."""


def chosen(names: Iterable[str]) -> tuple[Fault, ...]:
    """Faults by name, in the order of FAULTS; none named: all.

    Raises:
        SettingsError: there is no such fault.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(NAMES)):
        raise SettingsError(f"no fault is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return tuple(fault for fault in FAULTS if not wanted or fault.name in wanted)


def plan(faults: Sequence[Fault], times: int, duration_s: float, chance: random.Random) -> list[Strike]:
    """Every fault `times` times in random order, spread at random over `duration_s` (longer if need be).

    First those that the controller lives through, so that growth shows; then the others.
    """
    strikes: list[tuple[Fault, int]] = []
    for lives in (True, False):
        part = [fault for fault in faults if fault.controller_lives is lives for _ in range(times)]
        chance.shuffle(part)
        strikes += ((fault, part[:place].count(fault)) for place, fault in enumerate(part))
    busy = sum(fault.seconds for fault, _ in strikes)
    mean = max(LEAST_PAUSE_S, (duration_s - busy) / max(1, len(strikes)))
    return [Strike(fault, number, mean * chance.uniform(0.5, 1.5)) for fault, number in strikes]

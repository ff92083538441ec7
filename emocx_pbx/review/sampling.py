"""Which windows are drawn for people to label, and how many of the site's each stands for. Pure.

A round has a frame: all windows of a period. Some are drawn at random from the whole frame, and some more at
random from its doubtful ones. So within the doubtful ones, and within the others, what was drawn is a simple
random sample, and a labelled window stands for (windows of its kind in the frame) / (labelled ones of it).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Why = Literal["random", "doubt"]
#: Identifies a window: the call and its seconds, or the decision's id with zeros.
Key = tuple[str, float, float]

#: Windows that are looked at for each one wanted, where recordings are missing.
TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """The windows of a period that have not been drawn before."""

    windows: int
    doubtful: int
    """How many of them are doubtful."""
    whole: Sequence[tuple[Key, bool]]
    """Some of all of them, at random and in random order; whether each is doubtful."""
    doubts: Sequence[Key]
    """Some of the doubtful ones, at random and in random order."""


@dataclass(frozen=True, slots=True)
class Item:
    """A window that was drawn."""

    key: Key
    why: Why
    doubtful: bool
    wanted: int
    """People who should label it: 1 or 2."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A round."""

    items: tuple[Item, ...]
    """In random order, so that a round that is labelled in part is simply a smaller one."""
    sure: float
    """Windows of the frame that can be played and are not doubtful; an estimate where some can't be
    played."""
    doubtful: float
    """The same of doubtful ones."""
    unplayable: int
    """Windows that were looked at and can't be played."""


def draw(
    frame: Frame,
    number: int,
    doubts: int,
    twice: float,
    playable: Callable[[Key], bool],
    rng: random.Random,
) -> Drawn:
    """Draw a round.

    Args:
        frame: with at least TRIES times as many windows as are wanted, or all.
        number: windows wanted from all.
        doubts: windows wanted in addition from the doubtful ones.
        twice: share of windows that two people should label, 0 to 1.
        playable: whether a window can be shown to people; may read files.
        rng: source of randomness.
    """
    looked = _Looked(playable)
    chosen: dict[Key, tuple[Why, bool]] = {}
    for key, doubtful in frame.whole:
        if len(chosen) >= number:
            break
        if looked.at(key, doubtful):
            chosen[key] = ("random", doubtful)
    wanted = len(chosen) + doubts
    for key in frame.doubts:
        if len(chosen) >= wanted:
            break
        if key not in chosen and looked.at(key, True):
            chosen[key] = ("doubt", True)
    order = list(chosen.items())
    rng.shuffle(order)
    double = round(twice * len(order))
    # The order is random already, but those to be labelled twice must not all come first.
    pairs = set(rng.sample(range(len(order)), double))
    items = tuple(
        Item(key, why, doubtful, 2 if place in pairs else 1)
        for place, (key, (why, doubtful)) in enumerate(order)
    )
    sure = (frame.windows - frame.doubtful) * looked.share(False)
    return Drawn(items, sure, frame.doubtful * looked.share(True), looked.missing)


class _Looked:
    """Which windows were looked at, and what could be played of them."""

    def __init__(self, playable: Callable[[Key], bool]) -> None:
        self._playable = playable
        self._found: dict[Key, tuple[bool, bool]] = {}

    def at(self, key: Key, doubtful: bool) -> bool:
        """Whether it can be played; each is looked at once."""
        if key not in self._found:
            self._found[key] = (doubtful, self._playable(key))
        return self._found[key][1]

    def share(self, doubtful: bool) -> float:
        """Of the windows of one kind that were looked at, the share that can be played; 1 if none was."""
        found = [plays for kind, plays in self._found.values() if kind is doubtful]
        return sum(found) / len(found) if found else 1.0

    @property
    def missing(self) -> int:
        """Those that can't be played."""
        return sum(not plays for _, plays in self._found.values())

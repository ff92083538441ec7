"""Combines a rule's values with those that the administrator's own dialplan had set on a channel. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

#: at_least: the higher of both holds (a plain number means this); add: on top of it; set: instead of it.
Word = Literal["at_least", "add", "set"]
#: A rule's `priority`.
Priority = Annotated[int, Meta(ge=-1000, le=1000)]
GivenPriority = Priority | dict[Word, Priority]
#: A rule's `min_penalty` and `max_penalty`.
Penalty = Annotated[int, Meta(ge=0, le=1000)]
GivenPenalty = Penalty | dict[Word, Penalty]

#: app_queue keeps these in a C int.
_LARGEST: Final = 2**31 - 1
#: It reads them by sscanf("%30d"): leading digits count, what follows does not.
_NUMBER: Final = re.compile(r"\s*([+-]?[0-9]{1,30})")


@dataclass(frozen=True, slots=True)
class OwnLevers:
    """What was on the channel before the decision; None: it was not set."""

    priority: int | None = None
    """QUEUE_PRIO; a missing one counts as 0."""
    min_penalty: int | None = None
    """QUEUE_MIN_PENALTY."""
    max_penalty: int | None = None
    """QUEUE_MAX_PENALTY."""
    raise_penalty: int | None = None
    """QUEUE_RAISE_PENALTY."""


#: The dialplan had set nothing.
NO_LEVERS: Final = OwnLevers()
#: The channel's variables in the order of OwnLevers.
OWN_VARIABLES: Final = ("QUEUE_PRIO", "QUEUE_MIN_PENALTY", "QUEUE_MAX_PENALTY", "QUEUE_RAISE_PENALTY")


def own_number(text: str) -> int | None:
    """A channel variable as app_queue reads it; None if it is unset or not a number."""
    found = _NUMBER.match(text)
    return max(-_LARGEST, min(_LARGEST, int(found[1]))) if found else None


def number(given: int | Mapping[Word, int]) -> int:
    """The number that a rule names, whatever is to be done with it."""
    return given if isinstance(given, int) else next(iter(given.values()))


def word(given: int | Mapping[Word, int]) -> Word:
    """What is to be done with it; a plain number is `at_least`."""
    return "at_least" if isinstance(given, int) else next(iter(given))


def combined(given: int | Mapping[Word, int], own: int | None) -> int:
    """What a lever becomes: the rule's number and the channel's own, by the rule's word."""
    named = number(given)
    if own is None:
        return named
    match word(given):
        case "at_least":
            return max(named, own)
        case "add":
            return max(-_LARGEST, min(_LARGEST, named + own))
        case "set":
            return named

"""Labelled windows, and how many of the site's each stands for. Pure.

A labelled window stands for the windows of its round and kind (doubtful or not) that it was drawn from,
divided by those of them that are labelled (post-stratification). So doubtful windows, though drawn more
often, count no more than their share of the site. A round of which only doubtful windows are labelled says
nothing about the rest, and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from emocx_pbx.domain import LABELS

Kind = Literal["voice", "text"]

#: The four classes, as words.
NAMES: Final = tuple(str(label) for label in LABELS)
#: What people may answer instead: it can't be told.
UNCLEAR: Final = "unclear"
ANSWERS: Final = (*NAMES, UNCLEAR)
UPSET: Final = ("angry", "disappointed")
CALM: Final = tuple(name for name in NAMES if name not in UPSET)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A window, what the model said of it at the time, and what people say."""

    round_id: int
    doubtful: bool
    caller: str
    at: float
    """When it was spoken or written, Unix seconds."""
    model: str
    answer: str
    """One of the four, or uncertain."""
    probabilities: tuple[float, float, float, float]
    """In LABELS' order."""
    labels: tuple[tuple[str, str], ...]
    """(person, one of ANSWERS), by person; at least one."""


@dataclass(frozen=True, slots=True)
class RoundSize:
    """How many windows a round was drawn from."""

    sure: float
    doubtful: float


@dataclass(frozen=True, slots=True)
class WeightedWindow:
    """A window in the estimate."""

    of: Labelled
    weight: float
    """Windows of the site that it stands for."""
    votes: Mapping[str, float]
    """By label the share of people who said so, of those who could tell; adds up to 1."""

    @property
    def confidence(self) -> float:
        """Of the best class."""
        return max(self.of.probabilities)

    @property
    def best(self) -> str:
        """The best class, whatever the confidence."""
        return NAMES[self.of.probabilities.index(self.confidence)]

    @property
    def upset(self) -> float:
        """P(angry) + P(disappointed)."""
        return self.of.probabilities[0] + self.of.probabilities[2]

    def says(self, labels: Iterable[str]) -> float:
        """Weight of the votes for any of these labels."""
        return self.weight * sum(self.votes.get(label, 0.0) for label in labels)


@dataclass(frozen=True, slots=True)
class Weighted:
    """The windows of an estimate, and those that are not in it."""

    windows: tuple[WeightedWindow, ...]
    unclear: int
    """Labelled, but nobody could tell."""
    kept_out: int
    """Labelled, but of rounds that can't be weighted."""


def weighted(labelled: Sequence[Labelled], rounds: Mapping[int, RoundSize]) -> Weighted:
    """Weigh labelled windows, each given once; `rounds` has every window's round.

    Windows that nobody could tell count among the labelled of their kind, so that the others do not stand for
    them: the figures are about what can be told. Where two people differ, each one's label counts half.
    """
    number = Counter((one.round_id, one.doubtful) for one in labelled)
    windows, unclear, kept_out = [], 0, 0
    for one in labelled:
        size = rounds[one.round_id]
        strata = ((False, size.sure), (True, size.doubtful))
        if any(there > 0 and not number[one.round_id, doubtful] for doubtful, there in strata):
            kept_out += 1
            continue
        votes = Counter(label for _, label in one.labels if label != UNCLEAR)
        if not votes:
            unclear += 1
            continue
        weight = (size.doubtful if one.doubtful else size.sure) / number[one.round_id, one.doubtful]
        windows.append(WeightedWindow(one, weight, {k: n / votes.total() for k, n in votes.items()}))
    return Weighted(tuple(windows), unclear, kept_out)

"""Rows about reviews as the store returns them: rounds, items, and trainings from labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from emocx_pbx.review.windows import Kind, Labelled

Runner = Literal["service", "command"]
TrainingState = Literal["running", "promoted", "kept", "failed", "late", "stopped", "lost"]


class RoundRow(msgspec.Struct, frozen=True):
    """A round: windows that were drawn at the same time."""

    round_id: int
    kind: Kind
    since: float
    until: float
    sure: float
    """Number of windows of that period that are not doubtful and can be judged."""
    doubtful: float
    unplayable: int
    """Number of windows considered that have no recording."""
    author: str
    at: float
    items: int
    """Number of windows drawn that have not been erased since."""
    doubts: int
    """Number of them drawn as windows of doubt."""
    labelled: int
    """Number of windows that somebody has labelled."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A window for people to label, without the model's answer."""

    item_id: str
    kind: Kind
    key: str
    """The call or the decision."""
    t0: float
    t1: float
    wanted: int
    started_at: float | None
    """Of the call."""
    tapped_at: float | None
    answered_at: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A labelled window with its origin, to learn from."""

    labelled: Labelled
    key: str
    t0: float
    t1: float
    text: str | None


class TrainingRow(msgspec.Struct, frozen=True):
    """A training of a candidate from labels."""

    training_id: int
    kind: Kind
    runner: Runner
    author: str
    at: float
    deadline_at: float
    state: TrainingState
    """running; promoted: better, and in use; kept: trained, and not put into use; failed; late: over the
    deadline; stopped; lost: the service ended meanwhile."""
    ended_at: float | None
    outcome: str | None
    """JSON."""
    log: str

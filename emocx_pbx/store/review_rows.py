"""What the store hands back of reviews: rounds, items, and trainings from labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from emocx_pbx.review.windows import Kind, Labelled

Runner = Literal["service", "command"]
TrainingState = Literal["running", "promoted", "kept", "failed", "late", "stopped", "lost"]


class RoundRow(msgspec.Struct, frozen=True):
    """Windows that were drawn at once."""

    round_id: int
    kind: Kind
    since: float
    until: float
    sure: float
    """Windows of that time that are not doubtful and can be judged."""
    doubtful: float
    unplayable: int
    """Windows that were looked at and have no recording."""
    author: str
    at: float
    items: int
    """Windows drawn, as far as they were not erased since."""
    doubts: int
    """Of them, those drawn as windows of doubt."""
    labelled: int
    """Windows that somebody has labelled."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A window that people label, without what the model said."""

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
    """A labelled window with where it is from, to learn from it."""

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

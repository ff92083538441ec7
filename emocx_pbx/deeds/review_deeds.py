"""Deeds of reviews as they are asked for: windows to label, labels, trainings."""

from __future__ import annotations

from emocx_pbx.deeds.base import LONG_S, Deed
from emocx_pbx.store.review_rows import RoundRow


class DrawReviews(Deed[RoundRow], frozen=True):
    """Draw windows for people to label."""

    answer = RoundRow
    deadline_s = LONG_S
    kind: str
    number: int
    doubts: int
    twice: float
    since: float | None = None
    until: float | None = None


class LabelWindow(Deed[None], frozen=True):
    """What somebody says of a window."""

    answer = None
    item_id: str
    label: str


class TrainCandidate(Deed[int], frozen=True):
    """Train from labels in the background; answered by the training's number."""

    answer = int
    kind: str
    promoting: bool
    """Put it into use if it is better beyond chance."""


class StopTraining(Deed[bool], frozen=True):
    """End the training that runs; answered by whether there was one."""

    answer = bool

"""Deeds of reviews as requests: windows to label, labels, trainings."""

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
    """Keep a person's label for a window."""

    answer = None
    item_id: str
    label: str


class TrainCandidate(Deed[int], frozen=True):
    """Train from labels in the background; the answer is the training's number."""

    answer = int
    kind: str
    promoting: bool
    """Whether to put the candidate into use if it is better beyond chance."""


class StopTraining(Deed[bool], frozen=True):
    """End the running training; the answer is whether there was one."""

    answer = bool

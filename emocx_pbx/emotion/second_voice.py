"""What a text's meaning says of it: a small head on a sentence encoder, beside the text model or in its
place.

In a language that both know, the two are averaged; in one that only the head was shown to serve, it answers
alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.meaning import SIZE, MeaningEncoder
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]
Four = tuple[float, float, float, float]

#: File of a text model's folder.
HEAD: Final = "head.npz"
#: Probabilities are kept this far from 0 and 1 before their logarithm is taken.
_EDGE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Head:
    """One hidden layer on a unit vector: logits of the classes."""

    hidden: FloatArray
    """(512, units)"""
    hidden_bias: FloatArray
    out: FloatArray
    """(units, 4)"""
    out_bias: FloatArray

    def logits(self, vectors: FloatArray) -> FloatArray:
        """Logits (n, 4) of unit vectors (n, 512)."""
        inside = np.maximum(vectors @ self.hidden + self.hidden_bias, 0.0)
        return np.asarray(inside @ self.out + self.out_bias, np.float32)

    def write(self, folder: Path) -> None:
        """Write it into a model's folder."""
        with (folder / HEAD).open("wb") as file:
            np.savez(
                file, hidden=self.hidden, hidden_bias=self.hidden_bias, out=self.out, out_bias=self.out_bias
            )


def read_head(folder: Path) -> Head:
    """The head in a model's folder.

    Raises:
        ModelError: it is missing or none.
    """
    path = folder / HEAD
    try:
        with np.load(path, allow_pickle=False) as arrays:
            head = Head(*(arrays[n].astype(np.float32) for n in ("hidden", "hidden_bias", "out", "out_bias")))
    except (OSError, ValueError, KeyError) as e:
        raise ModelError(f"{path}: no usable head: {str(e).splitlines()[0]}") from None
    units = head.hidden_bias.shape[0] if head.hidden_bias.ndim == 1 else 0
    shapes = (head.hidden.shape, head.out.shape, head.out_bias.shape)
    if shapes != ((SIZE, units), (units, len(LABELS)), (len(LABELS),)):
        raise ModelError(f"{path}: no usable head: shapes {shapes}")
    return head


@dataclass(frozen=True, slots=True)
class Upset:
    """Calibration of P(upset): a slope and an offset of its log-odds, chosen on dev."""

    slope: float = 1.0
    offset: float = 0.0

    def calibrated(self, probabilities: Sequence[float]) -> Four:
        """Probabilities (4,) whose angry + disappointed is calibrated; within both parts the shares stay."""
        angry, neutral, disappointed, happy = probabilities
        before = min(1 - _EDGE, max(_EDGE, angry + disappointed))
        odds = self.slope * math.log(before / (1 - before)) + self.offset
        after = 1 / (1 + math.exp(-odds))
        up, down = after / before, (1 - after) / (1 - before)
        return angry * up, neutral * down, disappointed * up, happy * down


@dataclass(frozen=True, slots=True)
class SecondVoicePlan:
    """How much the head counts, and where; of the card's recipe."""

    languages: tuple[str, ...]
    """Those in which it may answer alone (ISO 639-1)."""
    share: float
    """Its share in the average."""
    temperature: float
    threshold: float
    """Of the average: confidence under which the answer is "uncertain"."""
    threshold_alone: float
    upset: Upset
    """Of the average."""
    upset_alone: Upset


def plan_of(recipe: Mapping[str, Any]) -> SecondVoicePlan | None:
    """The plan in a card's recipe; None: the model has no head.

    Raises:
        ModelError: it is incomplete or out of bounds.
    """
    found = recipe.get("head")
    if found is None:
        return None
    try:
        plan = SecondVoicePlan(
            languages=tuple(str(code) for code in found["languages"]),
            share=float(found["share"]),
            temperature=float(found["temperature"]),
            threshold=float(found["threshold"]),
            threshold_alone=float(found["threshold_alone"]),
            upset=upset_of(found["upset"]),
            upset_alone=upset_of(found["upset_alone"]),
        )
    except (KeyError, TypeError, ValueError) as e:
        raise ModelError(f"the recipe's head: {e!r}") from None
    if not (0 <= plan.share <= 1 and plan.temperature > 0):
        raise ModelError("the recipe's head: expected a share of 0 to 1 and a temperature over 0")
    return plan


def upset_of(value: Any) -> Upset:
    """A calibration from a recipe's [slope, offset]; None: as it is.

    Raises:
        ModelError: it is none.
    """
    if value is None:
        return Upset()
    try:
        slope, offset = (float(number) for number in value)
    except (TypeError, ValueError):
        slope = offset = math.nan
    if not (slope > 0 and math.isfinite(slope) and math.isfinite(offset)):
        raise ModelError(f"the recipe's upset: expected a slope over 0 and an offset, got {value!r}")
    return Upset(slope, offset)


class SecondVoice:
    """The head and its encoder, ready to use. Not for use by several threads at once."""

    def __init__(self, plan: SecondVoicePlan, head: Head, encoder: MeaningEncoder) -> None:
        self.plan, self._head, self._encoder = plan, head, encoder

    def probabilities(self, text: str) -> FloatArray:
        """Class probabilities (4,) of a text, not yet calibrated; the mean of a long one's two parts."""
        logits = self._head.logits(self._encoder.read(text)).mean(axis=0) / self.plan.temperature
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum(), np.float32)

"""A light network in a speech model's folder, whose answers count for a share of a call's readings.

A model trained on clips as recorded meets different audio in calls: windows without pauses, of several
utterances, with noise. The light network errs differently there, and costs next to nothing. It was trained on
the same corpora and can't recognise unfamiliar recordings: on those only the larger model, which can,
answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion.card import Card
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: The network's file in the folder of the model that it goes with.
FILE: Final = "companion.tflite"
#: Least probability, since its logarithm is taken.
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Companion:
    """How much the companion counts."""

    of: str
    """`name/version` of the model that it is a copy of."""
    share: float
    """Its weight in the mean of both models' probabilities, 0 to 1, on recordings like the training data."""
    sharpness: float
    """What the mean's logarithms are multiplied by: a mean of two calibrated answers is too unsure."""

    def joined(self, own: FloatArray, theirs: FloatArray, known: FloatArray | float = 1.0) -> FloatArray:
        """Probabilities (..., 4) of both, from the model's own and the companion's.

        `known`, a number or (..., 1) from 0 to 1, is how similar the recording is to the training data.
        """
        share = self.share * known
        mean = (1 - share) * own + share * theirs
        raised = np.maximum(mean, _LEAST) ** (1 + (self.sharpness - 1) * known)
        out: FloatArray = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)
        return out


def companion_of(card: Card) -> tuple[Companion, Card] | None:
    """What a card's recipe says about a companion, and a card to load its network with; None: there is none.

    Raises ModelError when the recipe is incomplete, or its file has no checksum.
    """
    entry = card.recipe.get("companion")
    if entry is None:
        return None
    try:
        plan = Companion(str(entry["of"]), float(entry["share"]), float(entry["sharpness"]))
        temperature, recipe = float(entry["temperature"]), dict(entry["recipe"])
    except (KeyError, TypeError, ValueError) as e:
        raise ModelError(f"{card.title}: the recipe's companion is incomplete: {e!r}") from None
    if not (0 < plan.share < 1 and plan.sharpness > 0 and temperature > 0):
        raise ModelError(f"{card.title}: the recipe's companion is out of bounds")
    if FILE not in card.sha256:
        raise ModelError(f"{card.title}: {FILE} without a checksum in the card")
    own = replace(card, temperature=temperature, recipe={**recipe, "networks": [FILE]})
    return plan, own


def recipe_of(light: Card, share: float, sharpness: float) -> Mapping[str, Any]:
    """What goes into a card's recipe as `companion`, for a copy of the model of the card `light`."""
    return {
        "of": light.title,
        "share": share,
        "sharpness": sharpness,
        "temperature": light.temperature,
        "recipe": {"front": light.recipe["front"]},
    }


def in_parts(samples: FloatArray, parts: int) -> Sequence[FloatArray]:
    """Samples (n,) cut into equal parts, as a model reads a long stretch."""
    return [samples] if parts == 1 else np.array_split(samples, parts)

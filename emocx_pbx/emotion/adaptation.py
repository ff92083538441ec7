"""How a model adapts to a caller: an inference on few numbers, and heads on the caller's own centre.

The first (`caller`) also works on recordings unlike the training data; the second (`centred`) is better on
recordings like them, and has no effect elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.caller import CallerBelief, CallerPrior, Weights, expected_mix
from emocx_pbx.emotion.centred import Centred, Centring, PlacedReading
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AdaptationInputs:
    """The inputs of adaptation for n readings."""

    log_p: Floats
    """(n, 4): plain log probabilities."""
    points: Doubles
    """(n, k) in the prior's space."""
    places: Floats
    """(n, d) for the centred heads; d is 0 without such heads."""
    known: Floats
    """(n,): how similar recordings are to the training data, 0 to 1; 1 if the model can't tell."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What a model knows about how callers differ."""

    prior: CallerPrior
    centred: Centred | None
    """None in models older than these heads."""
    site: SiteHeads | None = None
    """Heads on the same places less the centre of the line's callers; None in models without them."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any], recipe: Mapping[str, Any]) -> Adaptation:
        """From stored arrays and a recipe with mix and trust, and mix and trust where recordings are strange.

        Raises ModelError when something is missing, or arrays are of a wrong shape.
        """
        try:
            known = Weights(float(recipe["mix"]), float(recipe["trust"]))
            other = recipe.get("strange", recipe)
            strange = Weights(float(other["mix"]), float(other["trust"]))
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(f"the recipe's adaptation is incomplete: {e}") from None
        centred, site = Centred.of(arrays), SiteHeads.of(arrays)
        if site is not None and (centred is None or site.classes.shape != centred.classes.shape):
            raise ModelError("the caller model's site heads know no places, or other ones")
        return cls(CallerPrior.of(arrays, known, strange), centred, site)

    def inputs(self, measured: Floats, log_p: Floats) -> AdaptationInputs:
        """What is taken of measurements (n, width) with log probabilities (n, 4)."""
        points = self.prior.points(measured, log_p)
        if self.centred is None:
            one = np.ones((len(measured), 1), np.float32)
            return AdaptationInputs(log_p, points, one[:, 1:], one[:, 0])
        return AdaptationInputs(log_p, points, self.centred.places(measured), self.centred.known(measured))


class CallerSession:
    """One caller along a call. Deterministic."""

    def __init__(self, model: Adaptation, neutral_share: float = 1 / len(LABELS)) -> None:
        """`neutral_share` is the share (0 to 1) of a call expected to be neutral beforehand."""
        self._belief = CallerBelief(model.prior, neutral_share)
        mix = expected_mix(neutral_share)
        self._centring = None if model.centred is None else Centring(model.centred, mix)

    def hear(self, inputs: AdaptationInputs, i: int) -> Floats:
        """Take reading i of those; its log probabilities (4,), up to a constant, given all before."""
        known = float(inputs.known[i])
        inferred = self._belief.hear(inputs.points[i], inputs.log_p[i], known)
        if self._centring is None:
            return inferred
        return self._centring.hear(PlacedReading(inputs.places[i], known, inferred.astype(np.float64)))

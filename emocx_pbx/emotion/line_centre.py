"""A call on a line whose callers' centre is known: its readings are judged less that centre, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import CallerPlace, LineZero
from emocx_pbx.emotion.adaptation import Adaptation, AdaptationInputs
from emocx_pbx.emotion.site import SiteHeads

FloatArray = npt.NDArray[np.float32]


class LineCentre:
    """Answers of a model's site heads beside its corrected plain answers."""

    def __init__(self, site: SiteHeads, centre: FloatArray) -> None:
        """`centre` (d,) is what the heads take from a reading's place."""
        self._site, self._centre = site, centre

    @classmethod
    def of(cls, caller: Adaptation | None, zero: LineZero | None) -> LineCentre | None:
        """None where the model has no such heads, or the line no centre for them."""
        if caller is None or caller.site is None or zero is None:
            return None
        if len(zero.centre) != caller.site.classes.shape[1]:
            return None
        return cls(caller.site, caller.site.centre(zero.centre, zero.neutral_share))

    def beside(self, corrected: FloatArray, inputs: AdaptationInputs) -> FloatArray:
        """Log probabilities (4,) by both, from the corrected ones and what is taken of one reading."""
        less = inputs.places - self._centre
        found: FloatArray = self._site.beside_plain(corrected[None], less, inputs.known)[0]
        return found


class MeanPlace:
    """The mean place of one caller's readings, for what the line learns (`emotion.places`)."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._readings = 0

    def take(self, place: FloatArray) -> None:
        """One more reading's place (d,)."""
        self._sum = place if self._sum is None else self._sum + place
        self._readings += 1

    def of(self, model: str) -> CallerPlace | None:
        """None without readings."""
        if self._sum is None:
            return None
        mean = tuple(round(float(x), 4) for x in self._sum / self._readings)
        return CallerPlace(model, mean, self._readings)

"""A call on a line whose callers' centre is known: its readings are heard less that centre, too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import CallerPlace, LineZero
from emocx_pbx.emotion.adaptation import Adaptation
from emocx_pbx.emotion.centred import Centred
from emocx_pbx.emotion.site import SiteHeads

FloatArray = npt.NDArray[np.float32]


class LineCentre:
    """Answers of a model's site heads beside its corrected plain answers."""

    def __init__(self, centred: Centred, site: SiteHeads, zero: LineZero) -> None:
        """`zero` has a centre (d,) of the model's places."""
        self._centred, self._site = centred, site
        self._centre = site.centre(zero.centre, zero.neutral_share)

    @classmethod
    def of(cls, caller: Adaptation | None, zero: LineZero | None) -> LineCentre | None:
        """None where the model has no such heads, or the line no centre for them."""
        if caller is None or caller.centred is None or caller.site is None or zero is None:
            return None
        if len(zero.centre) != caller.site.classes.shape[1]:
            return None
        return cls(caller.centred, caller.site, zero)

    def beside(self, corrected: FloatArray, measured: FloatArray) -> FloatArray:
        """Log probabilities (4,) by both, from the corrected ones and a reading's measurement (width,)."""
        known = self._centred.known(measured[None])
        less = self._centred.places(measured[None]) - self._centre
        found: FloatArray = self._site.beside_plain(corrected[None], less, known)[0]
        return found


class MeanPlace:
    """The mean place of one caller's readings, for what the line learns (`emotion.places`)."""

    def __init__(self, caller: Adaptation) -> None:
        """Of a model that has places."""
        self._centred = caller.centred
        self._sum: FloatArray | None = None
        self._readings = 0

    def take(self, measured: FloatArray) -> None:
        """One more reading's measurement (width,)."""
        if self._centred is None:
            return
        place = self._centred.places(measured[None])[0]
        self._sum = place if self._sum is None else self._sum + place
        self._readings += 1

    def of(self, model: str) -> CallerPlace | None:
        """None without readings."""
        if self._sum is None:
            return None
        mean = tuple(round(float(x), 4) for x in self._sum / self._readings)
        return CallerPlace(model, mean, self._readings)

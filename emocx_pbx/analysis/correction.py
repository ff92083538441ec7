"""What the accurate model has said of a caller, put to use for windows that only the light one reads.

Where both read a window, the difference of their answers' logarithms tells how the light model misreads this
caller. The mean of these differences, the latest counting most, is added to its other answers. Each of them
stays an answer on its own window: where the light model hears something new, so does the corrected answer.
Pure.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import Scores

#: Chosen on dev speakers' assembled calls, for the distance of grades from the accurate model's everywhere
#: (`benchmarks.cascade`). No difference counts for so many windows ...
NONE: Final = 0.5
#: ... and one for 1/e as much after so many windows.
FADES: Final = 4.0
_FADED: Final = math.exp(-1 / FADES)
#: A probability is taken to be at least so much, and a difference of logarithms at most that.
_LEAST: Final = 1e-4
_MOST: Final = 3.0

Floats = npt.NDArray[np.float64]


class Correction:
    """One call's."""

    def __init__(self) -> None:
        self._sum: Floats = np.zeros(4)
        self._weight = 0.0

    def passed(self) -> None:
        """Another window was read, by whichever model."""
        if self._weight:
            self._sum *= _FADED
            self._weight *= _FADED

    def learn(self, accurate: Scores, light: Scores) -> None:
        """Take both models' answers on one window, the light one's as it gave it."""
        apart = np.clip(_logs(accurate) - _logs(light), -_MOST, _MOST)
        # What is added to all classes alike says nothing.
        self._sum += apart - apart.mean()
        self._weight += 1

    def corrected(self, light: Scores) -> Scores:
        """The light model's answer, corrected; its `plain` is what the model itself says."""
        if not self._weight:
            return light
        sums = _logs(light) + self._sum / (NONE + self._weight)
        values = np.exp(sums - sums.max())
        scores = Scores.of([float(value) for value in values], light.threshold)
        return replace(scores, plain=light.plain or light.probabilities)


def _logs(scores: Scores) -> Floats:
    return np.log(np.maximum(scores.probabilities, _LEAST))

"""Clips drawn more than once for a call: said again at another speed, as people do, never to the sample."""

from __future__ import annotations

from collections import Counter

from emocx_pbx.training.speech.augment import speed
from emocx_pbx.training.speech.data import Clip, FloatArray

#: A step of speed from one time to the next.
STEP = 0.03


class Speaker:
    """The clips of one call; counts how often each was said."""

    def __init__(self) -> None:
        self._said: Counter[int] = Counter()

    def says(self, clip: Clip) -> FloatArray:
        """Samples (n,) of the clip, at another speed each time."""
        times = self._said[id(clip)]
        self._said[id(clip)] += 1
        step = STEP * ((times + 1) // 2)
        return clip.samples if not times else speed(clip.samples, 1 + (step if times % 2 else -step))

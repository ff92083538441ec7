"""The latest frames of one side, by number, in a ring of fixed size. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import Int16Array
from emocx_pbx.audio.vad import FRAME


class Recent:
    """Frames are counted from 0; those before are silence, and those too old have been overwritten."""

    def __init__(self, size: int) -> None:
        """Keep `size` frames."""
        self._ring = np.zeros((size, FRAME), np.int16)

    def write(self, first: int, frames: Int16Array) -> None:
        """Take frames (n, FRAME), at most `size` of them, the first of which has this number."""
        write(self._ring, first, frames)

    def take(self, numbers: npt.NDArray[Any]) -> Int16Array:
        """A copy of these frames, end to end (n x FRAME,)."""
        taken: Int16Array = self._ring[numbers % len(self._ring)].reshape(-1)
        return taken


def write(ring: Int16Array, first: int, frames: Int16Array) -> None:
    """Put frames (n, FRAME) into a ring (size, FRAME), n at most its size, the first at its number."""
    size = len(ring)
    at = first % size
    before = min(len(frames), size - at)
    ring[at : at + before] = frames[:before]
    if before < len(frames):
        ring[: len(frames) - before] = frames[before:]

"""The order in which frames of many calls are taken: the first of each, then the second, and so on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.voices import Rows


def frame_turns(
    rows: Rows, starts: npt.NDArray[np.intp], counts: Sequence[int]
) -> Iterable[tuple[Rows, npt.NDArray[np.intp]]]:
    """For each turn the rows that have another frame, and where it lies; counts fall."""
    taken = np.array(counts)
    for turn in range(counts[0]):
        active = int(np.searchsorted(-taken, -turn, side="left"))
        yield rows[:active], starts[:active] + turn

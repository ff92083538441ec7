"""Tones on many lines at once: `ToneWatch` as arrays, with the same answers. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.audio.tones import AFTER, AFTER_DB, DRIFT_DB, DRIFT_HZ, HELD, TONAL

Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


class ToneWatches:
    """Rows of lines, each with the state of a `ToneWatch`.

    A frame is passed in twice: `steady` says whether its spectral lines must be examined, `are_tones` judges
    it.
    """

    def __init__(self, rows: int) -> None:
        """Room for this many lines."""
        self._level = np.zeros(rows)
        self._hz = np.zeros(rows)
        self._run = np.zeros(rows, np.int64)
        self._loud = np.zeros(rows)
        self._since = np.full(rows, AFTER + 1, np.int64)

    def open(self, row: int) -> None:
        """A new line takes the row."""
        self._level[row] = self._hz[row] = self._loud[row] = 0.0
        self._run[row], self._since[row] = 0, AFTER + 1

    def steady(self, rows: Rows, levels: Doubles) -> Flags:
        """Whether the next frames, of these levels (k,) in dB, are as loud as those before."""
        steady: Flags = np.abs(levels - self._level[rows]) <= DRIFT_DB
        self._level[rows] = levels
        return steady

    def are_tones(
        self,
        rows: Rows,
        levels: Doubles,
        looked_at: Flags,
        steady: Flags,
        share: FloatArray,
        hz: FloatArray,
    ) -> Flags:
        """Judge the next frames of different rows.

        Args:
            rows: the lines, (k,), as all that follows.
            levels: of the frames, dB.
            looked_at: where it is false, a frame is no tone.
            steady: what `steady` said of these frames.
            share: what `tones.lines` says of them; used only where they are looked at and steady,
            hz: likewise.
        """
        lined = looked_at & steady
        before, run = self._hz[rows], self._run[rows]
        same = (run > 0) & (np.abs(hz - before) <= DRIFT_HZ)
        run = np.where(lined & (share >= TONAL), np.where(same, run + 1, 1), 0)
        tone = run > HELD
        loud = np.where(tone, levels, self._loud[rows])
        since = np.where(tone, 0, self._since[rows] + 1)
        self._hz[rows] = np.where(lined, hz, before)
        self._run[rows], self._loud[rows], self._since[rows] = run, loud, since
        return (run >= HELD) | (looked_at & (since <= AFTER) & (levels < loud - AFTER_DB))

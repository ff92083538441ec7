"""Voice activity of many calls' sides at once: `VoiceActivity` as arrays, with the same answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import webrtcvad

from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.vad import ECHO_DB, ECHO_FRAMES, FLOOR_DB, FRAME, MARGIN_DB, RISE_DB

Rows = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

_BYTES: Final = 2 * FRAME

#: Says whether 160 samples of 16 bits are speech: takes bytes and their number of samples, returns 0 or 1.
Detect = Callable[[bytes, int], int]


def _detector(aggressiveness: int) -> Detect:
    """WebRTC's detector without the package's Python around it, which takes a quarter of its time."""
    vad = webrtcvad.Vad(aggressiveness)
    return partial(webrtcvad._webrtcvad.process, vad._vad, SAMPLE_RATE)


class Voices:
    """Rows of calls; each has the customer in column 0 and the agent in column 1."""

    def __init__(self, rows: int, aggressiveness: int) -> None:
        """Room for this many calls; `aggressiveness` is WebRTC's mode, 0 (lenient) to 3 (strict)."""
        self._aggressiveness = aggressiveness
        self._detectors: dict[int, tuple[Detect, Detect]] = {}
        self._floor_db = np.full((rows, 2), FLOOR_DB)
        self._said_db = np.full((rows, 2, ECHO_FRAMES), -np.inf)
        """Levels of the latest frames."""
        self._frames = np.zeros(rows, np.intp)

    def open(self, row: int) -> None:
        """A new call takes the row."""
        self._detectors[row] = _detector(self._aggressiveness), _detector(self._aggressiveness)
        self._floor_db[row], self._said_db[row], self._frames[row] = FLOOR_DB, -np.inf, 0

    def close(self, row: int) -> None:
        """The call is over."""
        del self._detectors[row]

    def voiced(self, rows: Sequence[int], counts: Sequence[int], frames: Int16Array) -> Flags:
        """What the detector says of frames (k, 2, FRAME), one row's after the other's; shape (k, 2).

        The detector adapts to what it hears: every frame comes once, in order.
        """
        raw, out, at = frames.tobytes(), [], 0
        for row, count in zip(rows, counts, strict=True):
            customer, agent = self._detectors[row]
            for _ in range(count):
                middle, end = at + _BYTES, at + 2 * _BYTES
                out.append(customer(raw[at:middle], FRAME))
                out.append(agent(raw[middle:end], FRAME))
                at = end
        return np.array(out, np.bool_).reshape(-1, 2)

    def are_speech(self, rows: Rows, levels: Doubles, voiced: Flags) -> Flags:
        """Judge the next frame of both sides of different rows. Returns levels (dB) and flags (k, 2)."""
        floor = np.maximum(FLOOR_DB, np.minimum(levels, self._floor_db[rows] + RISE_DB))
        self._floor_db[rows] = floor
        count = self._frames[rows]
        self._said_db[rows, :, count % ECHO_FRAMES] = levels
        self._frames[rows] = count + 1
        # The other side's loudest.
        loudest = self._said_db[rows].max(axis=2)[:, ::-1]
        speech: Flags = voiced & (levels >= floor + MARGIN_DB) & (levels >= loudest - ECHO_DB)
        return speech

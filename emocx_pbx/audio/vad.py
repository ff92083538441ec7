"""Voice activity of one side, frame by frame: WebRTC's detector behind a level gate.

The detector alone sometimes takes line hum, comfort noise and the other side's echo for speech. The gate also
requires that a frame stands out from the side's own noise, and is not far weaker than what the other side has
just said.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np
import webrtcvad

from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array

FRAME_S: Final = 0.02
FRAME: Final = int(FRAME_S * SAMPLE_RATE)
"""Samples in a frame: 160."""

#: Level of an all-zero frame, dBFS.
SILENCE_DB: Final = -96.0
#: Its power, relative to a full-scale square wave's.
SILENT: Final = 10 ** (SILENCE_DB / 10)
#: Speech stands this much above the noise floor.
MARGIN_DB: Final = 8.0
#: The floor is never lower than this: speech weaker than FLOOR_DB + MARGIN_DB (-52 dBFS) can't be used.
FLOOR_DB: Final = -60.0
#: The floor rises this fast under a steady noise (dB a frame: 2 dB/s); it falls at once.
RISE_DB: Final = 0.04
#: An echo is this much weaker than its source: the least echo return loss of a usable line (ITU-T
#: G.168 assumes at least 6 dB in the hybrid before cancelling; telephones add acoustic loss).
ECHO_DB: Final = 25.0
#: The other side's loudest frame within this many frames counts: 240 ms of echo delay.
ECHO_FRAMES: Final = 12


def level_db(frame: Int16Array) -> float:
    """RMS level of a frame in dBFS (0 is a full-scale square wave), SILENCE_DB at least."""
    return levels_db(frame[None, :])[0]


def levels_db(frames: Int16Array) -> list[float]:
    """RMS levels of frames (k, n) in dBFS, SILENCE_DB at least: those of each by itself, to the last bit."""
    # Sums of squares of 16-bit samples are whole numbers that float64 holds exactly, in whatever order.
    floats = frames.astype(np.float64)
    powers = np.einsum("ij,ij->i", floats, floats) / (max(frames.shape[1], 1) * 32768.0**2)  # (k,)
    # The library's logarithm of a number, as numpy's differs with the processor.
    return [10.0 * math.log10(p) if p > SILENT else SILENCE_DB for p in powers.tolist()]


class VoiceActivity:
    """Says which frames of one side are speech. Depends only on the frames."""

    def __init__(self, aggressiveness: int) -> None:
        """`aggressiveness` is WebRTC's mode, 0 (lenient) to 3 (strict)."""
        self._detector = webrtcvad.Vad(aggressiveness)
        self._floor_db = FLOOR_DB
        self._other_db: deque[float] = deque(maxlen=ECHO_FRAMES)

    def is_speech(self, frame: Int16Array, level: float, other_level: float = SILENCE_DB) -> bool:
        """Judge the next frame of FRAME samples; levels, also the other side's, are by `level_db`."""
        self._other_db.append(other_level)
        self._floor_db = max(FLOOR_DB, min(level, self._floor_db + RISE_DB))
        # The detector adapts to what it hears, so it hears every frame, gated or not.
        voiced = bool(self._detector.is_speech(frame.tobytes(), SAMPLE_RATE))
        return voiced and level >= self._floor_db + MARGIN_DB and level >= max(self._other_db) - ECHO_DB

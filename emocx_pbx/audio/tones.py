"""Distinguishes the telephone network's own tones from a voice, frame by frame: keys, ringback, busy, fax,
beeps.

ITU-T Q.23 (keys), E.180 (ringback, busy, congestion, special information) and T.30 (fax) all use one
or two steady sines. A voice has more than two spectral lines, or they move, or its level does. Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio.filterbanks import hann
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array
from emocx_pbx.audio.vad import FRAME

_SIZE: Final = 256
_WINDOW: Final = hann(FRAME).astype(np.float32)
#: Below this (Hz) there is only the line's hum.
_LOWEST: Final = round(125 * _SIZE / SAMPLE_RATE)
_HZ: Final = np.arange(_LOWEST, _SIZE // 2 + 1, dtype=np.float32) * (SAMPLE_RATE / _SIZE)
#: Bins that hold two spectral lines: a Hann window of 20 ms spreads nearly all of a line over five.
_BINS: Final = 10
#: They hold this share of a tone's energy, even with noise 17 dB below it.
TONAL: Final = 0.98
#: A tone's centre of gravity stays where it is (Hz), and its level (dB); two lines that beat seem to move.
DRIFT_HZ: Final = 20.0
DRIFT_DB: Final = 3.0
#: This many frames in a row make a tone: the ones before that are too few to begin an utterance, even where
#: one tone follows another.
HELD: Final = 2
#: For a while after a tone the detector still takes the line's noise for speech: for this many frames,
#: whatever is this much weaker is that noise.
AFTER_DB: Final = 12.0
AFTER: Final = 12


def lines(frames: Int16Array) -> tuple[FloatArray, FloatArray]:
    """Share of energy in the strongest bins, and centre of gravity (Hz), of frames (k, FRAME); each (k,)."""
    spectrum = scipy.fft.rfft(frames * _WINDOW, _SIZE, axis=1)[:, _LOWEST:]
    power = spectrum.real**2 + spectrum.imag**2  # (k, 125)
    total = power.sum(axis=1) + np.float32(1e-9)
    strongest = np.partition(power, -_BINS, axis=1)[:, -_BINS:]
    # No product of matrices: a frame's figures must not depend on how many others are with it.
    return strongest.sum(axis=1) / total, (power * _HZ).sum(axis=1) / total


def lines_where(wanted: npt.NDArray[np.bool_], frames: Int16Array) -> tuple[FloatArray, FloatArray]:
    """What `lines` says of the wanted ones among frames (k, FRAME); 0 elsewhere."""
    share, hz = np.zeros(len(frames), np.float32), np.zeros(len(frames), np.float32)
    if wanted.any():
        share[wanted], hz[wanted] = lines(frames[wanted])
    return share, hz


class ToneWatch:
    """Which frames of one side are a tone: few lines, where the frame before had them, and as loud."""

    def __init__(self) -> None:
        self._level = 0.0
        self._hz = 0.0
        self._run = 0
        """Frames in a row with the same lines; `_level` and `_hz` are those of the latest."""
        self._loud = 0.0
        """Level of the latest tone."""
        self._since = AFTER + 1
        """Frames since then."""

    def is_tone(self, frame: Int16Array, level: float, looked_at: bool) -> bool:
        """Judge the next frame (FRAME,) of that level (dB); not `looked_at`, it is no tone."""
        steady = abs(level - self._level) <= DRIFT_DB
        self._level = level
        self._since += 1
        self._run = self._same_lines(frame) if looked_at and steady else 0
        if self._run > HELD:
            self._loud, self._since = level, 0
        if self._run >= HELD:
            return True
        return looked_at and self._since <= AFTER and level < self._loud - AFTER_DB

    def _same_lines(self, frame: Int16Array) -> int:
        share, hz = lines(frame[None, :])
        before, self._hz = self._hz, float(hz[0])
        if share[0] < TONAL:
            return 0
        return self._run + 1 if self._run and abs(self._hz - before) <= DRIFT_HZ else 1

"""What a side's samples show of how it was recorded: clipped, played at half speed, equal to the other. Pure.

Everything is added up block by block, in the same memory for a minute as for a day.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array

Floats = npt.NDArray[np.float64]

#: Frame for pitch and spectrum: 64 ms holds two periods of the lowest voice, twice as slow.
_FRAME: Final = 512
#: A frame is audible from this level on (RMS of int16: -48 dBFS).
_AUDIBLE: Final = 130.0
#: Steps of the histogram of magnitudes: fine enough for the top 2 % of any level from -30 dBFS on.
_BINS: Final = 4096
#: Clipped where the top 2 % of the range hold more samples than the next 8 %, and this share of what is
#: audible: unclipped speech thins out towards its peak, clipped speech piles up there.
CLIPPED: Final = 3e-4
#: Power above 2 kHz: -33 dB and more in speech (fricatives), under -40 dB in telephone speech at half speed.
SLOW_DB: Final = -37.0
#: Hz: a median pitch below this is not an adult's (in the corpora it is at least 94), but a man's at half
#: speed.
SLOW_PITCH: Final = 85.0
#: Audible frames needed to say any of this: 6 s; and voiced ones, to say the pitch: 3 s.
LEAST_FRAMES: Final = 96
LEAST_VOICED: Final = 48
_VOICED: Final = 0.6
_LAGS: Final = slice(20, 200)
_SPECTRUM: Final = 2 * _FRAME
_SPLIT: Final = _SPECTRUM // 4
_PITCH_BINS: Final = 256


class SideSurvey:
    """One side, fed in order."""

    def __init__(self) -> None:
        self._magnitudes = np.zeros(_BINS, np.int64)
        self._power = np.zeros(_SPECTRUM // 2 + 1)
        self._lags = np.zeros(_LAGS.stop, np.int64)
        self._audible = 0
        self._left = np.zeros(0, np.int16)

    def hear(self, samples: Int16Array) -> None:
        """Take the next samples (n,) at 8 kHz."""
        bins = np.abs(samples.astype(np.int32)) * _BINS >> 15
        self._magnitudes += np.bincount(np.minimum(bins, _BINS - 1), minlength=_BINS)
        whole = np.concatenate([self._left, samples])
        count = len(whole) // _FRAME
        self._left = whole[count * _FRAME :]
        frames = whole[: count * _FRAME].reshape(count, _FRAME).astype(np.float64)
        # (count, _FRAME)
        self._frames(frames[np.sqrt((frames**2).mean(axis=1)) >= _AUDIBLE])

    def _frames(self, frames: Floats) -> None:
        if not len(frames):
            return
        self._audible += len(frames)
        frames = frames - frames.mean(axis=1, keepdims=True)
        self._power += (np.abs(np.fft.rfft(frames * np.hanning(_FRAME), _SPECTRUM, axis=1)) ** 2).sum(axis=0)
        lags = _pitch_lags(frames)
        self._lags += np.bincount(lags, minlength=_LAGS.stop)

    @property
    def is_clipped(self) -> bool:
        """Whether its peaks are cut off."""
        counts = self._magnitudes
        used = np.flatnonzero(counts)
        peak = int(used[-1]) if len(used) else 0
        if peak < _BINS // 32:
            return False
        top = int(counts[int(0.98 * peak) :].sum())
        below = int(counts[int(0.90 * peak) : int(0.98 * peak)].sum())
        return top > below and top > CLIPPED * int(counts[_BINS // 128 :].sum())

    @property
    def pitch_hz(self) -> float | None:
        """Median pitch; None: too little voice."""
        counts = self._lags[1:]
        if int(counts.sum()) < LEAST_VOICED:
            return None
        middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)) + 1
        return SAMPLE_RATE / middle

    @property
    def upper_db(self) -> float | None:
        """Power above 2 kHz relative to all, in dB; None: too little is audible."""
        if self._audible < LEAST_FRAMES:
            return None
        return float(10 * np.log10(self._power[_SPLIT:].sum() / self._power.sum() + 1e-12))

    @property
    def is_slow(self) -> bool:
        """Whether it sounds as if played at half speed."""
        pitch, upper = self.pitch_hz, self.upper_db
        return (pitch is not None and pitch < SLOW_PITCH) or (upper is not None and upper < SLOW_DB)


def _pitch_lags(frames: Floats) -> npt.NDArray[np.int64]:
    """Period of each frame (k, _FRAME) in samples (k,), by autocorrelation; 0 where there is no voice."""
    spectrum = np.abs(np.fft.rfft(frames, _SPECTRUM, axis=1)) ** 2
    likeness = np.fft.irfft(spectrum, axis=1)[:, : _LAGS.stop + 1]
    # (k, lags): of a frame with itself, made even for the overlap that shrinks with the lag.
    likeness *= (_FRAME / (_FRAME - np.arange(_LAGS.stop + 1))) / np.maximum(likeness[:, :1], 1.0)
    here = likeness[:, _LAGS]
    best = here.max(axis=1, keepdims=True)
    # The shortest period that fits nearly as well: twice the period always fits, too.
    peaks = (here >= likeness[:, 19:199]) & (here >= likeness[:, 21:201]) & (here > 0.9 * best)
    lags = peaks.argmax(axis=1) + _LAGS.start
    found: npt.NDArray[np.int64] = np.where((best[:, 0] > _VOICED) & peaks.any(axis=1), lags, 0)
    return found


class Likeness:
    """How alike two sides are, sample by sample."""

    #: Two sides are one where this part of their power is common: a copy through a codec keeps .97.
    SAME: Final = 0.95

    def __init__(self) -> None:
        self._both = self._left = self._right = 0.0

    def hear(self, left: Int16Array, right: Int16Array) -> None:
        """Take the next samples of both (n,)."""
        one, other = left.astype(np.float64), right.astype(np.float64)
        self._both += float(one @ other)
        self._left += float(one @ one)
        self._right += float(other @ other)

    @property
    def is_same(self) -> bool:
        """Whether both sides carry the same sound, at whatever level."""
        return self._both**2 > self.SAME * self._left * self._right > 0

"""Filter banks as librosa defines them, built once per process and shared.

Sources: Slaney's Auditory Toolbox (mel), Ellis' chroma notebook (chroma), both as implemented by
librosa 0.11 (ISC licence), whose values these equal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_LOG_HZ: Final = 1000.0
_LINEAR_HZ: Final = 200.0 / 3
_LOG_STEP: Final = float(np.log(6.4)) / 27.0


@lru_cache(maxsize=8)
def hann(n: int) -> npt.NDArray[np.float64]:
    """Periodic Hann window (n,)."""
    # By hand: scipy.signal would take longer to import than everything else together.
    window: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return window


def _mel_to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    corner = _LOG_HZ / _LINEAR_HZ
    curved = _LOG_HZ * np.exp(_LOG_STEP * (mels - corner))
    return np.where(mels >= corner, curved, _LINEAR_HZ * mels)


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_HZ:
        return hz / _LINEAR_HZ
    return _LOG_HZ / _LINEAR_HZ + float(np.log(hz / _LOG_HZ)) / _LOG_STEP


@lru_cache(maxsize=8)
def mel(rate: int, n_fft: int, bands: int, low_hz: float = 0.0, high_hz: float | None = None) -> FloatArray:
    """Slaney mel bank (1 + n_fft/2, bands), each band scaled to equal energy; rate and edges in Hz."""
    top = rate / 2 if high_hz is None else high_hz
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / rate)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(low_hz), _hz_to_mel(top), bands + 2))
    # (bands + 2,)
    widths = np.diff(edges)
    ramps = np.subtract.outer(edges, bins_hz)
    # (bands + 2, bins)
    lower = -ramps[:-2] / widths[:-1, None]
    upper = ramps[2:] / widths[1:, None]
    # librosa rounds to float32 before the scaling; equality to the last bit depends on it.
    weights = np.maximum(0, np.minimum(lower, upper)).astype(np.float32)
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.ascontiguousarray(weights.T)


@lru_cache(maxsize=128)
def chroma(rate: int, n_fft: int, tuning: float) -> FloatArray:
    """Chroma bank (1 + n_fft/2, 12); tuning in fractions of a semitone, -0.5 to 0.5.

    One bank is 49 KB and tuning comes in hundredths, so all of them fit the cache.
    """
    hz = np.linspace(0, rate, n_fft, endpoint=False)[1:]
    place = 12 * np.log2(hz / (440.0 * 2.0 ** (tuning / 12) / 16))
    # Bin 0 has no pitch: it is put 1.5 octaves under bin 1.
    place = np.concatenate(([place[0] - 18], place))
    width = np.concatenate((np.maximum(np.diff(place), 1.0), [1]))
    distance = np.subtract.outer(place, np.arange(12.0)).T
    # (12, n_fft)
    distance = np.remainder(distance + 126, 12) - 6
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=0))
    weights *= np.exp(-0.5 * ((place / 12 - 5) / 2) ** 2)
    weights = np.roll(weights, -3, axis=0)
    return np.ascontiguousarray(weights[:, : n_fft // 2 + 1].T, dtype=np.float32)

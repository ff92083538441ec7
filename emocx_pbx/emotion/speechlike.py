"""Tells speech from music on hold, ringback, DTMF, hum, noise and silence, before a model is asked.

Voice activity detection passes most of these, because they are loud. What sets speech apart on a
telephone line: its pitch moves and breaks off (tones stay), it comes in syllables (noise is even),
its spectrum changes from frame to frame in a middling way, and some of it is voiced (noise is not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio import filterbanks
from emocx_pbx.audio.features import CNN_FFT, CNN_HOP, frames, short_powers

FloatArray = npt.NDArray[np.float32]

RATE: Final = 8000
_SIZE: Final = CNN_FFT
_HOP: Final = CNN_HOP
#: For single notes: 128 ms, every 40 ms, 140 to 3000 Hz; and how many steps make 160 ms.
_LONG: Final = 1024
_LONG_HOP: Final = 320
_LONG_BINS: Final = slice(18, 384)
_STAYS: Final = 4
#: Under this level (dBFS, loudest tenth of frames) a stretch is silence.
_SILENCE_DB: Final = -62.0


@dataclass(frozen=True, slots=True)
class SpeechFacts:
    """What the decision rests on."""

    seconds: float
    level_db: float
    """Level of the loudest tenth of the frames, dBFS."""
    swing_db: float
    """Difference between the 95th and the 10th percentile of frame levels."""
    tonal: float
    """Share of loud frames whose energy sits in very few bins (tones)."""
    steady: float
    """Median correlation of loud frames' spectra with those 50 ms later (1: a held tone)."""
    flat: float
    """Median spectral flatness of loud frames (white noise: about 0.56)."""
    voiced: float
    """Share of loud frames with a clear pitch period."""
    staying: float
    """Share of loud frames' spectral peaks that were at the same frequency 160 ms before: notes."""


def facts(samples: FloatArray, powers: FloatArray | None = None) -> SpeechFacts:
    """Measure float32 samples (n,) at 8 kHz; `powers`: their `short_powers`, where they are there already."""
    seconds = samples.size / RATE
    if samples.size < 2 * _SIZE:
        return SpeechFacts(seconds, -120.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    cut = frames(samples, _SIZE, _HOP)
    # (frames, 256)
    power = short_powers(samples) if powers is None else powers
    # (frames, 129); line hum under 125 Hz says nothing
    power = power[:, 4:] + np.float32(1e-9)
    level = 10 * np.log10(power.sum(axis=1) / (_SIZE * _SIZE / 8))
    # (frames,) dBFS of a sine, roughly
    top, high, low = (float(v) for v in np.percentile(level, (90, 95, 10)))
    loud = np.nonzero(level > top - 20)[0]
    share = power[loud] / power[loud].sum(axis=1, keepdims=True)
    # (loud, 125)
    ordered = np.sort(share, axis=1)
    tonal = float(np.mean(ordered[:, -8:].sum(axis=1) > 0.97))
    flat = float(np.median(np.exp(np.log(share).mean(axis=1)) / share.mean(axis=1)))
    logs = np.log(power)
    logs -= logs.mean(axis=1, keepdims=True)
    norm = np.sqrt((logs**2).sum(axis=1))
    here = loud[loud + 5 < len(logs)]
    alike = (logs[here] * logs[here + 5]).sum(axis=1) / (norm[here] * norm[here + 5] + 1e-9)
    steady = float(np.median(alike)) if alike.size else 1.0
    return SpeechFacts(seconds, top, high - low, tonal, steady, flat, _voiced(cut[loud]), _staying(samples))


def _voiced(cut: FloatArray) -> float:
    """Share of frames (k, 256) whose autocorrelation has a strong peak at 60 to 400 Hz."""
    centred = cut - cut.mean(axis=1, keepdims=True)
    spectrum = np.abs(scipy.fft.rfft(centred, 512, axis=1)) ** 2
    auto = scipy.fft.irfft(spectrum, axis=1)[:, :134]
    # Fewer products overlap at long lags: undo that.
    auto = auto / (auto[:, :1] + 1e-9) / (1 - np.arange(134, dtype=np.float32) / 256)
    return float(np.mean(auto[:, 20:].max(axis=1) > 0.5))


def _staying(samples: FloatArray) -> float:
    """Share of spectral peaks that stay where they are for 160 ms: a voice glides, a note is held."""
    if samples.size < _LONG + _STAYS * _LONG_HOP:
        return 0.0
    window = filterbanks.hann(_LONG).astype(np.float32)
    # (frames, bins) above line hum
    power = np.abs(scipy.fft.rfft(frames(samples, _LONG, _LONG_HOP) * window, axis=1)) ** 2
    power = power[:, _LONG_BINS]
    level = power.sum(axis=1)
    loud = level > np.percentile(level, 90) / 100
    inner = power[:, 1:-1]
    peaks = (inner > power[:, :-2]) & (inner >= power[:, 2:]) & loud[:, None]
    peaks &= inner > power.max(axis=1, keepdims=True) / 1000
    held = peaks[_STAYS:].copy()
    for ago in range(1, _STAYS + 1):
        held &= peaks[_STAYS - ago : -ago]
    return float(held.sum() / max(1, peaks.sum()))


def speechlike(samples: FloatArray, powers: FloatArray | None = None) -> bool:
    """Whether a stretch of float32 samples (n,) at 8 kHz sounds like someone speaking.

    `powers` are the samples' `short_powers`, where they are there already.
    """
    f = facts(samples, powers)
    if f.seconds < 0.3 or f.level_db < _SILENCE_DB:
        return False
    # Each limit lies well between recorded speech (99.9 % of clips of five corpora) and the sounds to
    # be refused: swing 18 dB against under 8, steady 0.83 against 0.93, flat 0.09 against 0.38. Music has
    # notes that last and few pauses: both together are neither speech (steady under 0.75 where noise fills
    # its pauses) nor so rare in music as either alone.
    music = f.steady > 0.85 or (f.steady > 0.76 and f.swing_db < 14)
    # Of 1,436 windows of speech, half of them over bad lines, .047 at most stay; notes without a rest less.
    music = music or f.staying > 0.05 or (f.staying > 0.025 and f.swing_db < 20)
    return f.swing_db > 8 and not music and f.flat < 0.3 and f.voiced > 0.3 and f.tonal < 0.95

"""How something is said, in numbers: pitch, loudness, rhythm and spectral balance of a stretch of speech.

All but the last two statistics stay the same when the line is louder or softer. Pure, float32 samples
(n,) at 8 kHz in, one row out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio import filterbanks
from emocx_pbx.audio.features import RATE, frames

FloatArray = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_SIZE: Final = 320
_HOP: Final = 80
_FFT: Final = 512
_PER_S: Final = RATE / _HOP
_BANDS: Final = 26
#: Pitch periods looked for, in samples: 500 down to 60 Hz.
_LAGS: Final = np.arange(16, 135)
_CEPSTRA: Final = 13
_LOUDNESS: Final = 0.1
#: Frames so far (dB) under the loudest count as a pause.
_PAUSE_DB: Final = 30.0
#: Pitch (log2 Hz) of a stretch without any voiced frame: mean, spread, percentiles, range.
_NO_PITCH: Final = (7.3, 0.2, 7.1, 7.3, 7.5, 0.4)


def prosody(samples: FloatArray) -> FloatArray:
    """The statistics (135,) of a stretch; a very short one is padded with silence."""
    window = filterbanks.hann(_SIZE).astype(np.float32)
    # One loudness for all, so that every floor below means the same on each line.
    gain = _LOUDNESS / max(float(np.sqrt(np.mean(samples**2))) if samples.size else 0.0, 1e-5)
    cut = frames(np.asarray(gain * samples, np.float32), _SIZE, _HOP) * window
    # (t, 320)
    spectrum = scipy.fft.rfft(cut, _FFT, axis=1)
    power = spectrum.real**2 + spectrum.imag**2 + np.float32(1e-6)
    # (t, 257)
    level = 10 * np.log10(power.sum(axis=1) / (_SIZE * _SIZE / 8))
    top = float(np.percentile(level, 95))
    active = level > top - _PAUSE_DB
    pitch, strength, voiced = _pitch(power, active & (level > top - 25))
    clear = voiced if voiced.sum() >= 4 else active
    parts = [
        _pitch_facts(pitch, voiced),
        _loudness_facts(level, active, top),
        _rhythm_facts(level, active, voiced, strength, top),
        _balance_facts(power, level, pitch, active, voiced, clear),
        _spectral_facts(power, active),
        [float(v) - 20 * np.log10(gain) for v in (top, np.percentile(level[active], 75))],
    ]
    return np.concatenate([np.asarray(p, np.float32) for p in parts])


def _pitch(power: FloatArray, loud: Bools) -> tuple[FloatArray, FloatArray, Bools]:
    """Pitch (log2 Hz), strength of its period and whether it is voiced, of each frame (t,).

    Peaks of the autocorrelation; a second look prefers those near the median of the first, which mends
    most jumps by an octave.
    """
    heard = power.copy()
    heard[:, :4] = 0
    auto = scipy.fft.irfft(heard, axis=1)[:, : _LAGS[-1] + 1]
    around = auto[:, _LAGS] / (auto[:, :1] + 1e-9) / _window_shape()[_LAGS]
    around -= np.float32(0.02) * np.log2(_LAGS / _LAGS[0]).astype(np.float32)
    # (t, lags)
    peak = np.zeros(around.shape, bool)
    peak[:, 1:-1] = (around[:, 1:-1] >= around[:, :-2]) & (around[:, 1:-1] > around[:, 2:])
    heights = np.where(peak, around, np.float32(-1))
    best = heights.argmax(axis=1)
    voiced: Bools = loud & (heights.max(axis=1) > 0.45)
    if voiced.sum() >= 5:
        middle = np.median(_LAGS[best[voiced]])
        far = np.float32(0.15) * np.abs(np.log2(_LAGS / middle)).astype(np.float32)
        best = np.where(peak, around - far, np.float32(-1)).argmax(axis=1)
    rows = np.arange(len(best))
    strength: FloatArray = heights[rows, best]
    voiced = loud & (strength > 0.4)
    at = np.clip(best, 1, len(_LAGS) - 2)
    left, here, right = around[rows, at - 1], around[rows, at], around[rows, at + 1]
    bend = left - 2 * here + right
    shift = np.where(np.abs(bend) > 1e-6, (left - right) / np.where(np.abs(bend) > 1e-6, 2 * bend, 1), 0)
    lag = _LAGS[at] + np.clip(shift, -0.5, 0.5)
    return np.log2(RATE / lag).astype(np.float32), strength, voiced


def _window_shape() -> FloatArray:
    """What the window alone leaves of a perfect period at each lag, at least 5 %."""
    window = filterbanks.hann(_SIZE)
    auto = scipy.fft.irfft(np.abs(scipy.fft.rfft(window, 1024)) ** 2)[: _LAGS[-1] + 1]
    shape: FloatArray = np.maximum(auto / auto[0], 0.05).astype(np.float32)
    return shape


def _pitch_facts(pitch: FloatArray, voiced: Bools) -> list[float]:
    """Mean, spread, percentiles, range, movement from frame to frame, slope."""
    found = pitch[voiced]
    if len(found) < 4:
        return [*_NO_PITCH, 0.0, 0.0, 0.0]
    low, middle, high = (float(v) for v in np.percentile(found, (10, 50, 90)))
    steps = np.diff(pitch)[voiced[1:] & voiced[:-1]]
    steps = steps[np.abs(steps) < 0.2]
    moved = [float(np.abs(steps).mean()), float(steps.mean())] if len(steps) > 3 else [0.0, 0.0]
    slope = _slope(np.flatnonzero(voiced), found) if len(found) >= 10 else 0.0
    return [float(found.mean()), float(found.std()), low, middle, high, high - low, *moved, slope]


def _loudness_facts(level: FloatArray, active: Bools, top: float) -> list[float]:
    """Levels against the loudest, their movement, and their slope over the stretch."""
    heard = level[active]
    steps = np.diff(level)[active[1:]]
    rises = steps[steps > 0]
    ends = np.flatnonzero(active)
    whole = np.maximum(level[ends[0] : ends[-1] + 1], top - 40)
    return [
        float(heard.mean()) - top,
        float(heard.std()),
        *(float(v) - top for v in np.percentile(heard, (10, 25, 50, 75))),
        float(np.abs(steps).mean()) if len(steps) else 0.0,
        float(rises.mean()) if len(rises) else 0.0,
        _slope(np.arange(len(whole)), whole) if len(whole) > 10 else 0.0,
    ]


def _rhythm_facts(
    level: FloatArray, active: Bools, voiced: Bools, strength: FloatArray, top: float
) -> list[float]:
    """Syllables and voiced runs a second, their lengths, shares of voice and of speech, clearness."""
    ends = np.flatnonzero(active)
    inside = slice(ends[0], ends[-1] + 1)
    seconds = max((ends[-1] - ends[0] + 1) / _PER_S, 0.3)
    smooth = np.convolve(np.maximum(level, top - 35), np.ones(5) / 5, "same")
    hill = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & (smooth[1:-1] > top - 20)
    edges = np.diff(np.concatenate(([0], voiced.astype(int), [0])))
    runs = (np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)) / _PER_S
    clear = strength[voiced] if voiced.any() else np.zeros(1, np.float32)
    lengths = runs if len(runs) else np.zeros(1)
    return [
        float(hill.sum()) / seconds,
        len(runs) / seconds,
        float(lengths.mean()),
        float(lengths.std()),
        float(voiced[inside].mean()),
        float(active[inside].mean()),
        float(clear.mean()),
        float(clear.std()),
        float(np.log(seconds)),
    ]


def _balance_facts(
    power: FloatArray, level: FloatArray, pitch: FloatArray, active: Bools, voiced: Bools, clear: Bools
) -> list[float]:
    """Highs against lows in three ways, the spectrum's centre, and what goes with loudness."""
    hz = np.arange(power.shape[1]) * RATE / _FFT

    def band(low: float, high: float) -> FloatArray:
        decibels: FloatArray = 10 * np.log10(power[:, (hz >= low) & (hz < high)].sum(axis=1))
        return decibels

    slope = band(1000, 4000) - band(60, 1000)
    facts = []
    for ratio in (slope, band(2000, 4000) - band(60, 2000), band(60, 400) - band(400, 1200)):
        found = ratio[clear]
        facts += [float(found.mean()), float(found.std()), float(np.percentile(found, 90))]
    centre = (power @ (hz / 1000).astype(np.float32) / power.sum(axis=1))[active]
    facts += [float(centre.mean()), float(centre.std())]
    return [*facts, _together(pitch[voiced], level[voiced]), _together(slope[clear], level[clear])]


def _spectral_facts(power: FloatArray, active: Bools) -> list[float]:
    """Mean and spread of 26 bands and of 13 cepstra, and how fast they change."""
    mel = np.log(power @ filterbanks.mel(RATE, _FFT, _BANDS, 60.0).astype(np.float32) + np.float32(1e-4))
    # (t, 26)
    cepstra = scipy.fft.dct(mel, type=2, norm="ortho", axis=1)[:, 1 : _CEPSTRA + 1]
    shape = mel[active] - mel[active].mean(axis=1, keepdims=True)
    going = active[1:] if active[1:].any() else np.ones(len(active) - 1, bool)
    if not going.size:
        return [0.0] * (2 * _BANDS + 3 * _CEPSTRA + 2)
    change = np.abs(np.diff(cepstra, axis=0))[going]
    flux = np.abs(np.diff(mel, axis=0)).mean(axis=1)[going]
    rows = (shape.mean(axis=0), shape.std(axis=0), cepstra[active].mean(axis=0), cepstra[active].std(axis=0),
            change.mean(axis=0), (flux.mean(), flux.std()))  # fmt: skip
    return [float(v) for row in rows for v in row]


def _slope(at: npt.NDArray[np.integer], values: FloatArray) -> float:
    """Least-squares slope of values at frames `at`, in units a second."""
    t = (at - at.mean()) / _PER_S
    return float((t * values).sum() / (t * t).sum())


def _together(a: FloatArray, b: FloatArray) -> float:
    """Correlation of two rows; 0 where it says nothing."""
    if len(a) <= 8 or a.std() < 1e-6 or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])

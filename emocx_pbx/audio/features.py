"""Features of a stretch of speech: the 180 of the original recipe, and log-mel for networks.

All take float32 samples (n,) at 8 kHz in [-1, 1) and are pure. The 180 equal librosa's
`mfcc(n_mfcc=40)`, `chroma_stft` and `melspectrogram`, averaged over time, from one STFT and cached
filter banks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio import filterbanks
from emocx_pbx.errors import InputError

FloatArray = npt.NDArray[np.float32]

RATE: Final = 8000
#: librosa's defaults, which the recipe uses whatever the rate.
N_FFT: Final = 2048
HOP: Final = 512
N_MELS: Final = 128
N_MFCC: Final = 40
N_CHROMA: Final = 12
N_FEATURES: Final = N_MFCC + N_CHROMA + N_MELS

#: Log-mel of the convolutional network: 32 ms windows every 10 ms, 64 bands up to 4 kHz.
CNN_FFT: Final = 256
CNN_HOP: Final = 80
CNN_BANDS: Final = 64
_CNN_FLOOR: Final = 1e-7

_MIN_PITCH_HZ: Final = 150.0
_TUNING_BINS: Final = np.linspace(-0.5, 0.5, 101)


def frames(samples: FloatArray, size: int, hop: int) -> FloatArray:
    """Centred frames, zero-padded by half a frame at both ends: a view (1 + n // hop, size)."""
    padded = np.pad(samples, size // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]


def power_spectrum(samples: FloatArray) -> FloatArray:
    """Power STFT (1 + n // 512, 1025) of librosa's default window, hop and centring.

    Raises InputError on an empty stretch.
    """
    if samples.ndim != 1 or not samples.size:
        raise InputError(f"expected samples of one channel, got shape {samples.shape}")
    # float64 inside, as librosa does: the tuning's histogram is sensitive to the last bit.
    spectrum = scipy.fft.rfft(frames(samples, N_FFT, HOP) * filterbanks.hann(N_FFT), axis=1)
    # (frames, 1025)
    power: FloatArray = np.abs(spectrum.astype(np.complex64)) ** 2
    return power


def features(samples: FloatArray) -> FloatArray:
    """The 180 features (180,): means over time of 40 MFCC, 12 chroma and 128 mel powers.

    Raises InputError on an empty stretch.
    """
    means: FloatArray = windows(samples).mean(axis=0)
    return means


def windows(samples: FloatArray) -> FloatArray:
    """The 180 features of each window of 256 ms, one every 64 ms (1 + n // 512, 180).

    Raises InputError on an empty stretch.
    """
    power = power_spectrum(samples)
    # (frames, 1025)
    mel = power @ filterbanks.mel(RATE, N_FFT, N_MELS)
    # (frames, 128)
    chroma = power @ filterbanks.chroma(RATE, N_FFT, tuning(power))
    # (frames, 12)
    peak = chroma.max(axis=1, keepdims=True)
    peak[peak < np.finfo(np.float32).tiny] = 1
    chroma /= peak
    decibels = 10 * np.log10(np.maximum(mel, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    mfcc = scipy.fft.dct(decibels, type=2, norm="ortho", axis=1)[:, :N_MFCC]
    # (frames, 40)
    return np.concatenate((mfcc, chroma, mel), axis=1).astype(np.float32)


def tuning(power: FloatArray) -> float:
    """Deviation from A440, in hundredths of a semitone, of the peaks of a power STFT (frames, 1025).

    librosa's `estimate_tuning`: the commonest deviation among the stronger spectral peaks; 0 when
    there are none.
    """
    first = int(np.ceil(_MIN_PITCH_HZ * N_FFT / RATE))
    last = N_FFT // 2
    here = power[:, first:last]
    below, above = power[:, first - 1 : last - 1], power[:, first + 1 : last + 1]
    # (frames, pitch bins)
    floor = np.float32(0.1) * power.max(axis=1, keepdims=True)
    # A neighbour below the floor counts as zero there, which makes no difference to a bin above it.
    at = np.nonzero((here > floor) & (here > below) & (here >= above))
    peak, left, right = here[at], below[at], above[at]
    # (peaks,)
    bend = right + left - 2 * peak
    slope = (right - left) / 2
    inside = np.abs(slope) < np.abs(bend)
    shift = np.where(inside, -slope / np.where(inside, bend, 1), np.float32(0))
    pitch = ((at[1] + first + shift.astype(np.float64)) * RATE / N_FFT).astype(np.float32)
    height = peak + np.float32(0.5) * slope * shift
    if not pitch.size:
        return 0.0
    pitch = pitch[height >= np.median(height)]
    residual = np.mod(12 * np.log2(pitch / np.float32(27.5)), 1.0)
    residual[residual >= 0.5] -= 1.0
    counts, edges = np.histogram(residual, _TUNING_BINS)
    return float(edges[np.argmax(counts)])


def short_powers(samples: FloatArray) -> FloatArray:
    """Power STFT (1 + n // 80, 129): Hann windows of 32 ms, one every 10 ms. Raises InputError if empty."""
    if samples.ndim != 1 or not samples.size:
        raise InputError(f"expected samples of one channel, got shape {samples.shape}")
    window = filterbanks.hann(CNN_FFT).astype(np.float32)
    spectrum = scipy.fft.rfft(frames(samples, CNN_FFT, CNN_HOP) * window, axis=1)
    power: FloatArray = spectrum.real**2 + spectrum.imag**2
    return power


def log_mel(samples: FloatArray, powers: FloatArray | None = None) -> FloatArray:
    """Natural log of mel powers (1 + n // 80, 64), one row every 10 ms.

    `powers` are the samples' `short_powers`, if they are there already. Raises InputError on an empty
    stretch.
    """
    power = short_powers(samples) if powers is None else powers
    logs: FloatArray = np.log(power @ filterbanks.mel(RATE, CNN_FFT, CNN_BANDS, 60.0) + _CNN_FLOOR)
    return logs

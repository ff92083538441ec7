"""Makes clips sound as if they came over other lines, rooms and speakers; always ends in G.711.

Randomness is an argument: the same generator state gives the same clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import soxr

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.training.speech.data import on_line

FloatArray = npt.NDArray[np.float32]
Rng = np.random.Generator


def speed(samples: FloatArray, factor: float) -> FloatArray:
    """Play `factor` times as fast: tempo and pitch together, as on a tape."""
    changed: FloatArray = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE / factor, quality="HQ")
    return changed.astype(np.float32)


def noise(samples: FloatArray, snr_db: float, rng: Rng) -> FloatArray:
    """Add steady noise, between white and brown, at a signal-to-noise ratio in dB."""
    spectrum = np.fft.rfft(rng.normal(size=samples.size))
    bins = np.arange(1, spectrum.size + 1)
    shaped = np.fft.irfft(spectrum / bins ** rng.uniform(0, 1), samples.size)
    return _mix(samples, shaped.astype(np.float32), snr_db)


def babble(samples: FloatArray, others: Sequence[FloatArray], snr_db: float, rng: Rng) -> FloatArray:
    """Add three other voices, mixed, at a signal-to-noise ratio in dB."""
    crowd = np.zeros(samples.size, np.float32)
    for i in rng.integers(len(others), size=3):
        crowd += np.roll(np.resize(others[int(i)], samples.size), int(rng.integers(samples.size)))
    return _mix(samples, crowd, snr_db)


def packet_loss(samples: FloatArray, share: float, rng: Rng) -> FloatArray:
    """Replace that share of 20 ms packets by silence, in bursts of about two."""
    out = samples.copy()
    size = SAMPLE_RATE // 50
    for at in np.flatnonzero(rng.random(samples.size // size) < share / 2):
        out[at * size : (at + int(rng.integers(1, 4))) * size] = 0
    return out


def tilt(samples: FloatArray, db: float, low_cut_hz: float) -> FloatArray:
    """A handset's response: a slope of `db` from 0.3 to 3.4 kHz and a soft cut of the lows."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    slope = db * np.log2(np.clip(hz, 300, 3400) / 1000) / np.log2(3400 / 300)
    gain = 10 ** (slope / 20) / np.sqrt(1 + (low_cut_hz / np.maximum(hz, 1)) ** 4)
    return np.fft.irfft(spectrum * gain, samples.size).astype(np.float32)


def room(samples: FloatArray, seconds: float, rng: Rng) -> FloatArray:
    """A short decaying echo, as of a speakerphone."""
    n = max(2, int(seconds * SAMPLE_RATE))
    tail = rng.normal(size=n) * np.exp(-6.9 * np.arange(n) / n) * 0.15
    tail[0] = 1.0
    size = samples.size + n
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return wet[: samples.size].astype(np.float32)


def level(samples: FloatArray, dbfs: float) -> FloatArray:
    """Scale so that the root mean square is at `dbfs`."""
    rms = float(np.sqrt(np.mean(samples**2))) + 1e-9
    return (samples * (10 ** (dbfs / 20) / rms)).astype(np.float32)


def augment(samples: FloatArray, others: Sequence[FloatArray], rng: Rng) -> FloatArray:
    """One random variant of a clip, after the line: speed within 12 %, then as `over_a_line`."""
    return over_a_line(speed(samples, float(rng.uniform(0.88, 1.12))), others, rng)


def over_a_line(samples: FloatArray, others: Sequence[FloatArray], rng: Rng) -> FloatArray:
    """The same words at the same pace, over another line.

    The gain varies by about 4 dB either way (one in five: any level from -38 to -14 dBFS, clipping what
    exceeds it). Each with its own probability: handset response, echo, noise or babble at 5 to 30 dB, lost
    packets up to 5 %.
    """
    out = samples
    if rng.random() < 0.5:
        out = tilt(out, float(rng.uniform(-9, 9)), float(rng.uniform(50, 350)))
    if rng.random() < 0.25:
        out = room(out, float(rng.uniform(0.05, 0.35)), rng)
    dice = rng.random()
    if dice < 0.35:
        out = noise(out, float(rng.uniform(5, 30)), rng)
    elif dice < 0.5:
        out = babble(out, others, float(rng.uniform(8, 30)), rng)
    # Mostly near its own level: how loudly somebody speaks says something, but lines differ too.
    loud = float(rng.uniform(-38, -14))
    out = level(out, loud) if rng.random() < 0.2 else out * np.float32(10 ** (rng.normal(0, 4) / 20))
    if rng.random() < 0.2:
        out = packet_loss(out, float(rng.uniform(0, 0.05)), rng)
    return on_line(out)


def _mix(samples: FloatArray, extra: FloatArray, snr_db: float) -> FloatArray:
    power = float(np.mean(samples**2)) + 1e-12
    extra_power = float(np.mean(extra**2)) + 1e-12
    mixed: FloatArray = samples + extra * np.float32(np.sqrt(power / extra_power) * 10 ** (-snr_db / 20))
    return mixed

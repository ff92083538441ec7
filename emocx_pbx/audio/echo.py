"""The path by which one side's voice comes back in the other's channel: its delay, and how much it explains.

Two steps, each a few Fourier transforms of half a second. The delay is the peak of the generalised
cross-correlation with phase transform (Knapp and Carter, 1976), summed over the stretches heard. The
path is the least-squares filter at that delay (cross-spectrum over spectrum, averaged with weights that make
stretches with the near side's own speech count little), cut to the length of a room's echo. The part of a
frame's power that the filter does not explain is the side's own. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio.filterbanks import hann
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array

#: Samples heard at once: long enough for a room's filter, short enough for one that moves.
STRETCH: Final = 4096
#: The source may seem to come this much after its echo: one-sided taps are in step only roughly (60 ms).
EARLY: Final = 480
#: Longest delay looked for: with EARLY the length of a transform (452 ms).
LATE: Final = STRETCH - EARLY
#: Samples of both sides that `EchoPath.explain` needs.
NEEDED: Final = 2 * STRETCH
#: Length of the filter: 128 ms hold nearly all of a speakerphone's energy, and its beginning before the peak.
TAPS: Final = 1024
BEFORE: Final = 64
#: With noise and other speech alone, the peaks among this many delays are 4 to 5 standard deviations.
FOUND: Final = 7.0
#: Unless it stands out by this much, the newest stretch must show a new delay by itself, too.
SURE: Final = 12.0
ALONE: Final = 4.0
#: How much of the past is kept from one stretch to the next: in the sum for the delay, and in that for the
#: filter.
DELAY_KEEP: Final = 0.8
FILTER_KEEP: Final = 0.85
#: Telephone band: outside it there is only noise to correlate.
BAND_HZ: Final = (200.0, 3400.0)
#: Bins this far below the mean count as empty: in the sum for the delay, and in the filter.
FLOOR: Final = 1e-2
RIDGE: Final = 1e-3
#: An echo is weaker than its source. The source's own channel may carry an echo as well (the agent's
#: telephone returns the customer); seen from there a path would amplify.
MOST_GAIN: Final = 0.5
#: Keeps empty frames from dividing by zero; far below one bit of one sample.
TINY: Final = 1e-12

_BINS_HZ: Final = scipy.fft.rfftfreq(2 * STRETCH, 1 / SAMPLE_RATE)
_BAND: Final = (BAND_HZ[0] < _BINS_HZ) & (BAND_HZ[1] > _BINS_HZ)  # (STRETCH + 1,)
_WINDOW: Final = hann(STRETCH).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Explained:
    """Power of the newest frames, mean square of int16 samples, each shape (frames,)."""

    received: FloatArray
    """Power of the side itself."""
    rest: FloatArray
    """Power that the other side does not explain."""
    echo: FloatArray
    """Power of what the path makes of the other side."""
    chance: float
    """Share of any signal that a filter of this many taps explains by chance, given how little has been
    heard."""


class EchoPath:
    """Learns how `source` comes back in `near`, one stretch after another."""

    def __init__(self) -> None:
        self.delay: int | None = None
        """Samples from source to echo; None: no echo has been heard so far."""
        self._phases = np.zeros(STRETCH + 1, np.complex64)
        self._forget()

    def _forget(self) -> None:
        """Set another delay: the filter starts afresh."""
        self._cross = np.zeros(STRETCH // 2 + 1, np.complex64)
        self._power = np.zeros(STRETCH // 2 + 1, np.float32)
        self._learnt_frames = 0.0
        """Stretches that the filter rests on."""

    def explain(self, near: Int16Array, source: Int16Array, frames: int, size: int) -> Explained | None:
        """Learn from the newest samples, and judge the last `frames` frames of `size` samples.

        Args:
            near: the side that may carry the echo, its last NEEDED samples.
            source: the other side, in step.
            frames: at most 12 at a size of 160.
            size: samples in a frame.

        Returns:
            None while no echo has been found.
        """
        y, x = near.astype(np.float32), source.astype(np.float32)
        self._find(y, x)
        if self.delay is None:
            return None
        shift = self.delay - BEFORE
        # A source that seems to come late has not arrived yet for the newest samples.
        end = len(y) + min(0, shift)
        received = y[end - STRETCH : end]
        said = x[end - STRETCH - shift : end - shift]
        self._learn(received, said)
        answer = self._answer()
        # What the filter passes of the source's average spectrum.
        if float(np.dot(np.abs(answer) ** 2, self._power)) > MOST_GAIN * float(self._power.sum()):
            return None
        echo = scipy.fft.irfft(scipy.fft.rfft(said) * answer)  # (STRETCH,), the first TAPS incomplete
        chance = min(1.0, TAPS / (STRETCH * self._learnt_frames))
        return Explained(
            _powers(received, frames, size),
            _powers(received - echo, frames, size),
            _powers(echo, frames, size),
            chance,
        )

    def _find(self, y: FloatArray, x: FloatArray) -> None:
        """Take the stretch into account, and the delay if it shows one."""
        near = scipy.fft.rfft(y[len(y) - EARLY - STRETCH : len(y) - EARLY], 2 * STRETCH)
        cross = near * np.conj(scipy.fft.rfft(x[-2 * STRETCH :]))
        size = np.abs(cross)
        phases = _BAND * cross / (size + FLOOR * size.mean() + TINY)
        first = not self._phases.any()
        self._phases = DELAY_KEEP * self._phases + phases
        peaks = _lined_up(self._phases)
        best = int(np.argmax(peaks))
        delay = best - EARLY
        known = self.delay is not None and 0 <= delay - self.delay + BEFORE < TAPS - 2 * BEFORE
        if known or peaks[best] < FOUND:
            return
        # A held vowel resembles another at many delays, but the next one not at the same.
        if peaks[best] >= SURE or (not first and _lined_up(phases)[best] >= ALONE):
            self.delay = delay
            self._forget()

    def _learn(self, received: FloatArray, said: FloatArray) -> None:
        y = scipy.fft.rfft(received * _WINDOW)
        x = scipy.fft.rfft(said * _WINDOW)
        weight = 1 / (float(np.dot(received, received)) + TINY)
        self._cross = FILTER_KEEP * self._cross + weight * y * np.conj(x)
        self._power = FILTER_KEEP * self._power + weight * np.abs(x) ** 2
        self._learnt_frames = FILTER_KEEP * self._learnt_frames + 1

    def _answer(self) -> npt.NDArray[np.complex64]:
        """The filter's response (STRETCH / 2 + 1,), cut to TAPS samples."""
        response = self._cross / (self._power + RIDGE * self._power.mean() + TINY)
        answer: npt.NDArray[np.complex64] = scipy.fft.rfft(scipy.fft.irfft(response)[:TAPS], STRETCH)
        return answer


def _lined_up(phases: npt.NDArray[np.complex64]) -> FloatArray:
    """How well the sides agree at delays of -EARLY to LATE, in standard deviations (EARLY + LATE,)."""
    peaks = scipy.fft.irfft(phases)  # (2 x STRETCH,); delay d stands d - LATE from the end
    spread = float(np.sqrt(np.mean(peaks**2)))
    lined: FloatArray = np.abs(peaks[STRETCH:]) / (spread + TINY)
    return lined


def _powers(samples: FloatArray, frames: int, size: int) -> FloatArray:
    """Mean square of the last frames (frames,), each averaged with its neighbours."""
    cut = samples[len(samples) - (frames + 1) * size :].reshape(frames + 1, size)
    power = (cut**2).mean(axis=1)  # (frames + 1,)
    after = np.append(power[1:], power[-1])
    before = np.concatenate([power[:1], power[:-1]])
    smooth: FloatArray = (before + power + after)[1:] / 3
    return smooth

"""Distinguishes what is played from what is said: a machine repeats itself to the sample, a person never
does.

Announcements of an IVR, text-to-speech and looping music come the second time exactly as they came the first.
Each frame gets 32 bits (Haitsma and Kalker, 2002: whether the difference between neighbouring bands' energies
grew), which the same sound through the same line repeats nearly all of and another sound half of. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fft

from emocx_pbx.audio.filterbanks import hann
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.vad import FRAME

Bits = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]

#: Samples behind each frame's bits: 140 ms, so that it hardly matters where in a word a frame begins.
_SIZE: Final = 7 * FRAME
_BEFORE: Final = _SIZE // FRAME - 1
#: The next length that has a fast transform.
_TRANSFORM: Final = 2048
_WINDOW: Final = hann(_SIZE).astype(np.float32)
_BANDS: Final = 33
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 3000.0
_HZ: Final = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1)
_EDGES: Final = np.round(_HZ * _TRANSFORM / SAMPLE_RATE).astype(int)
_POWERS: Final = (1 << np.arange(32, dtype=np.uint64)).astype(np.uint32)
#: Power of a frame's bands at -45 dBFS: below it there is nothing to recognise.
_SILENT: Final = 32768.0**2 * 10**-4.5 * float((_WINDOW**2).sum()) / 2
#: Frames remembered: ten minutes of speech, 120 kB.
KEPT: Final = 30_000
#: Frames known to be repeated are remembered for this long (20 s): a window or phrase may still ask about
#: them.
REMEMBERED: Final = 1_000
#: What recurs within 1.5 s of speech is a long vowel.
LEAST_AGO: Final = 75
#: Frames that are compared together, and the share of their bits below which those that differ must stay: by
#: chance half of them differ, and in an hour of speakers at least 29 %.
TOGETHER: Final = 50
DIFFERENT: Final = 0.22
#: Frames that may wait to be compared: 3 s.
COMPARED: Final = 150
#: Every fifth frame looks for frames of which at most this many bits differ (one in 300 by chance); places
#: that this many of them find are examined as a whole.
_EACH: Final = 5
_NEAR: Final = 8
_LEAST: Final = 3
_TRIED: Final = 4


class Played:
    """Knows which of a call's latest frames of speech repeat earlier ones."""

    def __init__(self) -> None:
        self._repeats = Repeats()
        self._known: set[int] = set()

    def hear(self, numbers: Sequence[int], samples: Int16Array) -> None:
        """Take the next frames of speech (n x FRAME,), with their numbers in the call (n)."""
        again = self._repeats.hear(samples).tolist()
        self._known.update(number for number, known in zip(numbers, again, strict=True) if known)

    def most(self, numbers: Sequence[int]) -> bool:
        """Whether most of these frames, the latest ones, are repeated; much older ones are forgotten."""
        self._known = {number for number in self._known if number >= numbers[0] - REMEMBERED}
        return 2 * len(self._known.intersection(numbers)) > len(numbers)


class Repeats:
    """Takes the frames of one side's speech in order, and says which were heard before."""

    def __init__(self) -> None:
        self._tail = np.zeros(_BEFORE * FRAME, np.int16)
        self._energies = np.zeros((1, _BANDS - 1), np.float32)
        """Differences between bands of the latest frame."""
        # As if there had been silence before: the very beginning may recur, too.
        self._bits = np.zeros(TOGETHER, np.uint32)
        self._sounds = np.zeros(TOGETHER, np.bool_)
        """Which of them hold a sound: silence resembles silence."""

    def __len__(self) -> int:
        """Frames remembered."""
        return len(self._bits)

    def hear(self, samples: Int16Array) -> Flags:
        """Take the next frames (n x FRAME,); which of them belong to a sound that was heard before (n,)."""
        fresh, sounds = self._bits_of(np.concatenate([self._tail, samples]))  # (n,) each
        self._bits = np.concatenate([self._bits, fresh])
        self._sounds = np.concatenate([self._sounds, sounds])
        known = self._known(len(fresh))
        if len(self._bits) > KEPT + KEPT // 4:
            self._bits, self._sounds = self._bits[-KEPT:].copy(), self._sounds[-KEPT:].copy()
        return known

    def _bits_of(self, samples: Int16Array) -> tuple[Bits, Flags]:
        self._tail = samples[len(samples) - _BEFORE * FRAME :].copy()
        cut = np.lib.stride_tricks.sliding_window_view(samples, _SIZE)[::FRAME]  # (n, _SIZE)
        spectrum = scipy.fft.rfft(cut * _WINDOW, _TRANSFORM, axis=1)[:, _EDGES[0] : _EDGES[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        bands = np.add.reduceat(power, _EDGES[:-1] - _EDGES[0], axis=1)  # (n, _BANDS)
        steps = np.diff(bands, axis=1)  # (n, 32)
        grown = np.diff(np.concatenate([self._energies, steps]), axis=0) > 0
        self._energies = steps[-1:]
        bits: Bits = (grown * _POWERS).sum(axis=1, dtype=np.uint32)
        return bits, bands.sum(axis=1) > _SILENT

    def _known(self, count: int) -> Flags:
        """Which of the latest frames equal frames of long before."""
        known = np.zeros(count, bool)
        # Together with what came just before, where the repetition may have begun.
        begin = max(0, len(self._bits) - count - TOGETHER)
        here, sounds = self._bits[begin:], self._sounds[begin:]
        for start in self._alike(here, begin - LEAST_AGO):
            there = slice(start, start + len(here))
            wrong = np.bitwise_count(here ^ self._bits[there]) / 32
            wrong[~(sounds & self._sounds[there])] = 0.5
            mean = np.convolve(wrong, np.full(TOGETHER, 1 / TOGETHER), "valid")  # (n - TOGETHER + 1,)
            same = np.zeros(len(here), bool)
            for at in np.flatnonzero(mean < DIFFERENT):
                same[at : at + TOGETHER] = True
            known |= same[len(here) - count :]
        return known

    def _alike(self, here: Bits, last: int) -> list[int]:
        """Likely places among the remembered frames, up to `last`, where a stretch like this one begins."""
        if len(here) < TOGETHER or last < 0:
            return []
        votes = np.zeros(last + 1, np.int32)
        for at in range(0, len(here), _EACH):
            votes += np.bitwise_count(self._bits[at : at + last + 1] ^ here[at]) <= _NEAR
        best = np.argsort(votes)[-_TRIED:]
        return [int(start) for start in best if votes[start] >= _LEAST]

"""Whether headerless 16-bit samples are one signal, or two sides interleaved (MixMonitor's option D).

Both readings are asked to predict the samples, each from its own past, by linear prediction; the one
that predicts better is the likelier (the Gaussian likelihood of an autoregressive model, Makhoul 1975).
Neighbouring samples of one voice resemble each other; those of two voices do not. Tones (dialled digits) can
deceive it, so the levels of even and odd samples must differ as well: two sides take turns, one signal can't.
Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import Int16Array

#: Samples that a channel's next one is predicted from, in either reading.
ORDER: Final = 8
#: Samples judged at a time: 40 ms at 8 kHz, over which speech is roughly stationary.
BLOCK: Final = 320
#: A block below this level (RMS of int16: -60 dBFS) is line noise, and says nothing.
_QUIET: Final = 32.0
#: Median difference of both sides' levels within a block, in nats of power: .06 at most in 10 s of one voice,
#: 1.2 at least in 5 s of two (benchmarks/recording_warnings.py).
APART: Final = 0.4
#: Nats per sample by which the stereo reading must be likelier, and the number of blocks needed to say so.
MARGIN: Final = 0.25
LEAST_BLOCKS: Final = 10
#: Two sides are one voice where pairs are less unlike than this share of what neighbouring pairs are.
_TWINS: Final = 0.02
#: No prediction of speech leaves less than this share of its power (30 dB); of tones any order is exact.
_FLOOR: Final = 1e-3


def is_interleaved(samples: Int16Array) -> bool:
    """Whether interleaved sides are the likelier reading of samples (n,); False where it can't be told."""
    advantage = interleaved_advantage(samples)
    return advantage is not None and advantage > MARGIN


def interleaved_advantage(samples: Int16Array) -> float | None:
    """By how much two sides are likelier than one signal, in nats per sample.

    None where too little is heard to tell; never above 0 where both are equally loud.
    """
    count = len(samples) // BLOCK
    blocks = samples[: count * BLOCK].reshape(count, BLOCK).astype(np.float64)
    # (blocks, BLOCK)
    blocks = blocks[np.sqrt((blocks**2).mean(axis=1)) >= _QUIET]
    if len(blocks) < LEAST_BLOCKS:
        return None
    left, right = blocks[:, ::2], blocks[:, 1::2]
    # (blocks, BLOCK / 2)
    if _unlike(left, right) < _TWINS * _unlike(right[:, :-1], left[:, 1:]):
        # Pairs that are alike and unlike their neighbours: one voice on both sides.
        return float("inf")
    one = np.log(_error(blocks))
    two = (np.log(_error(left)) + np.log(_error(right))) / 2
    advantage = float((one - two).mean() / 2)
    levels = np.log((left**2).mean(axis=1) + 1) - np.log((right**2).mean(axis=1) + 1)
    return advantage if float(np.median(np.abs(levels))) > APART else min(advantage, 0.0)


def _unlike(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Share of `other`'s power that no multiple of `one` explains, 0 to 1."""
    power = float((one**2).sum() * (other**2).sum())
    return 1.0 - float((one * other).sum()) ** 2 / power if power else 1.0


def _error(blocks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean square of what linear prediction of each block (k, n) leaves (k,), by least squares."""
    past = np.lib.stride_tricks.sliding_window_view(blocks, ORDER + 1, axis=1)
    # (k, n - ORDER, ORDER + 1)
    known, wanted = past[:, :, :-1], past[:, :, -1]
    gram = known.transpose(0, 2, 1) @ known + 1e-3 * np.eye(ORDER)
    weights = np.linalg.solve(gram, known.transpose(0, 2, 1) @ wanted[:, :, None])
    left = wanted - (known @ weights)[:, :, 0]
    error: npt.NDArray[np.float64] = (left**2).mean(axis=1) + _FLOOR * (blocks**2).mean(axis=1) + 1.0
    return error

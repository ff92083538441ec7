"""Fits convolutional layers one after the other, in closed form, to predict a teacher's frames.

A layer is four steps: the context of a frame, its principal components, many rectified directions
between random pairs of frames, and the ridge regression from these to what the layers before left
unexplained. With few clips and no accelerator this reaches in minutes what gradient descent from random
weights does not reach in an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.training.teacher import Heard

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Tell = Callable[[str, int, int], None]

#: Principal components of a context, and directions, in each layer.
RANK: Final = 192
UNITS: Final = 512
#: Places around a frame that each layer sees: 20 ms steps of log-mel first, then frames of 40 ms.
OFFSETS: Final = (range(-10, 11), range(-8, 9, 2), range(-12, 13, 3))
#: Share of the frames that the regression uses, and its penalty.
_SHARE: Final = 0.4
_RIDGE: Final = 1e-3
_CHUNK: Final = 8000
_PLACES: Final = 160


@dataclass(frozen=True, slots=True)
class Layer:
    """One fitted layer: context @ reduce + bias, rectified directions, regression."""

    reduce: Floats
    """(context, RANK); of later layers the last rows belong to the stretch's mean and spread."""
    bias: Floats
    turn: Floats
    """(RANK, UNITS)"""
    level: Floats
    out: Floats
    """(UNITS, width)"""
    out_bias: Floats

    def __call__(self, context: Floats) -> Floats:
        """Output (n, width) of contexts (n, context)."""
        return self.inner(context) @ self.out + self.out_bias

    def inner(self, context: Floats) -> Floats:
        """The rectified directions (n, UNITS)."""
        return np.maximum((context @ self.reduce + self.bias) @ self.turn + self.level, 0)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of all clips of a variant over one line, `per` rows a frame; zero outside a clip."""

    x: Floats
    starts: Ints
    ends: Ints
    per: int
    whole: Floats | None
    """(n, k): what is told to every frame of a clip."""

    def context(self, frames: Ints, clip: Ints, offsets: range) -> Floats:
        """Contexts (len(frames), len(offsets) * width) of frames, each of a clip."""
        places = frames[:, None] * self.per + np.array(offsets)
        low, high = self.starts[clip] * self.per, self.ends[clip] * self.per
        outside = (places < low[:, None]) | (places >= high[:, None])
        found = self.x[np.clip(places, 0, len(self.x) - 1)]
        found[outside] = 0
        flat = found.reshape(len(frames), -1)
        return flat if self.whole is None else np.concatenate((flat, self.whole[clip]), axis=1)


def statistics(x: Floats, ends: Ints) -> Floats:
    """Mean, spread and maximum of each clip's rows (n, 3 * width)."""
    return np.array(
        [
            np.concatenate((r.mean(axis=0), np.sqrt(r.var(axis=0) + 1e-5), r.max(axis=0)))
            for r in np.split(x, ends[:-1])
        ]
    )


def fit_layers(
    heard: Sequence[Heard], seed: int, tell: Tell, units: int = UNITS
) -> tuple[Floats, list[Layer], Floats]:
    """Mean log-mel of each band (64,), the layers, and the statistics they give (versions, n, 3 * width).

    A version is a variant over one line, in the order of variants, then lines.
    """
    rng = np.random.default_rng(seed)
    versions = [(h, line) for h in heard for line in range(len(h.mel))]
    rows = [_rows(h, line) for h, line in versions]
    bands = rows[0].mean(axis=0)
    rows = [x - bands for x in rows]
    usual, spread = usual_frames(heard[0])
    targets = [_targets(h, usual, spread) for h, _ in versions]
    said: list[Floats] = [np.zeros_like(t) for t in targets]
    layers: list[Layer] = []
    for k, offsets in enumerate(OFFSETS):
        tell("layers", k, len(OFFSETS))
        inputs = []
        for (h, _), x, q in zip(versions, rows, said, strict=True):
            starts = np.concatenate(([0], h.frame_ends[:-1]))
            whole = None if k == 0 else statistics(q, h.frame_ends)[:, : 2 * q.shape[1]]
            inputs.append(Rows(x if k == 0 else q, starts, h.frame_ends, 2 if k == 0 else 1, whole))
        left = [t - q for t, q in zip(targets, said, strict=True)]
        layers.append(_fit_layer(inputs, left, offsets, units, rng))
        for q, of in zip(said, inputs, strict=True):
            for frames, clip in _chunks(of, None):
                q[frames] += layers[-1](of.context(frames, clip, offsets))
    tell("layers", len(OFFSETS), len(OFFSETS))
    found = np.stack([statistics(q, h.frame_ends) for q, (h, _) in zip(said, versions, strict=True)])
    return bands, layers, found


def usual_frames(heard: Heard) -> tuple[Floats, Floats]:
    """Mean frame at each of 160 places, and the spread (width,) around it.

    Whisper's frames carry where they are, a third of their variance, which no stretch can know.
    """
    place = _places(heard)
    rows = heard.frames.astype(np.float32)
    sums = np.zeros((_PLACES, rows.shape[1]))
    np.add.at(sums, place, rows)
    usual = (sums / np.maximum(np.bincount(place, minlength=_PLACES), 1)[:, None]).astype(np.float32)
    return usual, (rows - usual[place]).std(axis=0) + np.float32(1e-6)


def _places(heard: Heard) -> Ints:
    starts = np.concatenate(([0], heard.frame_ends[:-1]))
    place = np.arange(heard.frame_ends[-1]) - np.repeat(starts, heard.frame_ends - starts)
    capped: Ints = np.minimum(place, _PLACES - 1)
    return capped


def _targets(heard: Heard, usual: Floats, spread: Floats) -> Floats:
    return (heard.frames.astype(np.float32) - usual[_places(heard)]) / spread


def _rows(heard: Heard, line: int) -> Floats:
    """Log-mel at 20 ms, two rows a frame of the teacher, each clip without its mean level."""
    out = np.empty((2 * int(heard.frame_ends[-1]), heard.mel.shape[2]), np.float32)
    first = begin = 0
    for end, stop in zip(heard.ends, heard.frame_ends, strict=True):
        own = heard.mel[line, first:end].astype(np.float32)
        own -= own.mean()
        want = 4 * int(stop - begin)
        own = own[:want] if len(own) >= want else np.pad(own, ((0, want - len(own)), (0, 0)), mode="edge")
        out[2 * begin : 2 * stop] = own.reshape(-1, 2, own.shape[1]).mean(axis=1)
        first, begin = end, stop
    return out


def _chunks(of: Rows, take: npt.NDArray[np.bool_] | None) -> list[tuple[Ints, Ints]]:
    frames = np.arange(of.ends[-1])
    clip = np.repeat(np.arange(len(of.ends)), of.ends - of.starts)
    if take is not None:
        frames, clip = frames[take], clip[take]
    parts = max(1, len(frames) // _CHUNK)
    return list(zip(np.array_split(frames, parts), np.array_split(clip, parts), strict=True))


def _fit_layer(
    inputs: Sequence[Rows], targets: Sequence[Floats], offsets: range, units: int, rng: np.random.Generator
) -> Layer:
    sample = []
    for of in inputs[:2]:
        pick = np.sort(rng.choice(len(targets[0]), min(len(targets[0]), _CHUNK), replace=False))
        clip = np.searchsorted(of.ends, pick, side="right")
        sample.append(of.context(pick, clip, offsets))
    x = np.concatenate(sample)
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((x - mean).T))
    values = np.maximum(values[::-1][:RANK], 1e-9)
    # Halfway between whitened and not: the last components are mostly noise.
    reduce = (vectors[:, ::-1][:, :RANK] / np.sqrt(values) * (values / values[0]) ** 0.25).astype(np.float32)
    bias = (-mean @ reduce).astype(np.float32)
    z = x @ reduce + bias
    turn = z[rng.integers(len(z), size=units)] - z[rng.integers(len(z), size=units)]
    turn = (turn / (np.linalg.norm(turn, axis=1, keepdims=True) + 1e-6)).T.astype(np.float32)
    height = z @ turn
    level = -np.array(
        [np.quantile(height[:, i], q) for i, q in enumerate(rng.uniform(0.3, 0.9, units))], np.float32
    )
    width = targets[0].shape[1]
    first = Layer(
        reduce, bias, turn, level, np.zeros((units, width), np.float32), np.zeros(width, np.float32)
    )
    gram = np.zeros((units + 1, units + 1))
    right = np.zeros((units + 1, width))
    for of, target in zip(inputs, targets, strict=True):
        for frames, clip in _chunks(of, rng.random(len(target)) < _SHARE):
            inner = first.inner(of.context(frames, clip, offsets))
            inner = np.concatenate((inner, np.ones((len(inner), 1), np.float32)), axis=1)
            gram += inner.T @ inner
            right += inner.T @ target[frames]
    penalty = _RIDGE * np.trace(gram) / len(gram) + 1e-9
    solved = np.linalg.solve(gram + penalty * np.eye(len(gram)), right).astype(np.float32)
    return Layer(reduce, bias, turn, level, solved[:-1], solved[-1])

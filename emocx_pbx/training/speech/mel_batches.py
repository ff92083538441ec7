"""Batches for the convolutional network: stretches of log-mel, varied at random, with their targets.

Whatever is done to a stretch (pace, place, warped bands, coloured line, masks, mixing two) is also done to
the teacher's frames where it affects them, so that the two still match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.training.speech.data import Clip
from emocx_pbx.training.speech.teacher import TaughtClip, telling

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int64]

#: Rows of log-mel (10 ms) in a frame of the teacher.
PER_FRAME: Final = 4
_PLACES: Final = 160
_MIXUP: Final = 0.4


@dataclass(frozen=True, slots=True)
class MelChange:
    """How much a stretch may be varied."""

    pace: float = 0.15
    warp: float = 0.08
    colour: float = 0.6
    """Spread, in log power, of a smooth curve over the bands."""
    bands: int = 10
    rows: int = 40
    """Widest mask, in bands and in rows; there are two of each."""
    mixed: float = 0.5
    """Share of the stretches that are mixed with another."""


@dataclass(frozen=True, slots=True)
class Version:
    """One variant of all clips over one line."""

    mel: Halves
    """(4 * frames, 64), each clip without its mean level."""
    frames: Halves
    """(frames, width): the teacher's, along the directions that tell emotions apart."""
    ends: Ints


def versions(taught: Sequence[TaughtClip], clips: Sequence[Clip]) -> list[Version]:
    """Every variant over every line, in the order of variants, then lines."""
    usual, spread = usual_frames(taught[0])
    whitened = [(h.frames.astype(np.float32) - usual[_places(h)]) / spread for h in taught]
    means = []
    for x, h in zip(whitened, taught, strict=True):
        starts = np.concatenate(([0], h.frame_ends[:-1]))
        means.append(np.add.reduceat(x, starts, axis=0) / (h.frame_ends - starts)[:, None])
    turn = telling(np.stack(means), clips)
    turn /= (whitened[0] @ turn).std(axis=0)
    found = []
    for x, h in zip(whitened, taught, strict=True):
        frames = (x @ turn).astype(np.float16)
        found += [Version(_rows(h, line), frames, h.frame_ends) for line in range(len(h.mel))]
    return found


def whole(taught: Sequence[TaughtClip], clips: Sequence[Clip]) -> Floats:
    """What the teacher's statistics say of each clip's emotion (variants, n, k), of mean 0 and spread 1."""
    x = np.stack([h.statistics for h in taught]).astype(np.float32)
    x = np.clip((x - x.mean(axis=(0, 1))) / (x.std(axis=(0, 1)) + 1e-6), -6, 6)
    projected = x @ telling(x, clips)
    scaled: Floats = (projected - projected.mean(axis=(0, 1))) / projected.std(axis=(0, 1))
    return scaled


def usual_frames(taught: TaughtClip) -> tuple[Floats, Floats]:
    """Mean frame at each of 160 places, and the spread (width,) around it.

    Whisper's frames carry where they are, a third of their variance, which no stretch can know.
    """
    place = _places(taught)
    rows = taught.frames.astype(np.float32)
    sums = np.zeros((_PLACES, rows.shape[1]))
    np.add.at(sums, place, rows)
    usual = (sums / np.maximum(np.bincount(place, minlength=_PLACES), 1)[:, None]).astype(np.float32)
    return usual, (rows - usual[place]).std(axis=0) + np.float32(1e-6)


def _places(taught: TaughtClip) -> Ints:
    starts = np.concatenate(([0], taught.frame_ends[:-1]))
    place = np.arange(taught.frame_ends[-1]) - np.repeat(starts, taught.frame_ends - starts)
    capped: Ints = np.minimum(place, _PLACES - 1)
    return capped


def _rows(taught: TaughtClip, line: int) -> Halves:
    out = np.empty((PER_FRAME * int(taught.frame_ends[-1]), taught.mel.shape[2]), np.float16)
    first = begin = 0
    for end, stop in zip(taught.ends, taught.frame_ends, strict=True):
        own = taught.mel[line, first:end].astype(np.float32)
        own -= own.mean()
        want = PER_FRAME * int(stop - begin)
        own = own[:want] if len(own) >= want else np.pad(own, ((0, want - len(own)), (0, 0)), mode="edge")
        out[PER_FRAME * begin : PER_FRAME * stop] = own
        first, begin = end, stop
    return out


def stretches(
    version: Version, clips: Ints, rows: int, change: MelChange, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Log-mel (n, rows, 64) of the clips of a version, changed, and its frames (n, rows / 4, width)."""
    begin = np.concatenate(([0], version.ends[:-1]))[clips]
    length = PER_FRAME * (version.ends[clips] - begin)
    n = len(clips)
    pace = np.exp(rng.uniform(-change.pace, change.pace, n))
    room = length - pace * rows
    # A long clip is cut, a short one is repeated.
    start = rng.random(n) * np.where(room > 0, room, length)
    place = (start[:, None] + pace[:, None] * np.arange(rows)).astype(np.int64) % length[:, None]
    x = version.mel[PER_FRAME * begin[:, None] + place].astype(np.float32)
    # (n, rows, 64)
    frames = version.frames[begin[:, None] + place[:, PER_FRAME // 2 :: PER_FRAME] // PER_FRAME]
    x = x @ _warps(x.shape[2], rng.uniform(-change.warp, change.warp, n))
    x += change.colour * _curves(n, x.shape[2], rng)[:, None]
    for k in range(n):
        for _ in range(2):
            wide, at = rng.integers(change.bands + 1), rng.integers(x.shape[2])
            x[k, :, at : at + wide] = 0
            long, at = rng.integers(change.rows + 1), rng.integers(rows)
            x[k, at : at + long] = 0
    return x, frames.astype(np.float32)


def _warps(bands: int, by: npt.NDArray[np.float64]) -> Floats:
    """Matrices (n, bands, bands) that move each band's content to (1 + by) times its place."""
    source = np.clip(np.arange(bands) / (1 + by[:, None]), 0, bands - 1)
    near: Floats = np.maximum(0, 1 - np.abs(source[:, None, :] - np.arange(bands)[:, None])).astype(
        np.float32
    )
    return near


def _curves(n: int, bands: int, rng: np.random.Generator) -> Floats:
    """Smooth curves (n, bands): a slope and two waves of random height."""
    at = np.linspace(0, np.pi, bands)
    shapes = np.stack([np.cos(at), np.cos(2 * at), np.cos(3 * at)])
    curves: Floats = (rng.normal(size=(n, 3)) @ shapes).astype(np.float32)
    return curves


@dataclass(frozen=True, slots=True)
class Lessons:
    """Clips in all versions, with the targets of each."""

    versions: list[Version]
    shares: Floats
    """(versions, n, 4): wanted probabilities."""
    whole: Floats
    """(versions, n, k): the teacher's statistics, likewise."""
    weights: Floats


def epoch(
    lessons: Lessons, rows: int, batch: int, change: MelChange, rng: np.random.Generator
) -> Iterator[tuple[Floats, ...]]:
    """Yield the batches of one epoch, each clip at most once and in a random version.

    A batch is (x, shares, frames, whole, weights).
    """
    n = len(lessons.weights)
    batch = min(batch, n)
    order = rng.permutation(n)
    first = lessons.versions[0]
    for at in range(0, n - batch + 1, batch):
        clips = order[at : at + batch]
        of = rng.integers(len(lessons.versions), size=batch)
        x = np.empty((batch, rows, first.mel.shape[1]), np.float32)
        frames = np.empty((batch, rows // PER_FRAME, first.frames.shape[1]), np.float32)
        for v in np.unique(of):
            here = of == v
            x[here], frames[here] = stretches(lessons.versions[v], clips[here], rows, change, rng)
        parts = (x, lessons.shares[of, clips], frames, lessons.whole[of, clips])
        yield (*mix(parts, change.mixed, rng), lessons.weights[clips])


def mix(parts: Sequence[Floats], share: float, rng: np.random.Generator) -> list[Floats]:
    """The parts (n, ...) of a batch, with that share of rows mixed with others, alike in all parts
    (mixup).
    """
    n = len(parts[0])
    other, own = rng.permutation(n), rng.beta(_MIXUP, _MIXUP, n)
    own = np.where(rng.random(n) < share, np.maximum(own, 1 - own), 1).astype(np.float32)
    mixed: list[Floats] = []
    for part in parts:
        s = own.reshape(-1, *(1,) * (part.ndim - 1))
        mixed.append((s * part + (1 - s) * part[other]).astype(np.float32))
    return mixed

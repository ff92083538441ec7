"""What small networks are taught in addition to labels: how Whisper's encoder hears the same words.

A variant is every clip once, at a pace of its own. The teacher hears it over a clear telephone line, the
student hears the same words over several lines, and so also learns to hear through the line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.features import log_mel
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.encoders import newest
from emocx_pbx.emotion.whisper import WhisperEncoder
from emocx_pbx.training.figures import softmax
from emocx_pbx.training.speech import networks
from emocx_pbx.training.speech.augment import over_a_line, speed
from emocx_pbx.training.speech.data import Clip, labels_of, on_line
from emocx_pbx.training.speech.networks import Fit

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int64]
Tell = Callable[[str, int, int], None]

#: The model whose encoder teaches, and the layer.
SOURCE: Final = "base"
LAYER: Final = 4
#: Heads on the teacher's statistics for each fold of speakers, and how they are trained.
FOLDS: Final = 4
HEADS: Final = 2
HEADS_FIT: Final = Fit(epochs=15)
#: Directions that tell emotions apart: principal components they are sought in, how many, and the
#: penalty that keeps a few clips from deciding.
_COMPONENTS: Final = 256
DIRECTIONS: Final = 15
_SHRINK: Final = 0.05
#: Dimensions of a teacher's frame that are taught: principal components over some training clips.
WIDTH: Final = 128
_BASIS_CLIPS: Final = 700
_PACE: Final = (0.86, 1.14)


@dataclass(frozen=True, slots=True)
class TaughtClip:
    """One variant of n clips."""

    mel: Halves
    """(lines, rows, 64): the student's log-mel over each line, all clips one after the other."""
    ends: Ints
    """(n,) where a clip's rows end."""
    frames: Halves
    """(frames, WIDTH): the teacher's frames, one every 40 ms, along the basis."""
    frame_ends: Ints
    """(n,) where a clip's frames end."""
    statistics: Halves
    """(n, 1536): the teacher's mean, spread and maximum over time of each channel."""


def hear(
    train: Sequence[Clip], variants: int, lines: int, seed: int, tell: Tell, cache: Path | None = None
) -> list[TaughtClip]:
    """The clips in `variants` variants over `lines` lines each; the first of each clear and unchanged.

    `cache` is a folder that keeps variants for a second run. Raises ModelError without the package of
    the extra 'voice'.
    """
    key = hashlib.sha256(f"{seed} {lines} {SOURCE} {LAYER}".encode())
    for clip in train:
        key.update(clip.samples.tobytes())
    found: list[TaughtClip] = []
    encoder = WhisperEncoder(SOURCE, [LAYER], newest(SOURCE).sha256)
    basis: tuple[Floats, Floats] | None = None
    for variant in range(variants):
        kept = None if cache is None else cache / f"heard-{key.hexdigest()[:16]}-{variant}.npz"
        if kept is not None and kept.is_file():
            with np.load(kept) as stored:
                found.append(TaughtClip(**{f.name: stored[f.name] for f in fields(TaughtClip)}))
            continue
        basis = basis or _basis(train, encoder)
        taught = _hear(train, encoder, basis, variant, lines, seed, tell)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_suffix(f".{os.getpid()}.npz")
            np.savez(draft, **{f.name: getattr(taught, f.name) for f in fields(TaughtClip)})
            draft.replace(kept)
        found.append(taught)
    return found


def _basis(train: Sequence[Clip], encoder: WhisperEncoder) -> tuple[Floats, Floats]:
    """Mean (512,) and principal components (512, WIDTH) of the teacher's frames."""
    chosen = np.random.default_rng(0).permutation(len(train))[:_BASIS_CLIPS]
    rows = np.concatenate([_pairs(encoder(on_line(train[i].samples))[0]) for i in chosen]).astype(np.float64)
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((rows - mean).T))
    return mean.astype(np.float32), vectors[:, ::-1][:, :WIDTH].astype(np.float32)


def _pairs(frames: Floats) -> Floats:
    """Means of each two frames, 20 ms apart (the last one is doubled if their number is odd)."""
    if len(frames) % 2:
        frames = np.concatenate((frames, frames[-1:]))
    means: Floats = frames.reshape(-1, 2, frames.shape[1]).mean(axis=1)
    return means


def _hear(
    train: Sequence[Clip],
    encoder: WhisperEncoder,
    basis: tuple[Floats, Floats],
    variant: int,
    lines: int,
    seed: int,
    tell: Tell,
) -> TaughtClip:
    rng = np.random.default_rng(1 + seed + variant)
    others = [c.samples for c in train]
    mel: list[list[Halves]] = [[] for _ in range(lines)]
    statistics: list[Halves] = []
    taught: list[Halves] = []
    for done, clip in enumerate(train, 1):
        spoken = clip.samples if variant == 0 else speed(clip.samples, float(rng.uniform(*_PACE)))
        clear = on_line(spoken)
        frames = encoder(clear)[0]
        whole = np.concatenate((frames.mean(axis=0), frames.std(axis=0), frames.max(axis=0)))
        statistics.append(whole.astype(np.float16))
        taught.append(((_pairs(frames) - basis[0]) @ basis[1]).astype(np.float16))
        for line in range(lines):
            sound = clear if variant == line == 0 else over_a_line(spoken, others, rng)
            mel[line].append(log_mel(sound).astype(np.float16))
        tell("listen", variant * len(train) + done, (variant + 1) * len(train))
    return TaughtClip(
        mel=np.stack([np.concatenate(rows) for rows in mel]),
        ends=np.cumsum([len(rows) for rows in mel[0]]),
        frames=np.concatenate(taught),
        frame_ends=np.cumsum([len(rows) for rows in taught]),
        statistics=np.array(statistics),
    )


def heads(
    taught: Sequence[TaughtClip],
    clips: Sequence[Clip],
    weights: Floats,
    seed: int,
    tell: Tell,
    fit: Fit = HEADS_FIT,
) -> Floats:
    """Probabilities (variants, n, 4) of heads on the teacher's statistics, each clip's by heads that never
    learned from its speaker: what heads say about clips they know is too sure to teach anything.
    """
    labels = labels_of(clips)
    x = np.stack([h.statistics for h in taught]).astype(np.float32)
    y = np.eye(len(LABELS), dtype=np.float32)[labels]
    front = networks.standardiser(x.reshape(-1, x.shape[2]))
    ready = np.stack([front.predict(v, batch_size=1024, verbose=0) for v in x])
    voices = [c.voice for c in clips]
    turn = {voice: i % FOLDS for i, voice in enumerate(sorted(set(voices)))}
    fold = np.array([turn[v] for v in voices])
    shares = np.full((len(x), len(clips), len(LABELS)), 1 / len(LABELS), np.float32)
    used = np.unique(fold)
    for done, k in enumerate(used):
        tell("heads", done, len(used))
        known, unknown = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not known.size:
            continue
        said = []
        for i in range(HEADS):
            head = networks.head(x.shape[2], fit, f"head_{i}")
            networks.train_head(head, ready[:, known], y[known], weights[known], fit, seed * 100 + 10 * k + i)
            said.append([softmax(head.predict(v, batch_size=1024, verbose=0)) for v in ready[:, unknown]])
        shares[:, unknown] = np.mean(said, axis=0)
    tell("heads", len(used), len(used))
    return shares


def telling(x: Floats, clips: Sequence[Clip], width: int = DIRECTIONS) -> Floats:
    """The directions (k, width) of clips' measurements x (variants, n, k) that tell their emotions apart.

    Fisher's discriminant, within principal components, among the emotions of each corpus, once every
    speaker's mean is taken away: whoever speaks, and most of what is said, is left out.
    """
    rows = x.reshape(-1, x.shape[2])
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    rank = min(_COMPONENTS, x.shape[2])
    basis = vectors[:, ::-1][:, :rank] / np.sqrt(np.maximum(values[::-1][:rank], 1e-6 * values[-1]))
    z = (rows - rows.mean(axis=0)) @ basis
    speaker = np.tile(_numbered([c.voice for c in clips]), len(x))
    group = np.tile(_numbered([(c.corpus, c.label) for c in clips]), len(x))
    z -= _means(z, speaker)[speaker]
    between = _means(z, group)
    within = z - between[group]
    half = np.linalg.inv(np.linalg.cholesky(within.T @ within / len(z) + _SHRINK * np.eye(rank)))
    _, turned = np.linalg.eigh(half @ (between.T @ between / len(between)) @ half.T)
    found: Floats = (basis @ (half.T @ turned[:, ::-1][:, :width])).astype(np.float32)
    return found


def _numbered(names: Sequence[Hashable]) -> Ints:
    places = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], np.int64)


def _means(z: npt.NDArray[np.float64], group: Ints) -> npt.NDArray[np.float64]:
    sums = np.zeros((int(group.max()) + 1, z.shape[1]))
    np.add.at(sums, group, z)
    means: npt.NDArray[np.float64] = sums / np.bincount(group)[:, None]
    return means

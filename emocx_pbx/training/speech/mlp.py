"""Trains the `mlp` model: dense layers on the 180 features of each window, pooled over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.features import N_CHROMA, N_FEATURES, N_MFCC, windows
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.speech import MLP_WINDOWS, fixed_windows
from emocx_pbx.errors import ModelError
from emocx_pbx.training.speech import networks
from emocx_pbx.training.speech.augment import augment
from emocx_pbx.training.speech.data import Clip, labels_of, on_line
from emocx_pbx.training.speech.descent import learn, pooled
from emocx_pbx.training.speech.mel_batches import mix, whole
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.teacher import heads, hear

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int64]
Tell = Callable[[str, int, int], None]

VARIANTS: Final = 3
#: Share of the teacher's probabilities in the targets; the rest is the labels'.
TRUST: Final = 0.5
FIT: Final = Fit(epochs=20, hidden=(256,), drop_in=0.3, drop=0.5, noise=0.0, decay=2e-2)
HEADS: Final = 3
#: Windows in a stretch that is learned from, and how many side by side the first layer takes.
WINDOWS: Final = 48
BESIDE: Final = 5
_UNITS: Final = (256, 192)
_DROP: Final = 0.2
_MIXED: Final = 0.6
#: Spread of the level, in log power, that is added to all mel powers of a stretch.
_LEVEL: Final = 0.3
_MEL_FROM: Final = N_MFCC + N_CHROMA


@dataclass(frozen=True, slots=True)
class Rows:
    """Windows of all clips, one after the other, with the logarithm of the mel powers."""

    x: Halves
    ends: Ints


def network(count: int, mean: Floats, spread: Floats) -> Any:
    """Features of windows (count, 180), mel powers as logarithms, to mean, spread and maximum over time."""
    import keras
    from keras import layers, ops

    inputs = keras.Input((count, N_FEATURES))
    x = ops.clip(layers.Normalization(mean=mean, variance=spread**2)(inputs), -6.0, 6.0)
    # A dense layer on each few windows side by side, and another on each of its answers.
    x = layers.Conv1D(_UNITS[0], BESIDE, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
    x = layers.SpatialDropout1D(_DROP)(x)
    x = layers.Dense(_UNITS[1])(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x))
    return keras.Model(inputs, pooled(x), name="measure")


def train_mlp(
    train: list[Clip],
    dev: list[Clip],
    weights: Floats,
    seed: int,
    base: Path | None,
    tell: Tell,
    fit: Fit | None = None,
    variants: int | None = None,
    cache: Path | None = None,
) -> tuple[Any, Floats, list[list[float]]]:
    """A trained Keras model, its logits on dev (m, 4) and its loss curves.

    With `base` the layers on windows stay as they are, and the last ones are trained further, from the labels
    alone.
    """
    import keras

    fit, variants = fit or FIT, VARIANTS if variants is None else variants
    keras.utils.set_random_seed(seed)
    own = np.eye(len(LABELS), dtype=np.float32)[labels_of(train)]
    curves = []
    if base is None:
        taught_clips = hear(train, 1, 1, seed, tell, cache)
        shares = TRUST * heads(taught_clips, train, weights, seed, tell)[0] + (1 - TRUST) * own
        shares = (1 - fit.smoothing) * shares + fit.smoothing / len(LABELS)
        taught = (shares, whole(taught_clips, train)[0])
        rows = _measure(train, variants, seed, tell)
        members = []
        for i in range(HEADS):
            rng = np.random.default_rng(seed * 100 + i)
            member, curve = _learn(rows, taught, weights, fit, rng, f"head_{i}", tell)
            members.append(member)
            curves.append(curve)
    else:
        members = _open_base(base)
        x = np.stack([_logs(fixed_windows(on_line(c.samples))) for c in train])
        fit = replace(fit, epochs=15, rate=fit.rate / 5)
        for i, member in enumerate(members):
            measures, head = member.get_layer("measure").predict(x, verbose=0), member.get_layer("head")
            curves.append(networks.train_head(head, measures[None], own, weights, fit, seed * 100 + i))
    model = _joined(members)
    x_dev = np.stack([fixed_windows(on_line(c.samples)) for c in dev])
    logits: Floats = model.predict(x_dev, verbose=0)
    return model, logits, curves


def _learn(
    rows: Sequence[Rows],
    taught: tuple[Floats, Floats],
    weights: Floats,
    fit: Fit,
    rng: np.random.Generator,
    name: str,
    tell: Tell,
) -> tuple[Any, list[float]]:
    """One member, from logarithmic features of windows (MLP_WINDOWS, 180) to four logits; and its losses."""
    import keras

    x = rows[0].x.astype(np.float32)
    scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    measure = network(WINDOWS, *scale)
    head = networks.head(measure.output_shape[1], fit, "head")
    measures = keras.layers.Dense(taught[1].shape[1])(measure.output)
    student = keras.Model(measure.input, [head(measure.output), measures])
    steps = max(1, len(weights) // fit.batch)
    curve = learn(student, lambda: _epoch(rows, taught, weights, fit.batch, rng), steps, fit, tell)
    served = network(MLP_WINDOWS, *scale)
    served.set_weights(measure.get_weights())
    inputs = keras.Input((MLP_WINDOWS, N_FEATURES))
    return keras.Model(inputs, head(served(inputs)), name=name), curve


def _epoch(
    rows: Sequence[Rows],
    taught: tuple[Floats, Floats],
    weights: Floats,
    batch: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Floats, ...]]:
    n = len(weights)
    batch = min(batch, n)
    order = rng.permutation(n)
    for at in range(0, n - batch + 1, batch):
        clips = order[at : at + batch]
        # The unchanged clip comes twice as often as each of its variants.
        of = np.maximum(rng.integers(len(rows) + 1, size=batch) - 1, 0)
        x = np.empty((batch, WINDOWS, N_FEATURES), np.float32)
        for v in np.unique(of):
            here = of == v
            x[here] = _stretches(rows[v], clips[here], rng)
        yield (*mix((x, taught[0][clips], taught[1][clips]), _MIXED, rng), weights[clips])


def _stretches(rows: Rows, clips: Ints, rng: np.random.Generator) -> Floats:
    """WINDOWS windows of each clip, at a level of its own: a long clip is cut, a short one is repeated."""
    begin = np.concatenate(([0], rows.ends[:-1]))[clips]
    length = rows.ends[clips] - begin
    start = (rng.random(len(clips)) * np.where(length > WINDOWS, length - WINDOWS, length)).astype(np.int64)
    place = (start[:, None] + np.arange(WINDOWS)) % length[:, None]
    found: Floats = rows.x[begin[:, None] + place].astype(np.float32)
    found[..., _MEL_FROM:] += rng.normal(0, _LEVEL, (len(clips), 1, 1)).astype(np.float32)
    return found


def _measure(train: Sequence[Clip], variants: int, seed: int, tell: Tell) -> list[Rows]:
    """The clips' windows, unchanged and in `variants` augmented variants."""
    others = [c.samples for c in train]
    found = []
    for variant in range(1 + variants):
        rng = np.random.default_rng(199 + seed + variant)
        of = []
        for done, clip in enumerate(train, 1):
            sound = augment(clip.samples, others, rng) if variant else on_line(clip.samples)
            of.append(_logs(windows(sound)))
            tell("measure", variant * len(train) + done, (1 + variants) * len(train))
        found.append(Rows(np.concatenate(of).astype(np.float16), np.cumsum([len(r) for r in of])))
    return found


def _logs(x: Floats) -> Floats:
    """Windows' features (..., 180) with the logarithm of the mel powers."""
    return np.concatenate([x[..., :_MEL_FROM], np.log(x[..., _MEL_FROM:] + np.float32(1e-6))], axis=-1)


def _joined(members: Sequence[Any]) -> Any:
    """One model on raw features of windows: the log of the members' mean probabilities."""
    import keras
    from keras import ops

    inputs = keras.Input((MLP_WINDOWS, N_FEATURES))
    logs = ops.concatenate([inputs[:, :, :_MEL_FROM], ops.log(inputs[:, :, _MEL_FROM:] + 1e-6)], axis=2)
    front = keras.Model(inputs, logs, name="logarithms")
    return networks.joined(front, members, (MLP_WINDOWS, N_FEATURES))


def _open_base(base: Path) -> list[Any]:
    """The members of an earlier model; raises ModelError if it is of another kind."""
    members = networks.heads_of(networks.open_base(base, "mlp"))
    if not members or not all("measure" in [part.name for part in member.layers] for member in members):
        raise ModelError(f"{base}: an mlp model of an earlier kind, which can't be trained further")
    return members

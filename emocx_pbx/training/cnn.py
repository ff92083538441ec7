"""Trains the `cnn` model: convolutions on log-mel, from scratch, pooled over corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.speech import CNN_FRAMES, fixed_log_mel
from emocx_pbx.training.augment import augment
from emocx_pbx.training.data import Clip, labels_of, on_line

Floats = npt.NDArray[np.float32]
Tell = Callable[[str, int, int], None]

EPOCHS: Final = 60
VARIANTS: Final = 3
_BATCH: Final = 64
#: Filters of the stages, over time with the bands as channels; each halves the time steps.
_STAGES: Final = (96, 128, 128)


def network(rows: Floats) -> Any:
    """Log-mel (320, 64) to four logits; scaled by the mean and spread of rows (n, 320, 64)."""
    import keras
    from keras import ops

    inputs = keras.Input((CNN_FRAMES, rows.shape[2]))
    scale = keras.layers.Normalization(mean=rows.mean(axis=(0, 1)), variance=rows.var(axis=(0, 1)))
    x = ops.clip(scale(inputs), -4.0, 4.0)
    for filters in _STAGES:
        x = keras.layers.Conv1D(filters, 5, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.SpatialDropout1D(0.1)(x)
    # (batch, 40, 128)
    mean = ops.mean(x, axis=1)
    spread = ops.sqrt(ops.mean(ops.square(x - ops.expand_dims(mean, 1)), axis=1) + 1e-5)
    x = ops.concatenate([mean, spread, ops.max(x, axis=1)], axis=1)
    x = keras.layers.Dropout(0.4)(x)
    x = keras.layers.Dense(128, activation="relu")(x)
    x = keras.layers.Dropout(0.4)(x)
    return keras.Model(inputs, keras.layers.Dense(len(LABELS))(x))


def batch_of(
    x: npt.NDArray[np.float16], y: Floats, order: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Rows of a random variant x (variants, n, frames, bands) of the clips in `order`: mixup, SpecAugment."""
    variant = rng.integers(len(x), size=(2, len(order)))
    other = rng.permutation(len(order))
    share = rng.beta(0.3, 0.3, size=len(order)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    wide = share[:, None, None]
    a = wide * x[variant[0], order].astype(np.float32)
    a += (1 - wide) * x[variant[1], order[other]].astype(np.float32)
    for row in a:
        start, size = int(rng.integers(CNN_FRAMES)), int(rng.integers(40))
        row[start : start + size] = row.mean()
        start, size = int(rng.integers(row.shape[1])), int(rng.integers(10))
        row[:, start : start + size] = row.mean()
    targets = y[order] * 0.95 + 0.05 / 4
    return a, share[:, None] * targets + (1 - share[:, None]) * targets[other]


def train_cnn(
    train: list[Clip], dev: list[Clip], weights: Floats, seed: int, base: Path | None, tell: Tell
) -> tuple[Any, Floats, list[list[float]]]:
    """A trained Keras model, its logits on dev (m, 4) and its loss curve."""
    others = [c.samples for c in train]
    x = np.zeros((1 + VARIANTS, len(train), CNN_FRAMES, 64), np.float16)
    for variant in range(1 + VARIANTS):
        rng = np.random.default_rng(198 + seed + variant)
        for i, clip in enumerate(train):
            heard = on_line(clip.samples) if variant == 0 else augment(clip.samples, others, rng)
            x[variant, i] = fixed_log_mel(heard)
            tell("measure", variant * len(train) + i + 1, len(train) * (1 + VARIANTS))
    x_dev = np.stack([fixed_log_mel(on_line(c.samples)) for c in dev])
    return fit(x, x_dev, labels_of(train), weights, seed, base, tell)


def fit(
    x: npt.NDArray[np.float16],
    x_dev: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    seed: int,
    base: Path | None,
    tell: Tell,
    epochs: int = EPOCHS,
) -> tuple[Any, Floats, list[list[float]]]:
    """Fit on variants x (variants, n, frames, bands); see `train_cnn` for what comes back."""
    import keras

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    n = x.shape[1]
    y = np.eye(len(LABELS), dtype=np.float32)[labels]
    model = (
        network(x[0].astype(np.float32)) if base is None else keras.models.load_model(base / "model.keras")
    )
    rate = 2e-3 if base is None else 2e-4
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * (n // _BATCH + 1))
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-2),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    curve = []
    for epoch in range(epochs):
        order = rng.permutation(n)
        a, b = batch_of(x, y, order, rng)
        past = model.fit(a, b, sample_weight=weights[order], batch_size=_BATCH, shuffle=False, verbose=0)
        curve.append(float(past.history["loss"][-1]))
        tell("train", epoch + 1, epochs)
    model.optimizer, model.compiled = None, False
    logits: Floats = model.predict(x_dev, verbose=0)
    return model, logits, [curve]

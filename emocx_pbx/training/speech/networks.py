"""The trainable networks, in Keras, and their export to LiteRT."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError
from emocx_pbx.training.base import KERAS, keras_file

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fit:
    """How one network is trained."""

    epochs: int = 30
    rate: float = 1e-3
    batch: int = 64
    hidden: tuple[int, ...] = (256,)
    drop_in: float = 0.2
    drop: float = 0.5
    noise: float = 0.1
    mixup: float = 0.3
    smoothing: float = 0.05
    decay: float = 1e-2
    varied: bool = True
    """Whether to train on augmented variants as well, or only on unchanged clips."""


def head(width: int, fit: Fit, name: str) -> Any:
    """Dense layers from standardised inputs (width,) to four logits."""
    import keras

    x = inputs = keras.Input((width,))
    x = keras.layers.GaussianNoise(fit.noise)(x)
    x = keras.layers.Dropout(fit.drop_in)(x)
    for units in fit.hidden:
        x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.Dropout(fit.drop)(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x), name=name)


def train_head(model: Any, x: Floats, y: Floats, weights: Floats, fit: Fit, seed: int) -> list[float]:
    """Fit a head on variants x (variants, n, width) of n clips with targets y; returns the loss curve.

    `y` is (n, 4) or (variants, n, 4); one random variant of each clip is seen in an epoch, mixed with
    another clip (mixup). Cosine decay of the rate, AdamW.
    """
    import keras

    rng = np.random.default_rng(seed)
    variants, n, _ = x.shape
    targets = np.broadcast_to(y, (variants, n, 4))
    targets = targets * (1 - fit.smoothing) + fit.smoothing / 4
    steps = max(1, n // fit.batch)
    schedule = keras.optimizers.schedules.CosineDecay(fit.rate, fit.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=fit.decay),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    curve = []
    for _ in range(fit.epochs):
        order, other = rng.permutation(n), rng.permutation(n)
        first, second = rng.integers(variants, size=n), rng.integers(variants, size=n)
        share = rng.beta(fit.mixup, fit.mixup, size=(n, 1)) if fit.mixup else np.ones((n, 1))
        share = np.maximum(share, 1 - share).astype(np.float32)
        a = share * x[first, order] + (1 - share) * x[second, other]
        b = share * targets[first, order] + (1 - share) * targets[second, other]
        past = model.fit(a, b, sample_weight=weights[order], batch_size=fit.batch, shuffle=False, verbose=0)
        curve.append(float(past.history["loss"][-1]))
    return curve


def standardiser(rows: Floats) -> Any:
    """A model from a raw measurement to a standardised one, fitted on rows (n, width)."""
    import keras
    from keras import ops

    inputs = keras.Input((rows.shape[1],))
    scale = keras.layers.Normalization(mean=rows.mean(axis=0), variance=rows.var(axis=0) + 1e-8)
    return keras.Model(inputs, ops.clip(scale(inputs), -6.0, 6.0), name="standardise")


def joined(front: Any, heads: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """One model: the standardiser on the raw input, then the log of the heads' mean probabilities."""
    import keras
    from keras import ops

    inputs = keras.Input(shape)
    x = front(inputs)
    shares = [ops.softmax(h(x)) for h in heads]
    mean = shares[0] if len(shares) == 1 else keras.layers.Average()(shares)
    return keras.Model(inputs, ops.log(mean + 1e-9))


def open_base(base: Path, model: str) -> Any:
    """An earlier model; raises ModelError if it is of another kind."""
    import keras

    if base.parent.name != model:
        raise ModelError(f"{base}: no {model} model to start from")
    return keras.models.load_model(keras_file(base))


def heads_of(model: Any) -> list[Any]:
    """The heads of a joined model."""
    return [layer for layer in model.layers if layer.name.startswith("head_")]


def save(model: Any, folder: Path, shape: tuple[int, ...], eight_bits: bool = False) -> None:
    """Write model.keras and model.tflite (batch of one, no TensorFlow needed to run it).

    With `eight_bits` the weights of model.tflite are integers, and products are computed in integers: a
    quarter of the time for convolutions. Else they are float16.
    """
    import keras
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    # The optimisers' state would triple the file.
    for part in model.layers:
        if getattr(part, "optimizer", None) is not None:
            part.optimizer, part.compiled = None, False
    _round_kernels(model)
    model.save(folder / KERAS)
    _deflate(folder / KERAS)
    # Through a SavedModel, which freezes the weights; with a fixed batch every layer converts to LiteRT's
    # built-in operations.
    with tempfile.TemporaryDirectory() as place:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "serve",
            fn=lambda x: model(x, training=False),
            input_signature=[tf.TensorSpec((1, *shape), tf.float32)],
        )
        archive.write_out(place, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(place)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if not eight_bits:
            converter.target_spec.supported_types = [tf.float16]
        converted = converter.convert()
    (folder / "model.tflite").write_bytes(converted)


def _round_kernels(model: Any) -> None:
    """Round kernels to what float16 can hold: half the size, and both files hold the same numbers."""
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(np.asarray(variable).astype(np.float16).astype(np.float32))


def _deflate(path: Path) -> None:
    """Rewrite a .keras file, which is a zip, with compression; Keras reads it as before."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)

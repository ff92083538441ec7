"""Trains the `cnn` model: convolutions on log-mel, taught by the labels and by a larger network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.features import CNN_BANDS
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.speech import CNN_FRAMES, fixed_log_mel
from emocx_pbx.training.speech import networks
from emocx_pbx.training.speech.data import Clip, labels_of, on_line
from emocx_pbx.training.speech.descent import learn, mean_and_spread, pooled, precision
from emocx_pbx.training.speech.mel_batches import PER_FRAME, Lessons, MelChange, epoch, versions, whole
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.teacher import heads, hear

Floats = npt.NDArray[np.float32]
Tell = Callable[[str, int, int], None]

VARIANTS: Final = 3
LINES: Final = 2
#: Share of the teacher's probabilities in the targets; the rest is the labels'.
TRUST: Final = 0.5
FIT: Final = Fit(epochs=130, rate=2e-3, batch=32, hidden=(256,), drop_in=0.2, drop=0.5, decay=2e-2)
#: Rows of log-mel (10 ms) in a stretch that is learned from.
ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the network."""

    stem: tuple[int, int, int] = (8, 16, 32)
    """Channels of the convolutions over time and bands, which end at a row every 40 ms."""
    units: int = 192
    dilations: tuple[int, ...] = (1, 2, 3, 4)
    """One block each."""
    drop: float = 0.1


SHAPE = Shape()
CHANGE: Final = MelChange()


def network(rows: int, bands: Floats, shape: Shape) -> tuple[Any, Any]:
    """Log-mel (rows, 64) to mean, spread and maximum over time (3 * units,), and to its frames too.

    Two models that share their layers: the first is what serves, the second what is taught.
    """
    import keras
    from keras import layers, ops

    def normal(x: Any) -> Any:
        return layers.BatchNormalization(momentum=0.98)(x)

    inputs = keras.Input((rows, len(bands)))
    # How loud the line is says nothing: the mean over the stretch is removed. Every band's own share stays in
    # the first of two channels, and is removed from the second as well.
    x = inputs - ops.mean(inputs, axis=(1, 2), keepdims=True)
    x = layers.Normalization(mean=bands, variance=4 * np.ones_like(bands))(x)
    x = ops.stack([x, x - ops.mean(x, axis=1, keepdims=True)], axis=3)
    height = len(bands)
    for channels, strides in zip(shape.stem, ((2, 2), (2, 2), (1, 2)), strict=True):
        x = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(normal(x))
        height //= 2
    x = layers.Reshape((rows // PER_FRAME, height * shape.stem[-1]))(x)
    x = layers.ReLU()(normal(layers.Conv1D(shape.units, 1, use_bias=False)(x)))
    for dilation in shape.dilations:
        y = layers.Conv1D(shape.units, 3, dilation_rate=dilation, padding="same", use_bias=False)(x)
        y = layers.SpatialDropout1D(shape.drop)(layers.ReLU()(normal(y)))
        y = normal(layers.Conv1D(shape.units, 1, use_bias=False)(y))
        # The whole stretch decides how much of each channel counts.
        squeezed = layers.Dense(shape.units // 4, activation="relu")(
            ops.concatenate(mean_and_spread(y), axis=2)
        )
        x = layers.ReLU()(x + y * layers.Dense(shape.units, activation="sigmoid")(squeezed))
    measures = pooled(x)
    return keras.Model(inputs, measures, name="measure"), keras.Model(inputs, [measures, x], name="taught")


def train_cnn(
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

    With `base` the convolutions stay as they are, and its head is trained further, from the labels alone.
    """
    import keras

    fit, variants = fit or FIT, VARIANTS if variants is None else variants
    keras.utils.set_random_seed(seed)
    own = np.eye(len(LABELS), dtype=np.float32)[labels_of(train)]
    if base is None:
        taught_clips = hear(train, variants, LINES, seed, tell, cache)
        shares = TRUST * heads(taught_clips, train, weights, seed, tell) + (1 - TRUST) * own
        shares = (1 - fit.smoothing) * shares + fit.smoothing / len(LABELS)
        lessons = Lessons(
            versions(taught_clips, train),
            np.repeat(shares, LINES, axis=0),
            np.repeat(whole(taught_clips, train), LINES, axis=0),
            weights,
        )
        del taught_clips
        measure, head, curve = _learn(lessons, fit, seed, tell)
    else:
        measure, head = _open_base(base)
        x = measure.predict(np.stack([fixed_log_mel(on_line(c.samples)) for c in train]), verbose=0)
        fit = replace(fit, epochs=15, rate=fit.rate / 5)
        curve = networks.train_head(head, x[None], own, weights, fit, seed)
    model = networks.joined(measure, [head], (CNN_FRAMES, CNN_BANDS))
    x_dev = np.stack([fixed_log_mel(on_line(c.samples)) for c in dev])
    logits: Floats = model.predict(x_dev, verbose=0)
    return model, logits, [curve]


def _learn(lessons: Lessons, fit: Fit, seed: int, tell: Tell) -> tuple[Any, Any, list[float]]:
    """The network and a head on it, trained on lessons, in single precision; and the loss of each epoch."""
    import keras

    rng = np.random.default_rng(seed)
    bands = lessons.versions[0].mel[::7].astype(np.float32).mean(axis=0)
    with precision("mixed_bfloat16"):
        measure, taught = network(ROWS, bands, SHAPE)
    head = networks.head(measure.output_shape[1], fit, "head_0")
    frames = keras.layers.Dense(lessons.versions[0].frames.shape[1])
    whole_of = keras.layers.Dense(lessons.whole.shape[2])
    measures, x = taught.output
    student = keras.Model(taught.input, [head(measures), frames(x), whole_of(measures)])
    steps = max(1, len(lessons.weights) // fit.batch)
    curve = learn(student, lambda: epoch(lessons, ROWS, fit.batch, CHANGE, rng), steps, fit, tell)
    served, _ = network(CNN_FRAMES, bands, SHAPE)
    served.set_weights(measure.get_weights())
    return served, head, curve


def _open_base(base: Path) -> tuple[Any, Any]:
    """Convolutions and head of an earlier model; raises ModelError if it is of another kind."""
    model = networks.open_base(base, "cnn")
    return model.get_layer("measure"), model.get_layer("head_0")

"""Trains the `cnn` model: convolutions on log-mel, taught by a larger network, and heads on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.speech import CNN_FRAMES, fixed_log_mel
from emocx_pbx.errors import ModelError
from emocx_pbx.training import networks
from emocx_pbx.training.data import Clip, labels_of, on_line
from emocx_pbx.training.layers import OFFSETS, Layer, fit_layers
from emocx_pbx.training.networks import Fit
from emocx_pbx.training.teacher import heads, hear

Floats = npt.NDArray[np.float32]
Tell = Callable[[str, int, int], None]

VARIANTS: Final = 3
LINES: Final = 2
HEADS: Final = 5
#: Share of the teacher's probabilities in the heads' targets; the labels have the rest.
TRUST: Final = 0.5
FIT: Final = Fit(epochs=40, hidden=(256,), drop_in=0.2, drop=0.5, batch=64)


def network(bands: Floats, layers: Sequence[Layer]) -> Any:
    """Log-mel (CNN_FRAMES, 64) to mean, spread and maximum over time of the layers' frames."""
    import keras
    from keras import ops

    def dense(x: Any, weights: Floats, bias: Floats, activation: str | None = None) -> Any:
        layer = keras.layers.Conv1D(len(bias), 1, activation=activation)
        out = layer(x)
        layer.set_weights([weights[None], bias])
        return out

    def mean_and_spread(x: Any) -> tuple[Any, Any]:
        mean = ops.mean(x, axis=1)
        return mean, ops.sqrt(ops.mean(ops.square(x - ops.expand_dims(mean, 1)), axis=1) + 1e-5)

    inputs = keras.Input((CNN_FRAMES, len(bands)))
    # How loud the line is says nothing: the mean over the stretch goes, every band's own share stays.
    x = inputs - ops.mean(inputs, axis=(1, 2), keepdims=True)
    x = keras.layers.Normalization(mean=bands, variance=np.ones_like(bands))(x)
    x = keras.layers.AveragePooling1D(2)(x)
    frames = None
    for layer, offsets in zip(layers, OFFSETS, strict=True):
        taps, rank = len(offsets), layer.reduce.shape[1]
        if frames is None:
            width = len(bands)
            x = keras.layers.ZeroPadding1D((-offsets[0], offsets[-1] - 1))(x)
            context = keras.layers.Conv1D(rank, taps, strides=2)
            z = context(x)
        else:
            width = frames.shape[2]
            context = keras.layers.Conv1D(rank, taps, dilation_rate=offsets.step, padding="same")
            whole = keras.layers.Dense(rank, use_bias=False)
            told = whole(ops.concatenate(mean_and_spread(frames), axis=1))
            whole.set_weights([layer.reduce[taps * width :]])
            z = context(frames) + ops.expand_dims(told, 1)
        context.set_weights([layer.reduce[: taps * width].reshape(taps, width, rank), layer.bias])
        z = dense(dense(z, layer.turn, layer.level, "relu"), layer.out, layer.out_bias)
        frames = z if frames is None else frames + z
    out = ops.concatenate([*mean_and_spread(frames), ops.max(frames, axis=1)], axis=1)
    return keras.Model(inputs, out, name="frames")


def train_cnn(
    train: list[Clip],
    dev: list[Clip],
    weights: Floats,
    seed: int,
    base: Path | None,
    tell: Tell,
    cache: Path | None = None,
    fit: Fit | None = None,
    variants: int = VARIANTS,
) -> tuple[Any, Floats, list[list[float]]]:
    """A trained Keras model, its logits on dev (m, 4) and the heads' loss curves.

    With `base` the convolutions stay as they are and its heads learn on, from the labels alone.
    """
    import keras

    fit = fit or FIT
    keras.utils.set_random_seed(seed)
    labels = labels_of(train)
    own = np.eye(len(LABELS), dtype=np.float32)[labels]
    if base is None:
        heard = hear(train, variants, LINES, seed, tell, cache)
        bands, layers, x = fit_layers(heard, seed, tell)
        # (variants * lines, n, width)
        shares = np.repeat(heads(heard, labels, weights, seed, tell), LINES, axis=0)
        targets = TRUST * shares + (1 - TRUST) * own
        front = network(bands, layers)
        scale = networks.standardiser("voice", x.reshape(-1, x.shape[2]))
        members = [networks.head(x.shape[2], fit, f"head_{i}") for i in range(HEADS)]
    else:
        front, scale, members = _open_base(base)
        x = front.predict(np.stack([fixed_log_mel(on_line(c.samples)) for c in train]), verbose=0)[None]
        targets = own
        fit = Fit(**{**{k: getattr(fit, k) for k in fit.__slots__}, "epochs": 15, "rate": fit.rate / 5})
    ready = np.stack([scale.predict(v, batch_size=1024, verbose=0) for v in x])
    curves = []
    for i, member in enumerate(members):
        tell("train", i, len(members))
        curves.append(networks.train_head(member, ready, targets, weights, fit, seed * 100 + i))
    tell("train", len(members), len(members))
    ends = keras.Input(front.input_shape[1:])
    scaled = keras.Model(ends, scale(front(ends)), name="measure")
    model = networks.joined(scaled, members, front.input_shape[1:])
    x_dev = np.stack([fixed_log_mel(on_line(c.samples)) for c in dev])
    logits: Floats = model.predict(x_dev, verbose=0)
    return model, logits, curves


def _open_base(base: Path) -> tuple[Any, Any, list[Any]]:
    """Convolutions, standardiser and heads of an earlier model; ModelError when it is of another kind."""
    import keras

    path = base / "model.keras"
    if not path.is_file() or base.parent.name != "cnn":
        raise ModelError(f"{base}: no cnn model with a model.keras to start from")
    whole = keras.models.load_model(path)
    measure = whole.get_layer("measure")
    members = [layer for layer in whole.layers if layer.name.startswith("head_")]
    return measure.get_layer("frames"), measure.get_layer("standardise"), members

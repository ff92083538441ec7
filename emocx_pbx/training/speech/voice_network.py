"""The parts of `voice` as one Keras model, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import ModelError
from emocx_pbx.training.speech import networks
from emocx_pbx.training.speech.crossfit import Start, VoiceParts
from emocx_pbx.training.speech.heads import Compressor
from emocx_pbx.training.speech.relative import CONTRASTS, Relative


def network(parts: VoiceParts) -> Any:
    """A Keras model: measurement (width,) to calibrated logits (4,)."""
    import keras
    from keras import ops

    def dense(x: Any, name: str, weights: Any, bias: Any, activation: str | None = None) -> Any:
        layer = keras.layers.Dense(len(bias), activation=activation, name=name)
        out = layer(x)
        layer.set_weights([np.asarray(weights, np.float32), np.asarray(bias, np.float32)])
        return out

    inputs = keras.Input((len(parts.front.mean),))
    x = _front(parts.front)(inputs)
    heads = []
    for i, weights in enumerate(parts.heads):
        head = networks.head(x.shape[1], networks.Fit(hidden=(weights[0].shape[1],)), f"head_{i}")
        head.set_weights(weights)
        heads.append(head)
    logs = ops.log(keras.layers.Average()([ops.softmax(h(x)) for h in heads]) + 1e-9)
    steer = parts.relative
    relative = dense(inputs, "relative", steer.weights @ CONTRASTS.T, steer.bias @ CONTRASTS.T)
    blend = parts.blend
    out = blend.known_heads * logs + blend.known_relative * relative
    if parts.familiar is not None:
        claims = dense(inputs, "familiar", parts.familiar.weights, parts.familiar.bias)
        best = ops.max(claims, axis=1, keepdims=True)
        k = ops.sigmoid(blend.slope * (best - blend.middle))
        out = k * out + (1 - k) * (blend.unknown_relative * relative)
    return keras.Model(inputs, out)


def _front(front: Compressor) -> Any:
    """The Keras model from a measurement (width,) to its components."""
    import keras
    from keras import ops

    inputs = keras.Input((len(front.mean),))
    scale = keras.layers.Normalization(mean=front.mean, variance=front.spread**2)
    components = keras.layers.Dense(front.components.shape[1], use_bias=False, name="components")
    model = keras.Model(inputs, components(ops.clip(scale(inputs), -6.0, 6.0)), name="standardise")
    components.set_weights([front.components])
    return model


def opened(base: Path, model: str) -> Start:
    """The parts of an earlier model in a folder; raises ModelError if it is of another kind."""
    whole = networks.open_base(base, model)
    found = {layer.name: layer for layer in whole.layers}
    if "relative" not in found:
        raise ModelError(f"{base}: an older kind of {model}, without a relative map")
    inner = {type(layer).__name__: layer for layer in found["standardise"].layers}
    scale, components = inner["Normalization"], inner["Dense"]
    front = Compressor(
        np.asarray(scale.mean, np.float32).ravel(),
        np.sqrt(np.asarray(scale.variance, np.float32)).ravel(),
        np.asarray(components.get_weights()[0], np.float32),
    )
    heads = tuple([np.asarray(w, np.float32) for w in h.get_weights()] for h in networks.heads_of(whole))
    weights, bias = (np.asarray(w @ CONTRASTS, np.float32) for w in found["relative"].get_weights())
    if any(len(head) != 4 or head[2].shape[1] != len(LABELS) for head in heads):
        raise ModelError(f"{base}: heads of an unknown kind")
    return Start(front, heads, Relative(weights, bias))

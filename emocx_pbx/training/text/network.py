"""The text network: word pieces, a bidirectional LSTM, pooling; and its export for serving."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.training.base import KERAS

FloatArray = npt.NDArray[np.float32]


def build_network(words: FloatArray, units: int, dropout: float) -> Any:
    """A Keras model from piece ids (batch, time), 0 for padding, to logits (batch, 4).

    `words` (pieces, size) starts the embeddings. Attention (Bahdanau et al., 2015) and maximum
    over time are joined, so one strong word counts and so does the course of the sentence.
    """
    import keras
    from keras import layers, ops

    pieces, size = words.shape
    ids = keras.Input((None,), name="ids")
    present = ops.expand_dims(ops.minimum(ids, 1.0), -1)
    absent = (1.0 - present) * 1e4
    # (batch, time, 1)
    start = keras.initializers.Constant(0.0)
    embedding = layers.Embedding(pieces, size, embeddings_initializer=start, name="pieces")
    x = embedding(ops.cast(ids, "int32"))
    x = layers.SpatialDropout1D(dropout)(x)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True), name="lstm")(x)
    # (batch, time, 2 * units)
    scores = layers.Dense(1, name="attention")(layers.Dense(64, activation="tanh", name="key")(x))
    shares = ops.softmax(scores - absent, axis=1)
    pooled = ops.concatenate([ops.sum(x * shares, axis=1), ops.max(x - absent, axis=1)], axis=-1)
    # (batch, 4 * units)
    pooled = layers.Dropout(dropout)(pooled)
    pooled = layers.Dense(96, activation="relu", name="summary")(pooled)
    pooled = layers.Dropout(dropout)(pooled)
    model = keras.Model(ids, layers.Dense(len(LABELS), name="logits")(pooled), name="text_lstm")
    embedding.set_weights([words])
    return model


def export(model: Any, length: int, folder: Path) -> None:
    """Write model.keras and model.tflite (batch 1, `length` ids, weights as float16) into `folder`.

    LSTMs convert to LiteRT's own operators only with a fixed batch of 1.
    """
    import keras
    import tensorflow as tf

    model.save(folder / KERAS)
    # Again without the optimiser, which is twice as large as the weights.
    keras.models.load_model(folder / KERAS, compile=False).save(folder / KERAS)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda ids: model(ids, training=False),
        [tf.TensorSpec([1, length], tf.float32, name="ids")],
    )
    with tempfile.TemporaryDirectory() as saved:
        archive.write_out(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        (folder / "model.tflite").write_bytes(converter.convert())


def logits_of(model: Any, ids: list[list[int]], length: int, batch: int = 256) -> FloatArray:
    """Logits (n, 4) of texts given as ids; only their first `length` ids are read."""
    out = np.zeros((len(ids), len(LABELS)), np.float32)
    for rows, block in batches(ids, length, batch):
        out[rows] = model.predict_on_batch(block)
    return out


def batches(
    ids: list[list[int]], length: int, batch: int, rng: np.random.Generator | None = None
) -> list[tuple[npt.NDArray[np.int64], FloatArray]]:
    """Row numbers and padded ids (batch, time) of texts of about equal length; shuffled by `rng`.

    Time is rounded up to few different values, so that the graph is traced few times.
    """
    sizes = np.array([min(len(row), length) for row in ids], np.float64)
    order = np.argsort(sizes if rng is None else sizes + rng.uniform(0, 3, len(ids)), kind="stable")
    starts = np.arange(0, len(order), batch)
    if rng is not None:
        rng.shuffle(starts)
    made = []
    for start in starts:
        rows = order[start : start + batch]
        longest = int(sizes[rows].max(initial=1))
        time = min((t for t in (12, 18, 24, 32, length) if t >= longest), default=length)
        block = np.zeros((len(rows), time), np.float32)
        for i, row in enumerate(rows):
            part = ids[row][:time]
            block[i, : len(part)] = part
        made.append((rows.astype(np.int64), block))
    return made

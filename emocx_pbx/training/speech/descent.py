"""Trains a network by gradient descent, on batches that are made anew for every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.training.speech.networks import Fit

Floats = npt.NDArray[np.float32]
Tell = Callable[[str, int, int], None]

_WARM_UP: Final = 2


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made inside compute in that precision ("mixed_bfloat16" is half the time on a CPU)."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def mean_and_spread(x: Any) -> tuple[Any, Any]:
    """Mean and spread (n, 1, k) over time of x (n, t, k)."""
    from keras import ops

    mean = ops.mean(x, axis=1, keepdims=True)
    return mean, ops.sqrt(ops.mean(ops.square(x - mean), axis=1, keepdims=True) + 1e-4)


def pooled(x: Any) -> Any:
    """Mean, spread and maximum over time (n, 3 k) of x (n, t, k), standardised."""
    from keras import layers, ops

    mean, spread = mean_and_spread(x)
    measures = ops.concatenate([mean[:, 0], spread[:, 0], ops.max(x, axis=1)], axis=1)
    return layers.BatchNormalization(momentum=0.98, dtype="float32")(measures)


def learn(
    student: Any,
    batches: Callable[[], Iterable[tuple[Floats, ...]]],
    steps: int,
    fit: Fit,
    tell: Tell,
) -> list[float]:
    """Train on `steps` batches (x, shares, ..., weights) an epoch; returns the loss of each epoch.

    The student's first output is logits for the shares, weighted; the other outputs should equal what the
    batch has at their place. AdamW with warm-up and cosine decay, and a running mean of the weights, which
    are left in the student.
    """
    import keras
    import tensorflow as tf

    rate = keras.optimizers.schedules.CosineDecay(
        fit.rate / 20,
        fit.epochs * steps,
        warmup_target=fit.rate,
        warmup_steps=min(_WARM_UP, fit.epochs) * steps,
    )
    # The mean covers about the last twentieth of the steps, at most 500.
    kept = 1 - 1 / max(1.0, min(500.0, fit.epochs * steps / 20))
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=fit.decay, global_clipnorm=1.0, use_ema=True, ema_momentum=kept
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(student.trainable_variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(x: Any, shares: Any, wanted: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            logits, *said = tf.nest.flatten(student(x, training=True))
            labels = tf.nn.softmax_cross_entropy_with_logits(shares, logits)
            loss = tf.reduce_mean(weights * labels) / tf.reduce_mean(weights)
            for answer, taught in zip(said, wanted, strict=True):
                loss += tf.reduce_mean((answer - taught) ** 2)
        slopes = tape.gradient(loss, student.trainable_variables)
        optimizer.apply_gradients(zip(slopes, student.trainable_variables, strict=True))
        return loss

    curve = []
    for done in range(fit.epochs):
        tell("train", done, fit.epochs)
        losses = []
        for batch in batches():
            x, shares, *wanted, weights = (tf.constant(part) for part in batch)
            losses.append(float(step(x, shares, tuple(wanted), weights)))
        curve.append(float(np.mean(losses)))
    tell("train", fit.epochs, fit.epochs)
    optimizer.finalize_variable_values(student.trainable_variables)
    return curve

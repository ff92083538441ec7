"""Fits the head on the sentence encoder, and the numbers that mix and calibrate the answers of network and
head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.meaning import SIZE, MeaningEncoder, parts
from emocx_pbx.emotion.second_voice import Head, Upset
from emocx_pbx.emotion.text_clean import written
from emocx_pbx.training.figures import macro_f1
from emocx_pbx.training.text.upset import auc, is_upset, upset_of

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

#: Units of the hidden layer, share of them left out in training, and rounds through the texts.
UNITS: Final = 64
DROPOUT: Final = 0.4
EPOCHS: Final = 12
#: What P(upset) is calibrated on: comments mostly. On messages to companies alone, where plain problems are
#: labelled disappointed, every third opening would be an alarm; on comments alone a polite complaint none.
COMMENTS, COMPANY, LANGUAGES = 0.7, 0.3, 0.3
#: A language is served if P(upset) ranks its dev texts at least this well (AUC).
LEAST_AUC: Final = 0.70
#: With fewer texts of a language nothing is shown.
LEAST_TEXTS: Final = 100


@dataclass(frozen=True, slots=True)
class HeadAnswers:
    """Probabilities (n, 4) of network and head for the same texts, and their labels (n,)."""

    network: FloatArray
    head: FloatArray
    labels: IntArray

    def mixed(self, share: float) -> FloatArray:
        """Their average."""
        return np.asarray((1 - share) * self.network + share * self.head, np.float32)


def vectors_of(encoder: MeaningEncoder, texts: Sequence[str]) -> FloatArray:
    """Unit vectors (n, 512) of texts; for long ones, of their beginning."""
    return encoder.encode([parts(written(text))[0] for text in texts])


def fit_head(
    vectors: FloatArray, targets: FloatArray, weights: FloatArray, start: Head | None = None
) -> Head:
    """A head for probabilities (n, 4) of unit vectors (n, 512), rows by weights (n,); seeded by the caller.

    With `start` that head is trained further, a fifth as fast.
    """
    import keras
    from keras import layers

    inputs = keras.Input((SIZE,))
    hidden, out = layers.Dense(UNITS, activation="relu"), layers.Dense(len(LABELS))
    # Unit vectors have small components; at their own scale the layer would learn slowly.
    x = layers.Dropout(DROPOUT / 2)(inputs * 10.0)
    model: Any = keras.Model(inputs, out(layers.Dropout(DROPOUT)(hidden(x))))
    if start is not None:
        hidden.set_weights([start.hidden / 10.0, start.hidden_bias])
        out.set_weights([start.out, start.out_bias])
    batch, epochs = 128, EPOCHS
    steps = epochs * -(-len(vectors) // batch)
    rate = 1e-3 if start is None else 2e-4
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(rate, steps), weight_decay=2e-2),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    model.fit(vectors, targets, sample_weight=weights, batch_size=batch, epochs=epochs, verbose=0)
    (kernel, bias), (last, last_bias) = hidden.get_weights(), out.get_weights()
    return Head(10.0 * kernel, bias, last, last_bias)


def best_share(company: HeadAnswers, comments: HeadAnswers, say: Callable[[str], None]) -> float:
    """The head's share in the average that is best on dev: for recognising upset messages, and for the four
    classes.
    """
    scores = {}
    for share in np.round(np.arange(0.2, 0.81, 0.1), 1).tolist():
        ranks = auc(is_upset(company.labels), upset_of(company.mixed(share)))
        classes = macro_f1(comments.labels, comments.mixed(share).argmax(axis=1))
        scores[share] = ranks + classes
        say(f"{share:.0%} of the head: upset AUC {ranks:.4f} on messages, macro-F1 {classes:.4f} on comments")
    return float(max(scores, key=lambda share: scores[share]))


def upset_calibration(sets: Sequence[tuple[FloatArray, IntArray, float]]) -> Upset:
    """Slope and offset with the least log loss of P(upset); sets of probabilities (n, 4), labels (n,) and
    weight.

    A set counts by its weight, however many texts it has. By Platt (1999), Newton's method.
    """
    odds, truth, counts = [], [], []
    for given, labels, weight in sets:
        p = np.clip(upset_of(given).astype(np.float64), 1e-4, 1 - 1e-4)
        odds.append(np.log(p / (1 - p)))
        truth.append(is_upset(labels).astype(np.float64))
        counts.append(np.full(len(labels), weight / len(labels)))
    x = np.stack([np.concatenate(odds), np.ones(sum(map(len, odds)))], axis=1)
    y, w = np.concatenate(truth), np.concatenate(counts)
    found = np.array([1.0, 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ found))
        curve = (x * (w * p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        found = found + np.linalg.solve(curve, x.T @ (w * (y - p)))
    return Upset(max(0.2, float(found[0])), float(found[1]))


def served_languages(sets: Mapping[str, tuple[FloatArray, IntArray]]) -> dict[str, float]:
    """Languages that the head was shown to serve, with its AUC, by dev sets of probabilities and labels."""
    ranked = {
        code: auc(is_upset(labels), upset_of(given))
        for code, (given, labels) in sets.items()
        if len(labels) >= LEAST_TEXTS
    }
    return {code: round(value, 4) for code, value in ranked.items() if value >= LEAST_AUC}

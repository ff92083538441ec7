"""Small heads trained in numpy: one hidden layer, AdamW, mixup. Ten times faster than by a framework.

A voice model has fifteen of them, and as many more are fitted without each corpus in turn. Their weights go
into Keras layers afterwards, so everything after training is the same as for the other networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from emocx_pbx.training.figures import softmax
from emocx_pbx.training.speech.networks import Fit

Floats = npt.NDArray[np.float32]
Weights = list[Floats]

_SLOW, _SLOWER, _TINY = 0.9, 0.999, 1e-7


def fresh(width: int, hidden: int, rng: np.random.Generator) -> Weights:
    """Kernels (width, hidden) and (hidden, 4) by Glorot's rule, and zero biases, in the order of layers."""
    weights: Weights = []
    for rows, columns in ((width, hidden), (hidden, 4)):
        reach = np.sqrt(6 / (rows + columns))
        weights += [
            rng.uniform(-reach, reach, (rows, columns)).astype(np.float32),
            np.zeros(columns, np.float32),
        ]
    return weights


def train(
    x: Floats, y: Floats, importance: Floats, fit: Fit, seed: int, start: Weights | None = None
) -> tuple[Weights, list[float]]:
    """Weights fitted on variants x (variants, n, width) with targets y (n, 4), and the loss of each epoch.

    One random variant of each clip is seen in an epoch, mixed with another clip's. Cosine decay of the rate.
    """
    rng = np.random.default_rng(seed)
    variants, n, width = x.shape
    weights = fresh(width, fit.hidden[0], rng) if start is None else [w.copy() for w in start]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
    targets = (y * (1 - fit.smoothing) + fit.smoothing / 4).astype(np.float32)
    batch = min(fit.batch, n)
    steps, step, curve = fit.epochs * (n // batch), 0, []
    for _ in range(fit.epochs):
        order, other = rng.permutation(n), rng.permutation(n)
        drawn = rng.beta(fit.mixup, fit.mixup, size=(n, 1))
        share = np.maximum(drawn, 1 - drawn).astype(np.float32)
        rows: Floats = share * x[rng.integers(variants, size=n), order]
        rows += (1 - share) * x[rng.integers(variants, size=n), other]
        wanted: Floats = share * targets[order] + (1 - share) * targets[other]
        counts = importance[order, None]
        losses = []
        for at in range(0, n - batch + 1, batch):
            part = slice(at, at + batch)
            loss, slopes = _slopes(weights, rows[part], wanted[part], counts[part], fit, rng)
            losses.append(loss)
            step += 1
            rate = fit.rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for w, m, v, slope in zip(weights, first, second, slopes, strict=True):
                m += (1 - _SLOW) * (slope - m)
                v += (1 - _SLOWER) * (slope * slope - v)
                w -= rate * fit.decay * w
                w -= rate * (m / (1 - _SLOW**step)) / (np.sqrt(v / (1 - _SLOWER**step)) + _TINY)
        curve.append(float(np.mean(losses)))
    return weights, curve


def answer(weights: Weights, x: Floats) -> Floats:
    """Probabilities (n, 4) of rows (n, width)."""
    hidden: Floats = np.maximum(x @ weights[0] + weights[1], 0)
    return softmax(hidden @ weights[2] + weights[3])


def _slopes(
    weights: Weights, x: Floats, y: Floats, counts: Floats, fit: Fit, rng: np.random.Generator
) -> tuple[float, Weights]:
    """Weighted cross-entropy of a batch (b, width) under noise and dropout, and its gradient."""
    x = x + np.float32(fit.noise) * rng.standard_normal(x.shape, np.float32)
    mask = (rng.random(x.shape, np.float32) > fit.drop_in).astype(np.float32)
    x = x * mask / np.float32(1 - fit.drop_in)
    hidden: Floats = x @ weights[0] + weights[1]
    kept = (hidden > 0) & (rng.random(hidden.shape, np.float32) > fit.drop)
    open_: Floats = kept.astype(np.float32) / np.float32(1 - fit.drop)
    hidden = hidden * open_
    p = softmax(hidden @ weights[2] + weights[3])
    off = (p - y) * counts / np.float32(len(x))
    back = (off @ weights[2].T) * open_
    loss = -float(np.mean(counts * (y * np.log(p + 1e-9))) * y.shape[1])
    return loss, [x.T @ back, back.sum(axis=0), hidden.T @ off, off.sum(axis=0)]


@dataclass(frozen=True, slots=True)
class Compressor:
    """From measurements (..., width) to their principal components (..., directions)."""

    mean: Floats
    spread: Floats
    components: Floats
    """(width, directions)"""

    def __call__(self, measured: Floats) -> Floats:
        """Components, of variance 1 on average, as the heads' noise expects."""
        scaled = np.clip((measured - self.mean) / self.spread, -6.0, 6.0)
        found: Floats = (scaled @ self.components).astype(np.float32)
        return found


def fit_compressor(x: Floats, directions: int) -> Compressor:
    """Principal components of x (variants, n, width), standardised; the largest first."""
    rows = x.reshape(-1, x.shape[2])
    mean, spread = rows.mean(axis=0), np.sqrt(rows.var(axis=0) + 1e-8)
    scaled = np.clip((rows - mean) / spread, -6.0, 6.0)
    # (variants * n, width)
    components = np.ascontiguousarray(_largest(scaled, directions)[:, ::-1], np.float32)
    components /= np.sqrt((scaled @ components).var(axis=0).mean())
    return Compressor(mean.astype(np.float32), spread.astype(np.float32), _short(components))


def _largest(rows: Floats, directions: int) -> Floats:
    """Directions (width, d) of length 1 in which rows (n, width) vary most around 0, the largest last.

    Of few rows they follow from the products of rows with rows, a smaller matrix.
    """
    n, width = rows.shape
    few = min(n, width)
    wanted = (few - min(directions, few), few - 1)
    if n >= width:
        vectors: Floats = scipy.linalg.eigh(rows.T @ rows / n, subset_by_index=wanted)[1]
        return vectors
    found = rows.T @ scipy.linalg.eigh(rows @ rows.T / n, subset_by_index=wanted)[1]
    of_length_1: Floats = found / np.maximum(np.linalg.norm(found, axis=0), 1e-6)
    return of_length_1


def _short(weights: Floats) -> Floats:
    """Rounded to eight significant bits: directions just as good, in a file compressed to three quarters."""
    fraction, exponent = np.frexp(weights)
    rounded: Floats = np.ldexp(np.rint(fraction * 256) / 256, exponent).astype(np.float32)
    return rounded

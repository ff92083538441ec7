"""What one caller's own voice adds to every emotion, inferred along a call together with the emotions.

A reading is a point z in a small space. Its mean is that of its class, plus what the caller's voice adds
to all classes (variance `shared`), plus what it adds to this class alone (variance `own`); noise around
that has variance 1 in each direction. Neither the offsets nor the classes of earlier readings are known,
so both are inferred: several accounts of "which reading showed which class" are kept with their weights
(a beam), each with the offsets it implies. How the classes are mixed in a call is unknown too, and learnt
from the account itself (a symmetric Dirichlet prior); so a caller who is angry throughout may stay angry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS, Emotion
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CLASSES: Final = len(LABELS)
#: Accounts kept.
BEAM: Final = 32


class Weights(NamedTuple):
    """What is not learnt from clips, but chosen."""

    mix: float
    """Weight of the prior on a call's mix of classes, as a number of readings."""
    trust: float
    """How far the distances count: 1 if noise were what the model says, less as it is not."""

    def towards(self, other: Weights, share: float) -> Weights:
        """What lies a share in [0, 1] of the way to the other."""
        return Weights(*(a + share * (b - a) for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class CallerPrior:
    """How voices differ, as learnt from many speakers."""

    project: Floats
    """(width + 4, k): from a measurement and its log probabilities to the point z."""
    means: Floats
    """(4, k): mean point of each class."""
    shared: Floats
    """(k,): variance over callers of what a voice adds to all classes."""
    own: Floats
    """(k,): variance of what it adds to one class alone."""
    known: Weights
    """For recordings like the training data."""
    strange: Weights
    """For recordings unlike it, where distances say less."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any], known: Weights, strange: Weights | None = None) -> CallerPrior:
        """From stored arrays; raises ModelError when one is missing or of a wrong shape."""
        try:
            project, means, shared, own = (
                np.asarray(arrays[name], np.float32) for name in ("project", "means", "shared", "own")
            )
        except KeyError as e:
            raise ModelError(f"the caller model lacks {e}") from None
        k = project.shape[-1]
        if project.ndim != 2 or means.shape != (_CLASSES, k) or shared.shape != (k,) or own.shape != (k,):
            raise ModelError("the caller model's arrays don't fit each other")
        return cls(project, means, shared, own, known, known if strange is None else strange)

    def points(self, measured: Floats, log_p: Floats) -> Doubles:
        """The points (n, k) of measurements (n, width) with log probabilities (n, 4)."""
        z: Doubles = np.concatenate((measured, log_p), axis=1).astype(np.float64) @ self.project
        return z

    def offsets(self, counts: Doubles, sums: Doubles) -> tuple[Doubles, Doubles]:
        """Mean and variance (..., 4, k) of the next point's deviation from its class mean.

        There were `counts` (..., 4) readings of each class so far, whose deviations sum to `sums` (..., 4,
        k). The offsets' covariance in one direction is shared * 11' + own * I; the posterior's inverse is a
        diagonal less a rank-one part, so Sherman and Morrison's formula gives it without an inversion.
        """
        own, shared = self.own.astype(np.float64), self.shared.astype(np.float64)
        g = shared / (own * (own + _CLASSES * shared))
        a = 1 / (counts[..., None] + 1 / own)
        rest = g / (1 - g * a.sum(axis=-2))
        # (..., k)
        mean = a * sums + (rest * (a * sums).sum(axis=-2))[..., None, :] * a
        return mean, 1 + a + rest[..., None, :] * a**2


def expected_mix(neutral_share: float) -> Doubles:
    """Shares (4,) of emotions: neutral has this one, and the others share the rest equally."""
    rest = (1 - neutral_share) / (_CLASSES - 1)
    return np.array([neutral_share if k is Emotion.NEUTRAL else rest for k in LABELS])


class CallerBelief:
    """The readings of one caller so far. Deterministic."""

    def __init__(self, prior: CallerPrior, neutral_share: float = 1 / _CLASSES) -> None:
        """`neutral_share` is the share (0 to 1) of a call expected to be neutral beforehand."""
        self._prior = prior
        self._expected = expected_mix(neutral_share)
        self._weights: Doubles = np.zeros(1)
        """(accounts,) log weights."""
        self._counts: Doubles = np.zeros((1, _CLASSES))
        self._sums: Doubles = np.zeros((1, _CLASSES, prior.means.shape[1]))
        self._readings = 0

    def hear(self, z: Doubles, log_p: Floats, known: float = 1.0) -> Floats:
        """Take one reading's point (k,) and plain log probabilities (4,); its log probabilities given all.

        `known` in [0, 1] is how similar the recording is to the training data.

        What the accounts say beyond the point's own distances is added to the plain ones, so the first
        reading's are the plain ones, times the expected mix. The accounts themselves go by distances alone:
        what the plain model says would else count at each reading for an offset that is the same in all.
        """
        prior = self._prior
        weights = prior.strange.towards(prior.known, known)
        away = z - prior.means
        # (4, k)
        start = np.zeros((_CLASSES, len(z)))
        plain = _density(away, *prior.offsets(np.zeros(_CLASSES), start))
        given = _density(away, *prior.offsets(self._counts, self._sums))
        # (accounts, 4)
        mix = np.log(
            _CLASSES * (weights.mix * self._expected + self._counts) / (weights.mix + self._readings)
        )
        joint = self._weights[:, None] + mix + weights.trust * given
        joint -= joint.max()
        beyond = np.log(np.exp(joint).sum(axis=0) + 1e-12) - weights.trust * plain
        inferred: Floats = (log_p + beyond - beyond.max()).astype(np.float32)
        best = np.argsort(-joint.ravel(), kind="stable")[:BEAM]
        account, said = best // _CLASSES, best % _CLASSES
        self._weights = joint.ravel()[best]
        self._counts = self._counts[account]
        self._sums = self._sums[account]
        rows = np.arange(len(best))
        self._counts[rows, said] += 1
        self._sums[rows, said] += away[said]
        self._readings += 1
        return inferred


def _density(away: Doubles, mean: Doubles, variance: Doubles) -> Doubles:
    """Log density (..., 4), up to a constant, of deviations (4, k)."""
    out: Doubles = -0.5 * ((away - mean) ** 2 / variance + np.log(variance)).sum(axis=-1)
    return out

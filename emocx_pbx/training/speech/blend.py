"""How heads and relative map are blended: by how familiar a clip is.

Heads are better on speakers of corpora that they know; the relative map is better on corpora that neither
heard. Training has both kinds of clips: speakers kept out of a fold, and corpora left out in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize

from emocx_pbx.training.figures import even_temperature
from emocx_pbx.training.speech.relative import CONTRASTS

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the parts of a model say about n clips whose speakers they never heard."""

    heads: Floats
    """(n, 4) log of the heads' mean probabilities."""
    contrasts: Floats
    """(n, 3) of the relative map."""
    familiar: Floats
    """(n,), about 1 for a clip of a known corpus."""
    labels: Ints
    corpora: Names

    def of(self, chosen: Bools) -> Answers:
        """The same for chosen clips."""
        return Answers(
            self.heads[chosen],
            self.contrasts[chosen],
            self.familiar[chosen],
            self.labels[chosen],
            self.corpora[chosen],
        )


@dataclass(frozen=True, slots=True)
class Blend:
    """Logits = k (heads * known_heads + relative * known_relative) + (1 - k) relative * unknown_relative.

    k = sigmoid(slope * (familiar - middle)).
    """

    known_heads: float
    known_relative: float
    unknown_relative: float
    middle: float
    slope: float

    def __call__(self, answers: Answers) -> Floats:
        """Calibrated logits (n, 4)."""
        logits: Floats = self.exactly(answers).astype(np.float32)
        return logits

    def exactly(self, answers: Answers) -> Doubles:
        """The same in double precision, which the small steps towards the best blend need."""
        relative = answers.contrasts.astype(np.float64) @ CONTRASTS.T
        known = self.known_heads * answers.heads.astype(np.float64) + self.known_relative * relative
        k = self.known(answers.familiar)[:, None]
        return k * known + (1 - k) * self.unknown_relative * relative

    def known(self, familiar: Floats) -> Doubles:
        """How far (n,) clips of this familiarity (n,) count as known."""
        return _sigmoid(self.slope * (familiar.astype(np.float64) - self.middle))


def fit_blend(inside: Answers, outside: Answers | None) -> Blend:
    """The blend with the least log loss on clips of known corpora and of corpora left out, weighted equally.

    Each corpus counts the same: otherwise one with many easy clips would make it too sure of all others.
    Without corpora left out everything counts as known.
    """
    ours = _by_corpus(inside)
    if outside is None:
        found = scipy.optimize.minimize(lambda v: _loss(Blend(v[0], v[1], 0, -1e3, 1), ours), (1, 1)).x
        return Blend(float(found[0]), float(found[1]), 0.0, -1e3, 1.0)

    def apart(v: Floats) -> float:
        known, unknown = (v[1] * (a.familiar - v[0]) for a in (inside, outside))
        return float(np.mean(np.logaddexp(0, -known)) + np.mean(np.logaddexp(0, unknown)))

    middle, slope = (float(v) for v in scipy.optimize.minimize(apart, (0.75, 10.0)).x)
    others = _by_corpus(outside)

    def loss(v: Floats) -> float:
        blend = Blend(float(v[0]), float(v[1]), float(v[2]), middle, slope)
        return _loss(blend, ours) + _loss(blend, others)

    found = scipy.optimize.minimize(loss, (1.0, 1.0, 3.0)).x
    return Blend(float(found[0]), float(found[1]), float(found[2]), middle, slope)


def fit_temperature(blend: Blend, inside: Answers, outside: Answers | None) -> float:
    """What the blend's logits are divided by: calibration errors on known and unknown recordings count alike.

    1 without corpora left out, as the least log loss is then the only guide.
    """
    if outside is None:
        return 1.0
    return even_temperature([(part.labels, blend(part)) for part in (inside, outside)])


def _by_corpus(answers: Answers) -> list[Answers]:
    return [answers.of(answers.corpora == name) for name in np.unique(answers.corpora)]


def _loss(blend: Blend, corpora: Sequence[Answers]) -> float:
    """Mean over corpora of the mean log loss of their clips."""
    losses = []
    for answers in corpora:
        logits = blend.exactly(answers)
        rows = np.arange(len(logits))
        losses.append(np.mean(np.logaddexp.reduce(logits, axis=1) - logits[rows, answers.labels]))
    return float(np.mean(losses))


def _sigmoid(x: Doubles) -> Doubles:
    out: Doubles = 0.5 * (1 + np.tanh(0.5 * x))
    return out

"""Heads on measurements less the centre of a site's callers.

What a line, a language or a way of recording adds to all callers there is in their mean measurement, too.
Heads taught on measurements less their corpus' mean don't hear it. On recordings unlike those learnt from
they answer beside the plain answer with its offsets (`emotion.zero`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.caller import expected_mix
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CLASSES: Final = len(LABELS)
_PREFIX: Final = "site_"
#: Least probability, since its logarithm is taken.
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class SiteHeads:
    """Heads on places (`Centred.places`) less a site's centre."""

    classes: Floats
    """(4, d): each emotion's mean less the centre of callers 80 % of whose speech is neutral."""
    first: Floats
    """(d + 1, hidden): the heads' first layers side by side, the biases in the last row."""
    second: Floats
    """(hidden, 4)"""
    bias: Floats
    """(heads, 4)"""
    sizes: npt.NDArray[np.int64]
    """(heads,): hidden units of each."""
    share: Floats
    """(): how much they count beside the corrected plain answer, 0 to 1, where recordings are unfamiliar."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> SiteHeads | None:
        """From stored arrays; None when they hold no such heads, ModelError when they don't fit."""
        found = {n: arrays[_PREFIX + n] for n in cls.__dataclass_fields__ if _PREFIX + n in arrays}
        if not found:
            return None
        if lacking := sorted(set(cls.__dataclass_fields__) - set(found)):
            raise ModelError(f"the caller model lacks {_PREFIX}{lacking[0]}")
        sizes = np.asarray(found.pop("sizes"), np.int64)
        one = cls(**{n: np.asarray(a, np.float32) for n, a in found.items()}, sizes=sizes)
        d = one.classes.shape[1] if one.classes.ndim == 2 else 0
        fits = (
            len(one.classes) == _CLASSES
            and one.first.shape == (d + 1, sizes.sum())
            and one.second.shape == (sizes.sum(), _CLASSES)
            and one.bias.shape == (len(sizes), _CLASSES)
            and one.share.shape == ()
            and 0 <= one.share <= 1
        )
        if not fits:
            raise ModelError("the caller model's site heads don't fit each other")
        return one

    @classmethod
    def beside(cls, classes: Floats, heads: Sequence[Sequence[Floats]], share: float) -> SiteHeads:
        """Of heads (kernel, bias, kernel, bias) of one hidden layer each."""
        return cls(
            classes.astype(np.float32),
            np.concatenate([np.vstack((h[0], h[1])) for h in heads], axis=1),
            np.concatenate([h[2] for h in heads]),
            np.array([h[3] for h in heads]),
            np.array([h[0].shape[1] for h in heads], np.int64),
            np.array(share, np.float32),
        )

    def arrays(self) -> dict[str, Any]:
        """To be stored: the large ones in half precision."""
        small = {"first", "second"}
        return {
            _PREFIX + n: getattr(self, n).astype(np.float16) if n in small else getattr(self, n)
            for n in self.__dataclass_fields__
        }

    def centre(self, mean: Sequence[float] | Floats, neutral_share: float) -> Floats:
        """The centre (d,) that the heads were taught with, from callers' mean place (d,) and expected mix."""
        found: Floats = (np.asarray(mean) - expected_mix(neutral_share) @ self.classes).astype(np.float32)
        return found

    def beside_plain(self, corrected: Floats, less: Floats, known: Floats) -> Floats:
        """Log probabilities (n, 4), up to a constant, of corrected plain ones (n, 4) and these heads'.

        `less` (n, d) are places less the centre; `known` (n,), 0 to 1, is how similar the recordings are to
        those learnt from, where plain heads are better.
        """
        share = (float(self.share) * (1 - known))[:, None]
        found: Floats = ((1 - share) * _normalised(corrected) + share * self.read(less)).astype(np.float32)
        return found

    def read(self, less: Floats) -> Doubles:
        """Log of the heads' mean probabilities (n, 4) of places less the centre (n, d)."""
        hidden = np.maximum(less @ self.first[:-1] + self.first[-1], 0)
        # (n, hidden)
        total, start = np.zeros((len(less), _CLASSES)), 0
        for size, bias in zip(self.sizes, self.bias, strict=True):
            part = slice(start, start + size)
            logits = (hidden[:, part] @ self.second[part] + bias).astype(np.float64)
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            total += raised / raised.sum(axis=1, keepdims=True)
            start += size
        return np.log(total / len(self.sizes) + _LEAST)


def _normalised(logits: npt.NDArray[Any]) -> Doubles:
    """Log probabilities (n, 4)."""
    z = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    out: Doubles = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return out

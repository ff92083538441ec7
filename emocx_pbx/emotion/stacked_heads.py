"""Several heads of one hidden layer each, side by side, that answer together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CLASSES: Final = len(LABELS)
#: Least probability, since its logarithm is taken.
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class StackedHeads:
    """Heads on places (d,): a hidden layer of rectified units, then a layer of the four emotions."""

    first: Floats
    """(d + 1, hidden): the first layers side by side, the biases in the last row."""
    second: Floats
    """(hidden, 4)"""
    bias: Floats
    """(heads, 4)"""
    sizes: npt.NDArray[np.int64]
    """(heads,): hidden units of each."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> StackedHeads:
        """From arrays by their fields' names."""
        first, second, bias = (np.asarray(found[n], np.float32) for n in ("first", "second", "bias"))
        return cls(first, second, bias, np.asarray(found["sizes"], np.int64))

    @classmethod
    def beside(cls, heads: Sequence[Sequence[Floats]]) -> StackedHeads:
        """Of heads (kernel, bias, kernel, bias)."""
        return cls(
            np.concatenate([np.vstack((h[0], h[1])) for h in heads], axis=1),
            np.concatenate([h[2] for h in heads]),
            np.array([h[3] for h in heads]),
            np.array([h[0].shape[1] for h in heads], np.int64),
        )

    def arrays(self) -> dict[str, Any]:
        """To be stored, by their fields' names: the large ones in half precision."""
        return {
            "first": self.first.astype(np.float16),
            "second": self.second.astype(np.float16),
            "bias": self.bias,
            "sizes": self.sizes,
        }

    def fits(self, directions: int) -> bool:
        """Whether the arrays fit each other and places (d,) of as many directions."""
        hidden = int(self.sizes.sum())
        return (
            self.sizes.ndim == 1
            and self.first.shape == (directions + 1, hidden)
            and self.second.shape == (hidden, _CLASSES)
            and self.bias.shape == (len(self.sizes), _CLASSES)
        )

    def read(self, places: Floats) -> Doubles:
        """Log of the heads' mean probabilities (n, 4) of places (n, d)."""
        hidden = np.maximum(places @ self.first[:-1] + self.first[-1], 0)
        # (n, hidden)
        total, start = np.zeros((len(places), _CLASSES)), 0
        for size, bias in zip(self.sizes, self.bias, strict=True):
            part = slice(start, start + size)
            total += np.exp(normalised(hidden[:, part] @ self.second[part] + bias))
            start += size
        return np.log(total / len(self.sizes) + _LEAST)


def stored(arrays: Mapping[str, Any], prefix: str, names: Iterable[str]) -> dict[str, Any] | None:
    """The named ones of a caller model's arrays without their prefix, or None; ModelError when some lack."""
    names = tuple(names)
    found = {n: arrays[prefix + n] for n in names if prefix + n in arrays}
    if lacking := sorted(set(names) - set(found)):
        if not found:
            return None
        raise ModelError(f"the caller model lacks {prefix}{lacking[0]}")
    return found


def normalised(logits: npt.NDArray[Any]) -> Doubles:
    """Log probabilities (..., 4) of logits."""
    z = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    out: Doubles = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return out

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
from emocx_pbx.emotion.stacked_heads import StackedHeads, normalised, stored
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]

_PREFIX: Final = "site_"


@dataclass(frozen=True, slots=True)
class SiteHeads:
    """Heads on places (`Centred.places`) less a site's centre."""

    classes: Floats
    """(4, d): each emotion's mean less the centre of callers 80 % of whose speech is neutral."""
    stack: StackedHeads
    """On places (d,) less the centre."""
    share: Floats
    """(): how much they count beside the corrected plain answer, 0 to 1, where recordings are unfamiliar."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> SiteHeads | None:
        """From stored arrays; None when they hold no such heads, ModelError when they don't fit."""
        found = stored(arrays, _PREFIX, ("classes", "first", "second", "bias", "sizes", "share"))
        if found is None:
            return None
        classes, share = (np.asarray(found[n], np.float32) for n in ("classes", "share"))
        one = cls(classes, StackedHeads.of(found), share)
        d = classes.shape[1] if classes.ndim == 2 else 0
        if not (len(classes) == len(LABELS) and one.stack.fits(d) and share.shape == () and 0 <= share <= 1):
            raise ModelError("the caller model's site heads don't fit each other")
        return one

    def arrays(self) -> dict[str, Any]:
        """To be stored."""
        own = {"classes": self.classes, **self.stack.arrays(), "share": self.share}
        return {_PREFIX + n: array for n, array in own.items()}

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
        found: Floats = ((1 - share) * normalised(corrected) + share * self.stack.read(less)).astype(
            np.float32
        )
        return found

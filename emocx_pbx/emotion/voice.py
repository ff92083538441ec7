"""The front end of the `voice` model: statistics over time of frozen Whisper encoders' frames."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion import encoders, whisper
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: Whose weights, and after which layers (chosen on speakers of train and dev).
ENCODERS: Final = (("base", (2, 3, 4, 5)), ("tiny.en", (1, 2, 3)))
#: Statistics of each layer's channels, 512 and 384.
WIDTHS: Final = (3 * 512,) * 4 + (3 * 384,) * 3
#: The layers, by their place in WIDTHS, that the relative map learns from; all else learns from all.
RELATIVE: Final = (2, 3, 5, 6)


def blocks(layers: Sequence[int]) -> tuple[slice, ...]:
    """Where in a measurement these layers are."""
    ends = list(itertools.accumulate(WIDTHS))
    return tuple(slice(ends[i] - WIDTHS[i], ends[i]) for i in layers)


def available() -> bool:
    """Whether the extra `voice` is installed, and its encoders are there."""
    return all(whisper.installed(source) for source, _ in ENCODERS)


def _named(recipe: Mapping[str, Any]) -> list[tuple[str, list[int], str]]:
    """Source, layers and checksum of each encoder that a recipe names."""
    try:
        # Recipes of older models name one layer each.
        return [
            (str(e["source"]), np.atleast_1d(e["layers"]).astype(int).tolist(), str(e["sha256"]))
            for e in recipe["encoders"]
        ]
    except (KeyError, TypeError, ValueError) as e:
        raise ModelError(f"the recipe's encoders are incomplete: {e}") from None


def verify_encoders(recipe: Mapping[str, Any]) -> int:
    """Compare the files of the encoders that a recipe names with their cards; how many there are.

    A recipe without any is in order. Raises ModelError naming the first that is missing or damaged.
    """
    named = _named(recipe) if recipe.get("front") == "voice" else []
    for source, _, sha256 in named:
        whisper.checked_file(encoders.find(source, sha256))
    return len(named)


class VoiceFrontEnd:
    """Mean, spread and maximum over time of the channels of each encoder's layers."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        """Load the encoders that the recipe names; raises ModelError when one is not installed."""
        self._encoders = [whisper.WhisperEncoder(*one) for one in _named(recipe)]

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Statistics (width,) of float32 samples (n,) at 8 kHz."""
        mel = whisper.log_mel_16k(samples)
        parts = []
        for encoder in self._encoders:
            for layer in encoder.frames(mel):
                # (t, channels)
                parts += [layer.mean(axis=0), layer.std(axis=0), layer.max(axis=0)]
        return np.concatenate(parts)


def new_recipe() -> dict[str, Any]:
    """The recipe of a model about to be trained with the shipped encoders."""
    named = [
        {"source": source, "layers": list(layers), "sha256": encoders.newest(source).sha256}
        for source, layers in ENCODERS
    ]
    return {"front": "voice", "encoders": named}

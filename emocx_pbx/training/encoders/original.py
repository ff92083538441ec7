"""The weights of a Whisper encoder, as speech-to-text has them (CTranslate2's format)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ModelError
from emocx_pbx.weights.catalogue import SPEECH_TO_TEXT, WHISPER_BASE, WeightFile, WeightSet
from emocx_pbx.weights.places import check, folder_of

FloatArray = npt.NDArray[np.float32]

#: Which set of fetched files the weights are in, and their file.
ORIGINALS: Final[Mapping[str, tuple[WeightSet, str]]] = {
    "tiny.en": (SPEECH_TO_TEXT, "speech-to-text/model.bin"),
    "base": (WHISPER_BASE, "whisper-base/model.bin"),
}
#: Version of the file format, and its number for half precision.
_FORMAT: Final = 6
_HALF: Final = 4


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """The variables of an encoder, by CTranslate2's names below `encoder/`."""

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


def original(source: str) -> WeightFile:
    """The file that `source` is made from; raises ModelError when it is unknown."""
    if source not in ORIGINALS:
        raise ModelError(f"no Whisper {source!r}; known are {', '.join(ORIGINALS)}")
    wanted, name = ORIGINALS[source]
    return next(file for file in wanted.files if file.name == name)


def weights_of(source: str) -> EncoderWeights:
    """The fetched weights of `source`; raises ModelError if they are missing, damaged or not the right
    ones.
    """
    file = original(source)
    wanted, _ = ORIGINALS[source]
    folder = folder_of(wanted)
    if folder is None:
        raise ModelError(f"{file.name} is not here: emocx-pbx models fetch {wanted.name}")
    path = folder / Path(file.name).name
    check(path, file)
    return parse(path.read_bytes())


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

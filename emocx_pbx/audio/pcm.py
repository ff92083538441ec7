"""Samples: signed linear bytes, int16 and float32 arrays, two interleaved sides, and G.711.

Inside the project audio is 8 kHz mono: int16 at the edge, float32 in [-1, 1) for models.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.errors import ProtocolError

Int16Array = npt.NDArray[np.int16]
FloatArray = npt.NDArray[np.float32]

#: Rate of all audio inside the project, in Hz: what ChanSpy reads and G.711 carries.
SAMPLE_RATE: Final = 8000

#: G.711 mu-law (ITU-T G.711, section 3): bias and clip of the segmented 14-bit code, scaled to 16 bits.
_MULAW_BIAS: Final = 132
_MULAW_CLIP: Final = 32635


def from_slin(data: bytes) -> Int16Array:
    """Samples of little-endian 16-bit bytes, shape (len(data) / 2,).

    Raises:
        ProtocolError: an odd number of bytes.
    """
    if len(data) % 2:
        raise ProtocolError(f"{len(data)} bytes of audio are not whole 16-bit samples")
    return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)


def to_float(samples: Int16Array) -> FloatArray:
    """The same samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(32768.0)


def from_float(samples: npt.NDArray[np.floating]) -> Int16Array:
    """Float samples as int16: rounded, clipped; what is not a number becomes silence."""
    clean = np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    rounded: Int16Array = np.clip(np.rint(clean * 32768.0), -32768, 32767).astype(np.int16)
    return rounded


def mulaw_roundtrip(samples: Int16Array) -> Int16Array:
    """What G.711 mu-law leaves of the samples, in the same shape; a second time changes nothing."""
    line: Int16Array = _mulaw_table()[samples.astype(np.int32) + 32768]
    return line


@lru_cache(maxsize=1)
def _mulaw_table() -> Int16Array:
    """Encoded and decoded value of every int16, index = value + 32768; shape (65536,)."""
    value = np.arange(-32768, 32768, dtype=np.int32)  # (65536,)
    magnitude = np.minimum(np.abs(value), _MULAW_CLIP) + _MULAW_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7  # 0 to 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    decoded = (((mantissa << 3) + _MULAW_BIAS) << exponent) - _MULAW_BIAS
    table: Int16Array = np.where(value < 0, -decoded, decoded).astype(np.int16)
    return table

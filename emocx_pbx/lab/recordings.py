"""The recorded call that ships with the package, and recordings in the forms that telephones play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.errors import InputError

RATE: Final = 8000

#: A stretch of a human two-party service call; left: customer, right: agent.
SHIPPED: Final = Path(__file__).parent / "recordings" / "auto_repairs.flac"

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class TwoSided:
    """Both sides of a call, in step, 8 kHz."""

    customer: Samples
    agent: Samples


def load(path: Path | None = None, agent: Path | None = None) -> TwoSided:
    """A call from one stereo file (left: customer) or one file a side; None: the shipped one.

    A mono file without an agent's file gets a silent agent.

    Raises:
        InputError: a file can't be read.
    """
    if path is None:
        path = SHIPPED
    left = _read(path)  # (n, channels)
    if agent is not None:
        right = _read(agent)[:, 0]
    else:
        right = left[:, 1] if left.shape[1] > 1 else np.zeros(len(left), np.int16)
    n = max(len(left), len(right))
    return TwoSided(_padded(left[:, 0], n), _padded(right, n))


def channels_of(path: Path) -> int:
    """How many channels a recording has.

    Raises:
        InputError: it can't be read.
    """
    try:
        return int(soundfile.info(path).channels)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{path}: can't be read as a recording ({error})") from None


def _read(path: Path) -> Samples:
    try:
        data, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{path}: can't be read as a recording ({error})") from None
    if len(data) == 0:
        raise InputError(f"{path}: holds no audio")
    samples: Samples = data if rate == RATE else soxr.resample(data, rate, RATE)
    return samples


def _padded(side: Samples, n: int) -> Samples:
    return np.pad(side, (0, n - len(side)))


def mulaw(samples: Samples) -> bytes:
    """G.711 mu-law bytes of int16 samples, one byte each (ITU-T G.711, bias 0x84, clip 32635)."""
    x = samples.astype(np.int32)
    sign = np.where(x < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(x), 32635) + 0x84
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7  # 0 to 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    code = ~(sign | (exponent << 4) | mantissa) & 0xFF
    return bytes(code.astype(np.uint8))


def write_mulaw(path: Path, samples: Samples) -> Path:
    """Write raw mu-law, as sipp and Asterisk's Playback (.ulaw) play it; answers the path."""
    path.write_bytes(mulaw(samples))
    return path

"""A stretch of a recording as 8 kHz WAV on stdout: `python -m emocx_pbx.audio.excerpt PATH BEGIN END`.

BEGIN and END are seconds. It runs in a process of its own, with limits, like `transcode`. A failure is one
line on stderr and exit status 2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.recording import open_recording
from emocx_pbx.audio.transcode import limit_resources, wav_head
from emocx_pbx.errors import InputError

#: Longest stretch, in seconds.
MOST_S: Final = 120.0


def excerpt(path: Path, begin_s: float, end_s: float) -> Int16Array:
    """The samples (n, channels) at 8 kHz from begin to end, or to the recording's end.

    Raises:
        InputError: it can't be read, has ended before, or the stretch is none or too long.
    """
    if not 0 <= begin_s < end_s <= begin_s + MOST_S:
        raise InputError(f"expected a stretch of up to {MOST_S:g} s, got {begin_s:g} to {end_s:g}")
    first, last = round(begin_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)
    parts, at = [], 0
    with open_recording(path) as recording:
        for block in recording.blocks():
            # (samples, channels)
            parts.append(block[max(0, first - at) : max(0, last - at)])
            at += len(block)
            if at >= last:
                break
    found = np.concatenate(parts) if parts else np.zeros((0, 1), np.int16)
    if not len(found):
        raise InputError(f"{path.name}: has ended before {begin_s:.1f} s")
    return found


def main(arguments: list[str], out: BinaryIO) -> int:
    """Write it. Returns the exit status."""
    path, begin, end = arguments
    try:
        samples = excerpt(Path(path), float(begin), float(end))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    data = samples.astype("<i2", copy=False).tobytes()
    out.write(wav_head(samples.shape[1], len(data)) + data)
    out.flush()
    return 0


if __name__ == "__main__":
    limit_resources()
    sys.exit(main(sys.argv[1:], sys.stdout.buffer))

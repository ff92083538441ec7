"""A recording as 8 kHz WAV on stdout: `python -m emocx_pbx.audio.transcode PATH FIRST LAST`.

Pages use it to play what browsers can't. Decoders meet files that somebody else made: in a process of its own
they have neither the controller's memory nor its lock, and a limit on both memory and time.

Out: 8 bytes (big-endian) with the WAV's whole length, then its bytes FIRST to LAST, both inclusive and LAST
empty for all. A failure is one line on stderr and exit status 2.
"""

from __future__ import annotations

import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.audio.recording import Recording, open_recording
from emocx_pbx.errors import InputError

HEADER_BYTES: Final = 44
#: Seconds; longer recordings are refused: no call is that long, and a seek decodes everything before it.
MAX_S: Final = 12 * 3600.0
_CPU_S: Final = 300
_MEMORY: Final = 2 << 30


def wav_size(recording: Recording) -> int:
    """Bytes of the whole WAV.

    Raises:
        InputError: the recording is too long.
    """
    if not 0 < recording.expected_s <= MAX_S:
        raise InputError(f"{recording.name}: of no known length, or longer than {MAX_S / 3600:.0f} hours")
    return HEADER_BYTES + round(recording.expected_s * SAMPLE_RATE) * recording.channels * 2


def wav_head(channels: int, data_bytes: int) -> bytes:
    """The header of a WAV of 16-bit samples at 8 kHz."""
    align = channels * 2
    form = struct.pack("<IHHIIHH", 16, 1, channels, SAMPLE_RATE, SAMPLE_RATE * align, align, 16)
    return (
        b"RIFF" + struct.pack("<I", data_bytes + HEADER_BYTES - 8) + b"WAVEfmt " + form
        + b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def wav_bytes(recording: Recording, first: int, last: int) -> Iterator[bytes]:
    """Bytes `first` to `last` of the WAV, in pieces: silence where the recording is shorter than it says."""
    size = wav_size(recording)
    head = wav_head(recording.channels, size - HEADER_BYTES)
    at = 0
    for piece in _pieces(head, recording, size):
        begin, end = max(first - at, 0), min(last + 1 - at, len(piece))
        if begin < end:
            yield piece[begin:end]
        at += len(piece)
        if at > last:
            return


def _measured_s(path: Path) -> float:
    """Length of a recording that doesn't say: all of it is decoded once."""
    with open_recording(path) as recording:
        return sum(len(block) for block in recording.blocks()) / SAMPLE_RATE


def _pieces(head: bytes, recording: Recording, size: int) -> Iterator[bytes]:
    yield head
    left = size - len(head)
    for block in recording.blocks():
        data = block.astype("<i2", copy=False).tobytes()[:left]
        left -= len(data)
        yield data
    while left > 0:
        silence = bytes(min(left, 1 << 16))
        left -= len(silence)
        yield silence


def main(arguments: list[str], out: BinaryIO) -> int:
    """Write it. Returns the exit status."""
    path, first, last = arguments
    try:
        with open_recording(Path(path)) as recording:
            recording.expected_s = recording.expected_s or _measured_s(Path(path))
            size = wav_size(recording)
            out.write(struct.pack(">Q", size))
            for piece in wav_bytes(recording, int(first), int(last) if last else size - 1):
                out.write(piece)
            out.flush()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever was listening has gone.
        sys.stderr.close()
    return 0


def limit_resources() -> None:
    """From now on this process has this much memory and time, and no more."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    limit_resources()
    sys.exit(main(sys.argv[1:], sys.stdout.buffer))

"""Recorded audio files, read as a stream of 8 kHz int16 blocks in bounded memory.

What libsndfile reads is read, recognised by its content and not by its name (wav, wav49, flac, ogg,
opus, mp3...); besides, Asterisk's headerless recordings, recognised by their name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array, from_float
from emocx_pbx.errors import InputError

#: Frames decoded at a time: 1.4 s at 48 kHz, half a megabyte of stereo float32.
BLOCK_FRAMES: Final = 65536
#: More channels are no call recording.
MAX_CHANNELS: Final = 8
RATES: Final = range(4000, 384_001)

#: Asterisk's headerless formats (its format_*.c): name -> libsndfile subtype, rate.
RAW_FORMATS: Final = {
    ".raw": ("PCM_16", 8000),
    ".sln": ("PCM_16", 8000),
    ".sln16": ("PCM_16", 16000),
    ".sln48": ("PCM_16", 48000),
    ".ul": ("ULAW", 8000),
    ".ulaw": ("ULAW", 8000),
    ".pcm": ("ULAW", 8000),
    ".al": ("ALAW", 8000),
    ".alaw": ("ALAW", 8000),
    ".gsm": ("GSM610", 8000),
}


@dataclass(slots=True)
class Recording:
    """An open recording; `blocks` can be read once."""

    name: str
    channels: int
    source_rate: int
    """Hz, before resampling."""
    expected_s: float
    """Length as the file's header has it."""
    truncated: bool
    """The file is shorter than its header says; known for certain after the last block."""
    _file: soundfile.SoundFile

    def blocks(self) -> Iterator[Int16Array]:
        """Blocks of shape (n, channels) at 8 kHz, n > 0, in order; together the whole recording.

        Raises:
            InputError: the file is damaged, or holds no audio at all.
        """
        resampler = soxr.ResampleStream(self.source_rate, SAMPLE_RATE, self.channels, dtype="float32")
        seen = 0
        while True:
            block = self._decode(seen)  # (n, channels)
            seen += len(block)
            last = len(block) == 0
            if last and not seen:
                raise InputError(f"{self.name}: there is no audio in it")
            if self.source_rate != SAMPLE_RATE:
                block = resampler.resample_chunk(block, last=last)  # (about n x 8000 / rate, channels)
            if len(block):
                yield from_float(block)
            if last:
                self.truncated |= seen < int(self.expected_s * self.source_rate) - self.source_rate
                return

    def _decode(self, seen: int) -> FloatArray:
        """The next frames, free of infinities that would spread through the resampler."""
        try:
            block = self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            at = seen / self.source_rate
            raise InputError(f"{self.name}: damaged after {at:.0f} s ({_reason(error)})") from error
        finite: FloatArray = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0, copy=False)
        return finite


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open a recording for streaming.

    Raises:
        InputError: the file is missing, unreadable, empty, no audio, or of an absurd rate or channel
            count; one line that says which.
    """
    try:
        size = path.stat().st_size
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    with stream:
        if size == 0:
            raise InputError(f"{path}: the file is empty")
        try:
            file = _open(path, stream)
        except (soundfile.SoundFileError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not a recording that can be read ({_reason(error)})") from error
        with file:
            if not 1 <= file.channels <= MAX_CHANNELS:
                raise InputError(f"{path}: {file.channels} channels; expected 1 to {MAX_CHANNELS}")
            if file.samplerate not in RATES:
                raise InputError(f"{path}: {file.samplerate} Hz; expected {RATES.start} to {RATES.stop - 1}")
            expected_s = file.frames / file.samplerate
            truncated = _shorter_than_promised(file.extra_info)
            yield Recording(str(path), file.channels, file.samplerate, expected_s, truncated, file)


def _open(path: Path, stream: object) -> soundfile.SoundFile:
    """Open by content: a file object keeps soundfile from trusting the name."""
    raw = RAW_FORMATS.get(path.suffix.lower())
    if raw is not None:
        subtype, rate = raw
        return soundfile.SoundFile(
            stream, samplerate=rate, channels=1, format="RAW", subtype=subtype, endian="LITTLE"
        )
    return soundfile.SoundFile(stream)


def _shorter_than_promised(log: str) -> bool:
    """Whether libsndfile corrected a WAV header that promises more than the file holds.

    A writer that could not know the length (a pipe) promises nearly 2 or 4 GB; that is no promise.
    """
    found = re.search(r"^\s*data\s*: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    return found is not None and int(found[2]) < int(found[1]) < 0x7FFF_0000


def _reason(error: Exception) -> str:
    """What libsndfile itself says, without our file object's."""
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).removeprefix("Error : ").rstrip(".")

"""Recorded audio files, read as a stream of 8 kHz int16 blocks in bounded memory.

It reads what libsndfile reads, recognised by content and not by name (wav, wav49, flac, ogg, opus, mp3...);
what PyAV reads, if that is installed (m4a, webm...); and Asterisk's headerless recordings, recognised by
name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np
import soundfile
import soxr

from emocx_pbx.audio import formats, headers
from emocx_pbx.audio.by_av import AvError, AvSource, is_installed
from emocx_pbx.audio.interleaved import is_interleaved
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array, from_float
from emocx_pbx.audio.width import Width
from emocx_pbx.errors import InputError

#: Frames decoded at a time: 1.4 s at 48 kHz, half a megabyte of stereo float32.
BLOCK_FRAMES: Final = 65536
#: With more channels it is no recording of a call.
MAX_CHANNELS: Final = 8
RATES: Final = range(4000, 384_001)
#: A header that says more than a year says nothing (a FLAC from a pipe: 2^63 samples).
_YEAR_S: Final = 366 * 86400.0
#: Where a headerless file is examined for interleaving: at this many places, this many bytes each.
_PROBES: Final = 12
_PROBE_BYTES: Final = 1 << 16


class AudioSource(Protocol):
    """What decodes a file."""

    cut: bool
    """Whether it was cut off; known at the end."""

    def read(self, frames: int) -> FloatArray:
        """Up to this many frames (n, channels), none at the end."""
        ...


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is only read forwards: soundfile seeks after each read, which fails without a length."""

    def seekable(self) -> bool:
        """No, as for a pipe."""
        return False


class _Sound:
    """libsndfile as a source."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.cut = False

    def read(self, frames: int) -> FloatArray:
        found: FloatArray = self._file.read(frames, dtype="float32", always_2d=True)
        return found


@dataclass(slots=True)
class Recording:
    """An open recording; `blocks` can be read once."""

    name: str
    channels: int
    source_rate: int
    """Hz, before resampling."""
    expected_s: float
    """Length by the file's header; 0: it doesn't say."""
    truncated: bool
    """The file is shorter than its header says; known for certain after the last block."""
    found_interleaved: bool
    """Two sides were found in a headerless file that nobody had called stereo."""
    _source: AudioSource
    width: Width = field(init=False)
    """How much of a wide file's band is used; complete after the last block."""

    def __post_init__(self) -> None:
        self.width = Width(self.source_rate)

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
                raise InputError(f"{self.name}: it contains no audio")
            self.width.hear(block)
            if self.source_rate != SAMPLE_RATE:
                block = resampler.resample_chunk(block, last=last)  # (about n x 8000 / rate, channels)
            if len(block):
                yield from_float(block)
            if last:
                self.truncated |= (
                    self._source.cut or seen < int(self.expected_s * self.source_rate) - self.source_rate
                )
                return

    def _decode(self, seen: int) -> FloatArray:
        """The next frames, free of infinities that would spread through the resampler."""
        try:
            block = self._source.read(BLOCK_FRAMES)
        except (soundfile.LibsndfileError, AvError) as error:
            at = seen / self.source_rate
            raise InputError(f"{self.name}: damaged after {at:.0f} s ({_reason(error)})") from error
        finite: FloatArray = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0, copy=False)
        return finite


@contextmanager
def open_recording(path: Path, *, interleaved: bool | None = None) -> Iterator[Recording]:
    """Open a recording for streaming.

    Args:
        path: of the file.
        interleaved: whether a headerless file holds two sides, sample by sample; None: decided by its sound.

    Raises:
        InputError: the file is missing, unreadable, empty, no audio, or has an absurd rate or channel count;
            one line that says which, with the command that helps, if there is one.
    """
    try:
        size = path.stat().st_size
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    with stream:
        if size == 0:
            raise InputError(f"{path}: the file is empty")
        raw = formats.HEADERLESS.get(formats.ending(path))
        if raw is not None:
            yield from _headerless(path, stream, size, raw, interleaved)
        elif formats.ending(path) in formats.BY_ASTERISK:
            what = formats.ending(path)
            raise InputError(f"{path}: {what} can't be read; {formats.remedy(path, extra=False)}")
        else:
            yield from _described(path, stream, size)


def _headerless(
    path: Path, stream: IO[bytes], size: int, raw: formats.Headerless, interleaved: bool | None
) -> Iterator[Recording]:
    if not raw.subtype:
        yield from _by_av(path, stream, formats.ending(path), raw.demuxer, dict(raw.options))
        return
    found = interleaved is None and raw.subtype == "PCM_16" and is_interleaved(_probes(stream, size))
    channels = 2 if raw.sample_bytes and (interleaved or found) else 1
    stream.seek(0)
    try:
        file = _Forward(
            stream, samplerate=raw.rate, channels=channels, format="RAW", subtype=raw.subtype, endian="LITTLE"
        )
    except soundfile.SoundFileError as error:
        raise _unreadable(path, error) from error
    with file:
        expected_s = file.frames / raw.rate
        yield Recording(str(path), channels, raw.rate, expected_s, False, found, _Sound(file))


def _probes(stream: IO[bytes], size: int) -> Int16Array:
    """16-bit samples from all over a headerless file, each stretch beginning at a pair of them."""
    step = max(_PROBE_BYTES, size // _PROBES // 4 * 4)
    parts = []
    for at in range(0, size, step):
        stream.seek(at)
        data = stream.read(_PROBE_BYTES)
        parts.append(np.frombuffer(data[: len(data) // 4 * 4], "<i2"))
    return np.concatenate(parts)


def _described(path: Path, stream: IO[bytes], size: int) -> Iterator[Recording]:
    """A file with a header, which is repaired where its writer left it unfinished."""
    layout = _layout(stream, size)
    whole = layout is None or not layout.repaired
    source = stream if layout is None or whole else Spliced(layout, stream)
    source.seek(0)
    file = _by_libsndfile(source)
    if isinstance(file, Exception):
        stream.seek(0)
        kind = formats.container(stream.read(64))
        if kind is None:
            raise _unreadable(path, file) from file
        source.seek(0)
        yield from _by_av(path, source, kind[0], kind[1], {})
        return
    with file:
        _sane(path, file.channels, file.samplerate)
        expected_s = file.frames / file.samplerate
        cut = layout is not None and layout.promised is not None and layout.promised > layout.length
        known = expected_s if expected_s < _YEAR_S else 0.0
        yield Recording(str(path), file.channels, file.samplerate, known, cut, False, _Sound(file))


def _by_libsndfile(source: IO[bytes] | io.RawIOBase) -> soundfile.SoundFile | Exception:
    """The open file, or why it can't be opened. A file object keeps soundfile from trusting the name."""
    try:
        return _Forward(source)
    except (soundfile.SoundFileError, ValueError, TypeError) as error:
        return error


def _layout(stream: IO[bytes], size: int) -> headers.Layout | None:
    head = stream.read(headers.HEAD_BYTES)
    end = headers.end(head, size)
    if end is None:
        return headers.layout(head, size)
    stream.seek(end)
    return headers.layout(head, size, stream.read(8))


def _by_av(
    path: Path, stream: IO[bytes] | io.RawIOBase, what: str, demuxer: str, options: dict[str, str]
) -> Iterator[Recording]:
    if not is_installed():
        raise InputError(f"{path}: {what} needs PyAV; {formats.remedy(path, extra=True)}")
    try:
        source = AvSource(stream, demuxer, options)
    except AvError as error:
        raise _unreadable(path, error) from error
    try:
        _sane(path, source.channels, source.rate)
        yield Recording(str(path), source.channels, source.rate, source.frames / source.rate, False, False,
                        source)  # fmt: skip
    finally:
        source.close()


def _unreadable(path: Path, error: Exception) -> InputError:
    why = f"not a recording that can be read ({_reason(error)})"
    return InputError(f"{path}: {why}; if a player plays it, {formats.remedy(path, extra=False)}")


def _sane(path: Path, channels: int, rate: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{path}: {channels} channels; expected 1 to {MAX_CHANNELS}")
    if rate not in RATES:
        raise InputError(f"{path}: {rate} Hz; expected {RATES.start} to {RATES.stop - 1}")


class Spliced(io.RawIOBase):
    """A file with another header before its audio, without a copy of it."""

    def __init__(self, layout: headers.Layout, stream: IO[bytes]) -> None:
        self._head, self._start, self._stream = layout.head, layout.start, stream
        self._size = len(layout.head) + layout.length
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fill the buffer, as far as the file goes."""
        wanted = min(len(buffer), max(0, self._size - self._at))
        if self._at < len(self._head):
            data = self._head[self._at : self._at + wanted]
        else:
            self._stream.seek(self._start + self._at - len(self._head))
            data = self._stream.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _reason(error: Exception) -> str:
    """What the library itself says, without our file object's name."""
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).removeprefix("Error : ").rstrip(".")

"""Recordings that libsndfile does not read, through PyAV (FFmpeg's libraries), an optional extra.

Only the demuxers that formats.py names are used, on an open file: FFmpeg's own detection would open
playlists, pictures, and other files that a file names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from emocx_pbx.audio.pcm import FloatArray

if TYPE_CHECKING:
    import av
    from av.audio.frame import AudioFrame


#: Demuxers that give the file's own length; the others guess it from the bit rate.
_TELLS_LENGTH: Final = frozenset({"mov", "matroska", "caf", "wav", "wv", "g722", "g726le", "g729"})


class AvError(Exception):
    """What FFmpeg says about a file."""


def is_installed() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("av") is not None


class AvSource:
    """The first audio stream of a file, as float32 frames."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase, demuxer: str, options: Mapping[str, str]) -> None:
        """Open it. Raises AvError when FFmpeg can't, or finds no audio."""
        import av

        av.logging.set_level(None)
        try:
            self._container = av.open(stream, mode="r", format=demuxer, options=dict(options))
        except (av.FFmpegError, ValueError) as error:
            raise AvError(_reason(error)) from None
        audio = self._container.streams.audio
        if not audio:
            self._container.close()
            raise AvError("it contains no sound")
        if audio[0].codec_context is None:
            self._container.close()
            raise AvError("no decoder knows it")
        try:
            self.rate = int(audio[0].rate or 0)
            self.channels = int(audio[0].channels or 0)
        except (av.FFmpegError, ValueError) as error:
            self._container.close()
            raise AvError(_reason(error)) from None
        length = self._container.duration if demuxer in _TELLS_LENGTH else None
        self.frames = round(length / av.time_base * self.rate) if length else 0
        """Length by the header; 0: it doesn't say."""
        self._blocks = self._decoded()
        self.cut = False
        """Whether it ended in the middle, or in something that can't be decoded; known at the end."""
        self._waiting: FloatArray = np.zeros((0, self.channels), np.float32)

    def read(self, frames: int) -> FloatArray:
        """Up to this many frames (n, channels); none at the end. Raises AvError."""
        parts, have = [self._waiting], len(self._waiting)
        while have < frames:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += len(block)
        whole = np.concatenate(parts)
        # (have, channels)
        self._waiting = whole[frames:]
        return whole[:frames]

    def close(self) -> None:
        """Release FFmpeg's memory."""
        self._container.close()

    def _decoded(self) -> Iterator[FloatArray]:
        import av

        stream = self._container.streams.audio[0]
        layout = stream.layout
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=self.rate)
        found = False
        try:
            for frame in self._container.decode(stream):
                yield from self._floats(resampler, frame)
                found = True
        except (av.FFmpegError, ValueError) as error:
            if not found:
                raise AvError(_reason(error)) from None
            self.cut = True
        try:
            yield from self._floats(resampler, None)
        except (av.FFmpegError, ValueError) as error:
            raise AvError(_reason(error)) from None

    def _floats(self, resampler: av.AudioResampler, frame: AudioFrame | None) -> Iterator[FloatArray]:
        for even in resampler.resample(frame):
            block = np.asarray(even.to_ndarray(), np.float32)
            # (channels, n)
            yield np.ascontiguousarray(block.T)


def _reason(error: Exception) -> str:
    """FFmpeg's message, without its number and the file's name."""
    return getattr(error, "strerror", None) or str(error)

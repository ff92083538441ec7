"""Recordings in a form that browsers can play: as they are, or converted to WAV by a separate process."""

from __future__ import annotations

import asyncio
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

from emocx_pbx.audio import formats, headers
from emocx_pbx.audio.formats import NATIVE

#: WAVE_FORMATs that browsers play: PCM, float, A-law, mu-law. Not GSM or ADPCM.
_PLAYED_TAGS: Final = frozenset({1, 3, 6, 7})
#: File types that need PyAV.
_NEED_AV: Final = frozenset({".amr", ".mka", ".wma"})
#: Recordings converted to WAV at a time; each occupies a core meanwhile.
AT_ONCE: Final = 2
#: Seconds for the process to begin, and for a listener to read the next piece.
_BEGIN_S: Final = 20.0
_TAKE_S: Final = 60.0
_PIECE: Final = 1 << 16


def cannot_play(path: Path) -> str | None:
    """Why a recording can't be played, with the command that helps; None if it can."""
    end, name = formats.ending(path), Path(path.name)
    if end in formats.BY_ASTERISK:
        return f"{end}: {formats.remedy(name, extra=False)}"
    raw = formats.HEADERLESS.get(end)
    if ((raw is not None and not raw.subtype) or f".{end}" in _NEED_AV) and find_spec("av") is None:
        return f"{end}: {formats.remedy(name, extra=True)}"
    return None


def plays_as_it_is(path: Path) -> bool:
    """Whether browsers play the file itself. Reads its header."""
    kind = NATIVE.get(path.suffix.lower())
    if kind != "audio/wav":
        return kind is not None
    with path.open("rb") as stream:
        head = stream.read(headers.HEAD_BYTES)
        size = path.stat().st_size
        end = headers.end(head, size)
        after = None
        if end is not None:
            stream.seek(end)
            after = stream.read(8)
    layout = headers.layout(head, size, after)
    return layout is None or (not layout.repaired and layout.tag in _PLAYED_TAGS)


class Player:
    """Answers a request with a recording."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def answer(self, request: web.Request, path: Path) -> web.StreamResponse:
        """The recording, or the requested range of it."""
        if cannot_play(path) is not None:
            raise web.HTTPUnsupportedMediaType
        own = {"Cache-Control": "private, no-store"}
        if await asyncio.to_thread(plays_as_it_is, path):
            return web.FileResponse(path, headers=own | {"Content-Type": NATIVE[path.suffix.lower()]})
        try:
            span = request.http_range
        except ValueError:
            raise web.HTTPRequestRangeNotSatisfiable from None
        async with self._turn():
            return await _turned(request, path, span, own)

    async def excerpt(self, request: web.Request, path: Path, begin_s: float, end_s: float) -> web.Response:
        """A stretch of the recording as WAV, or the requested range of that."""
        if cannot_play(path) is not None:
            raise web.HTTPUnsupportedMediaType
        async with self._turn():
            wav = await excerpt_of(path, begin_s, end_s)
        own = {"Cache-Control": "private, no-store", "Accept-Ranges": "bytes"}
        try:
            span = request.http_range
        except ValueError:
            span = slice(len(wav), None)
        first, stop = span.start or 0, len(wav) if span.stop is None else min(span.stop, len(wav))
        if not 0 <= first < stop:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{len(wav)}"})
        if span.start is None:
            return web.Response(body=wav, content_type="audio/wav", headers=own)
        own["Content-Range"] = f"bytes {first}-{stop - 1}/{len(wav)}"
        return web.Response(status=206, body=wav[first:stop], content_type="audio/wav", headers=own)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the AT_ONCE places; further requests are told to try again."""
        if self._free.locked():
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "2"})
        async with self._free:
            yield


async def excerpt_of(path: Path, begin_s: float, end_s: float) -> bytes:
    """A stretch of a recording as a whole WAV.

    Raises:
        web.HTTPUnsupportedMediaType: it can't be decoded, or ends before the stretch.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emocx_pbx.audio.excerpt", str(path), f"{begin_s:.3f}", f"{end_s:.3f}",
        stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_BEGIN_S):
            wav, _ = await process.communicate()
    except TimeoutError:
        raise web.HTTPUnsupportedMediaType from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise web.HTTPUnsupportedMediaType
    return wav


async def _turned(
    request: web.Request, path: Path, span: slice[int | None, int | None, int | None], own: dict[str, str]
) -> web.StreamResponse:
    first, stop = span.start or 0, span.stop
    if first < 0:
        # A request for the last N bytes; players ask for the beginning, whose header gives the length.
        raise web.HTTPRequestRangeNotSatisfiable
    last = "" if stop is None else str(stop - 1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emocx_pbx.audio.transcode", str(path), str(first), last,
        stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        size = await _size(process)
        end = size - 1 if stop is None else min(stop, size) - 1
        if first > end:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
        part = span.start is not None
        response = web.StreamResponse(status=206 if part else 200, headers=own | {"Accept-Ranges": "bytes"})
        response.content_type = "audio/wav"
        response.content_length = end + 1 - first
        if part:
            response.headers["Content-Range"] = f"bytes {first}-{end}/{size}"
        await response.prepare(request)
        if request.method != "HEAD":
            await _pour(process, response)
        return response
    finally:
        if process.returncode is None:
            process.kill()
        # What it had written is read, or asyncio would wait for the full pipe for ever.
        await process.communicate()


async def _size(process: Process) -> int:
    """The WAV's length, the first thing that the process sends."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_BEGIN_S):
            return int(struct.unpack(">Q", await process.stdout.readexactly(8))[0])
    except (TimeoutError, asyncio.IncompleteReadError):
        # Damaged, or of unknown length: the file exists, but no player can use it.
        raise web.HTTPUnsupportedMediaType from None


async def _pour(process: Process, response: web.StreamResponse) -> None:
    """Pass on what the process writes; a listener that stops reading is dropped."""
    assert process.stdout is not None
    while piece := await process.stdout.read(_PIECE):
        async with asyncio.timeout(_TAKE_S):
            await response.write(piece)

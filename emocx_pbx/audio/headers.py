"""Headers of WAV and AU files whose writer never came back to fill in the length; pure functions on bytes.

A recorder writes the header first and the length last. Killed in between, or writing into a pipe, it
leaves 0 or all ones; beyond 4 GB the 32-bit field wraps. libsndfile believes the field, so the header is
written anew, with the length that the file has, and the audio after it is left where it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

#: Bytes within which an unfinished header is looked for; writers' own chunks are short.
HEAD_BYTES: Final = 1 << 20
#: From here on a length is a writer's "unknown" (2 GB and 4 GB less a header), not a statement.
UNKNOWN: Final = 0x7FFF_0000
_RIFF: Final = (b"RIFF", b"RF64", b"BW64")
#: Chunks that writers put after the audio; they distinguish a true length from a wrapped one.
_CHUNKS: Final = frozenset(
    b"LIST id3  ID3  fact cue  plst labl note smpl inst bext iXML axml umid qlty mext levl link PEAK acid "
    b"strc afsp JUNK junk FLLR PAD  cart chna dbmd MD5  DISP _PMX minf elm1 regn"[i : i + 4]
    for i in range(0, 35 * 5, 5)
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file's audio lies."""

    head: bytes
    """Header to read the file by: its own, or one with the true length."""
    start: int
    """Offset of the audio's first byte in the file."""
    length: int
    """Bytes of audio that the file holds."""
    promised: int | None
    """Bytes of audio that the header states; None: it states none, or can't have meant it."""
    repaired: bool
    """Whether `head` is not the file's own."""
    tag: int
    """WAVE_FORMAT of a WAV (for WAVE_FORMAT_EXTENSIBLE the one inside), 0 for AU."""


def layout(head: bytes, size: int, after: bytes | None = None) -> Layout | None:
    """The layout of a WAV (RIFF, RF64, BW64) or AU file; None if it is neither, or not certainly one.

    Args:
        head: the file's first bytes, HEAD_BYTES at most.
        size: of the file, bytes.
        after: the 8 bytes where the header says that the audio ends; None: not asked yet (see `end`).
    """
    if head[:4] == b".snd":
        return _au(head, size)
    if head[:4] not in _RIFF or head[8:12] != b"WAVE":
        return None
    return _wav(head, size, after)


def end(head: bytes, size: int) -> int | None:
    """Offset where a WAV's header says that its audio ends, if that is inside the file."""
    found = layout(head, size)
    if found is None or found.promised is None or found.tag == 0:
        return None
    at = found.start + found.promised + (found.promised & 1)
    return at if at + 8 <= size else None


def _au(head: bytes, size: int) -> Layout | None:
    if len(head) < 24:
        return None
    start, promised = struct.unpack(">II", head[4:12])
    if not 24 <= start <= min(size, HEAD_BYTES):
        return None
    known = None if promised == 0 or promised >= UNKNOWN else promised
    length = size - start if known is None else min(known, size - start)
    new = head[:8] + struct.pack(">I", min(length, 0xFFFF_FFFF)) + head[12:start]
    return Layout(new, start, length, known, promised == 0, 0)


def _wav(head: bytes, size: int, after: bytes | None) -> Layout | None:
    large = head[:4] != b"RIFF"
    ds64: int | None = None
    fmt: bytes | None = None
    fact = b""
    at = 12
    while at + 8 <= len(head):
        name, stated = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        body = head[at + 8 : at + 8 + min(stated, HEAD_BYTES)]
        if name == b"data":
            if fmt is None or len(fmt) < 16:
                return None
            promised = ds64 if large and ds64 is not None and stated == 0xFFFF_FFFF else stated
            return _measured(head, fmt, fact, at + 8, promised, size, after)
        if name == b"ds64" and len(body) >= 16:
            ds64 = int.from_bytes(body[8:16], "little")
        elif name == b"fmt ":
            fmt = body
        elif name == b"fact":
            fact = body
        at += 8 + stated + (stated & 1)
    return None


def _measured(
    head: bytes, fmt: bytes, fact: bytes, start: int, promised: int, size: int, after: bytes | None
) -> Layout:
    there = max(0, size - start)
    tag = int.from_bytes(fmt[:2], "little")
    if tag == 0xFFFE and len(fmt) >= 26:
        tag = int.from_bytes(fmt[24:26], "little")
    # What lies behind the stated end: other chunks, or the audio that a wrapped or early length left out?
    more = there - promised >= 8 and after is not None and not _is_chunk(after, there - promised)
    unknown = promised >= UNKNOWN and promised > there
    if not more and not unknown and not (promised > there and head[:4] != b"RIFF"):
        kept = head[:4] == b"RIFF" and promised < UNKNOWN
        new = head[:start] if kept else _header(fmt, fact, min(promised, there))
        return Layout(new, start, min(promised, there), promised, not kept, tag)
    block = max(1, int.from_bytes(fmt[12:14], "little"))
    length = there - there % block
    stated = promised if promised < UNKNOWN and promised > there else None
    return Layout(_header(fmt, fact, length), start, length, stated, True, tag)


def _is_chunk(after: bytes, left: int) -> bool:
    """Whether bytes after the audio begin a chunk: one with a known name, or any that fills the file."""
    name, stated = after[:4], int.from_bytes(after[4:8], "little")
    if name in _CHUNKS:
        return True
    return name.isascii() and name.decode().isprintable() and 0 <= left - 8 - stated <= 1


def _header(fmt: bytes, fact: bytes, length: int) -> bytes:
    """A WAV header of this format and this many bytes of audio; RF64 where RIFF can't count them."""
    body = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"\0" * (len(fmt) & 1)
    if length < UNKNOWN:
        # `fact` counted the samples of a length that is not the file's; libsndfile counts by itself.
        body += b"data" + struct.pack("<I", length)
        return b"RIFF" + struct.pack("<I", 4 + len(body) + length) + b"WAVE" + body
    body += b"data\xff\xff\xff\xff"
    block = max(1, int.from_bytes(fmt[12:14], "little"))
    riff = 4 + 36 + len(body) + length
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, riff, length, length // block, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + body

"""Changes of calls on this host's disk, while the database that several hosts share is unreachable.

A file that only grows until all of it is written to the database: `EMOCXSP1`, then records of length and
CRC-32 (4 bytes each, little-endian) and a body. Each record is handed to the operating system before anything
else happens, so that it outlives this process; it reaches the disk a few seconds later, so a power cut may
lose it. A record that a crash left incomplete at the end is cut off. A file has a size limit: further changes
wait only in memory, and are counted.

A record names the term of acting for its PBX in which it was made. Once that term is over, writing is up to
another controller: the record is set aside in a second file, and this is logged.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import structlog

from emocx_pbx.calls.effects import LearnLines, Write
from emocx_pbx.store.fence import Term

log = structlog.get_logger()

MAGIC: Final = b"EMOCXSP1"
_HEAD: Final = struct.Struct("<II")
#: Bytes of the largest record: a greater length is invalid.
MAX_RECORD: Final = 16 * 1024 * 1024
#: Seconds between flushes to the disk.
SYNC_S: Final = 1.0

_KINDS: Final[dict[str, type]] = {kind.__name__: kind for kind in get_args(Write)}


@dataclass(frozen=True, slots=True)
class Spooled:
    """One change as it was kept."""

    write: Write
    term: Term | None
    """The term in which it was made; None: any controller may write it."""


class _Record(msgspec.Struct, array_like=True):
    kind: str
    term: Term | None
    write: msgspec.Raw


class Spool:
    """One spool file; everything is synchronous, and quick: a few kB per second."""

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        count: Callable[..., None] = lambda *what: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened before it is needed.

        Args:
            path: of the file.
            max_bytes: its size limit.
            count: adds one to the counter changes_unspooled.
            clock: monotonic seconds.
        """
        self.path, self._max_bytes, self._count, self._clock = path, max_bytes, count, clock
        self._file: int | None = None
        self._size = 0
        self._full = False
        self._synced_at = 0.0

    def __bool__(self) -> bool:
        """Whether it has any records."""
        return self.path.exists()

    def keep(self, records: Iterable[Spooled]) -> bool:
        """Append changes; False: not all fitted, as it is full or the disk refuses."""
        bodies = [_packed(record) for record in records]
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            for body in bodies:
                if self._size + len(body) > self._max_bytes:
                    return self._refused("it is full", len(bodies))
                self._size += os.write(self._file, body)
            self._full = False
            if self._clock() - self._synced_at >= SYNC_S:
                self.sync()
        except OSError as error:
            return self._refused(error.strerror or str(error), len(bodies))
        return True

    def sync(self) -> None:
        """Flush it to the disk."""
        if self._file is not None:
            os.fdatasync(self._file)
            self._synced_at = self._clock()

    def read(self) -> Iterator[Spooled]:
        """Its records, in order; whatever follows a torn or invalid record is ignored, and this is logged."""
        with self.path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                log.error("this is no file of kept changes", key="spool.unknown", path=str(self.path))
                return
            while head := file.read(_HEAD.size):
                at = file.tell() - len(head)
                record = _unpacked(head, file.read) if len(head) == _HEAD.size else None
                if record is None:
                    lost = self.path.stat().st_size - at
                    log.error("kept changes end in a torn one", key="spool.torn", bytes=lost)
                    return
                yield record

    def clear(self) -> None:
        """Empty it: all of it is written."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and leave it as it is."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def aside(self, records: Iterable[Spooled]) -> None:
        """Set aside for people what we may no longer write, because another controller acts."""
        beside = Spool(self.path.with_name(f"{self.path.name}.aside"), self._max_bytes, self._count)
        kept = list(records)
        if kept:
            all_of_it = beside.keep(kept)
            beside.sync()
            beside.close()
            log.error(
                "changes of calls that another controller acts for are kept aside, not written",
                key="spool.aside", path=str(beside.path), number=len(kept), all=all_of_it,
            )  # fmt: skip

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = _sound_bytes(self._file)
        os.ftruncate(self._file, self._size)
        if not self._size:
            self._size = os.write(self._file, MAGIC)

    def _refused(self, why: str, number: int) -> bool:
        for _ in range(number):
            self._count("changes_unspooled")
        if not self._full:
            self._full = True
            log.error("changes wait in memory alone", key="spool.refused", path=str(self.path), why=why)
        return False


def _packed(record: Spooled) -> bytes:
    write = record.write
    if isinstance(write, LearnLines):
        # Where one caller's voice lies is kept on no disk: the line learns this caller's answers alone.
        write = replace(write, caller=replace(write.caller, place=()))
    raw = msgspec.Raw(msgspec.msgpack.encode(write))
    body = msgspec.msgpack.encode(_Record(type(write).__name__, record.term, raw))
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _unpacked(head: bytes, read: Callable[[int], bytes]) -> Spooled | None:
    body = _body(head, read)
    if body is None:
        return None
    try:
        record = msgspec.msgpack.decode(body, type=_Record)
        write: Any = msgspec.msgpack.decode(record.write, type=_KINDS[record.kind])
    except (msgspec.MsgspecError, KeyError):
        return None
    return Spooled(write, record.term)


def _body(head: bytes, read: Callable[[int], bytes]) -> bytes | None:
    length, checksum = _HEAD.unpack(head)
    body = read(length) if length <= MAX_RECORD else b""
    return body if len(body) == length and zlib.crc32(body) == checksum else None


def _sound_bytes(file: int) -> int:
    """Length in bytes of the intact part of an open file; 0 if it is new.

    Raises:
        OSError: it is not a spool file.
    """
    with os.fdopen(os.dup(file), "rb") as again:
        again.seek(0)
        magic = again.read(len(MAGIC))
        if not MAGIC.startswith(magic):
            raise OSError("it is no file of kept changes")
        if magic != MAGIC:
            return 0
        sound = again.tell()
        while len(head := again.read(_HEAD.size)) == _HEAD.size and _body(head, again.read) is not None:
            sound = again.tell()
        return sound

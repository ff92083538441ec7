"""Gets files of weights into a folder, from the first source whose bytes have the right checksum."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from emocx_pbx.errors import InputError, PeerUnavailable
from emocx_pbx.weights.catalogue import WeightFile, WeightSet
from emocx_pbx.weights.places import checksum
from emocx_pbx.weights.sources import Source

#: File in the folder of weights that says where each came from, when, and under which licence.
ORIGINS: Final = "origins.json"
#: Bytes that must stay free on the disk, beside the file.
_SPARE: Final = 1 << 20

#: Longest part of a reason that is repeated.
_LONGEST: Final = 300

State = Literal["there", "fetched", "missing"]
#: Called with one line that says what a source could not do.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file."""

    file: WeightFile
    path: Path
    state: State
    source: str
    """Where it came from, now or earlier; empty: unknown, or missing."""


def fetch(
    sets: Sequence[WeightSet],
    folder: Path,
    sources: Sequence[Source],
    say: Say,
    now: Callable[[], float] = time.time,
) -> Iterator[Fetched]:
    """Get the files of `sets` into `folder`, one after the other; what is there and intact is left as it is.

    Where nothing is to be fetched, nothing is written: not everybody may write there.

    A file gets its name when it is complete and its checksum is right. What arrived of a download that was
    cut off stays beside it, and the next fetch continues from there.

    Raises:
        InputError: the folder can't be written, is full, or another fetch writes into it.
    """
    origins = _origins(folder)
    with contextlib.ExitStack() as held:
        alone = False
        for one in sets:
            for file in one.files:
                if not alone and _whole(folder / file.name, file):
                    yield _there(file, folder, origins)
                    continue
                if not alone:
                    held.enter_context(_alone(folder))
                    alone, origins = True, _origins(folder)
                try:
                    found = _fetched(file, folder, sources, origins, say)
                    if found.state == "fetched":
                        origins[file.name] = {
                            "sha256": file.sha256, "from": found.source, "licence": one.licence,
                            "origin": one.origin, "at": round(now()),
                        }  # fmt: skip
                        _write_origins(folder, origins)
                except OSError as error:
                    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                    why = "the disk is full" if full else error.strerror or str(error)
                    raise InputError(f"{folder / file.name}: can't be written: {why}") from None
                yield found


def _fetched(
    file: WeightFile, folder: Path, sources: Sequence[Source], origins: Mapping[str, Any], say: Say
) -> Fetched:
    target = folder / file.name
    if target.is_file():
        if _whole(target, file):
            return _there(file, folder, origins)
        say(f"{target}: damaged: fetched again")
    _make(folder, target.parent)
    part = target.with_name(f".{target.name}.part")
    there = part.stat().st_size if part.is_file() else 0
    free = shutil.disk_usage(target.parent).free
    if free < file.size - there + _SPARE:
        raise InputError(f"{target}: {free / 1e6:.0f} MB free, {(file.size - there) / 1e6:.0f} MB are needed")
    asked = [source for source in sources if source.has(file)]
    for source in asked:
        why = _taken(source, file, part)
        if why is None:
            part.chmod(0o644)
            part.replace(target)
            return Fetched(file, target, "fetched", source.name(file))
        say(f"{file.name}: {source.name(file)}: {_line(why)}")
    say(f"{file.name}: had from none of {len(asked)} sources")
    return Fetched(file, target, "missing", "")


def _whole(path: Path, file: WeightFile) -> bool:
    return path.is_file() and checksum(path) == file.sha256


def _there(file: WeightFile, folder: Path, origins: Mapping[str, Any]) -> Fetched:
    return Fetched(file, folder / file.name, "there", str(origins.get(file.name, {}).get("from", "")))


def _line(text: str) -> str:
    """One line of a text that may come from a stranger."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:_LONGEST]


def _taken(source: Source, file: WeightFile, part: Path) -> str | None:
    """Have a source write the file; None if it is the right one, else why it is not."""
    begun = part.is_file()
    try:
        source.write(file, part)
        if _right(part, file):
            return None
        part.unlink()
        if begun:
            # The part that came from elsewhere may have been of another file.
            source.write(file, part)
            if _right(part, file):
                return None
            part.unlink()
    except PeerUnavailable as error:
        return str(error)
    return "another file than the one that was tried (its checksum is another)"


def _right(part: Path, file: WeightFile) -> bool:
    if part.stat().st_size != file.size or checksum(part) != file.sha256:
        return False
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _make(folder: Path, below: Path) -> None:
    """Make the folders of a file, readable by everybody whatever the umask: another user runs the service."""
    for one in (*reversed(below.relative_to(folder).parents), below.relative_to(folder)):
        made = folder / one
        if not made.is_dir():
            made.mkdir()
            made.chmod(0o755)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder, so that two fetches don't write one file; it is made if it is not there."""
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: can't be written: {error.strerror or error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another fetch is writing into it") from None
        yield


def _origins(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / ORIGINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_origins(folder: Path, origins: Mapping[str, Any]) -> None:
    draft = folder / f".{ORIGINS}.new"
    draft.write_text(json.dumps(origins, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(folder / ORIGINS)

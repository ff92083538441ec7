"""Consistent copies of a database, made while it is in use: for backups, and before a migration."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from emocx_pbx.errors import StoreError

#: Days that copies made before a migration are kept: a customer's erasure does not reach into them.
KEPT_DAYS: Final = 14
DAY_S: Final = 86_400.0

#: The bytes that SQLite locks on a database file; every open connection in WAL mode holds some of them.
_LOCKED_FROM, _LOCKED = 0x4000_0000, 512
#: Seconds that a migrating process waits for another one: as long as the unit's start may take.
TURN_S: Final = 900.0
TURN_LOOK_S: Final = 0.1
#: Bytes left free on the disk besides the copy.
_SPARE_BYTES = 16 << 20


def schema(path: Path) -> int:
    """The number of the last migration that the database at `path` had; 0 for an empty one.

    Raises:
        StoreError: the file is missing, unreadable or not a database.
    """
    with _reading(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def snapshot(source: Path, target: Path) -> None:
    """Copy a database that others may be writing to, whole and consistent, and check the copy.

    Readers and writers of `source` go on. The copy appears under its name only when it is complete,
    and replaces a file that has this name. Two callers must not copy to one target at once: `by_turns`.

    Raises:
        StoreError: there is no room, the source is damaged, or the copy can't be written.
    """
    draft = target.with_name(target.name + ".partial")
    try:
        # The copy holds data about the same customers: readable only by the same people.
        draft.unlink(missing_ok=True)
        _room(source, target.parent)
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))
        with _reading(source) as connection:
            connection.execute("VACUUM INTO ?", (str(draft),))
        check(draft)
        like(draft, source)
        _to_disk(draft)
        draft.replace(target)
        _to_disk(target.parent)
    except sqlite3.Error as error:
        raise StoreError(f"{source}: can't be copied to {target}: {_reason(error)}") from error
    except OSError as error:
        raise StoreError(f"{target}: can't be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Read a database through and compare it with its indexes' order (SQLite's quick_check).

    Raises:
        StoreError: it is damaged; says the first fault.
    """
    with _reading(path) as connection:
        try:
            first = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            raise StoreError(f"{path}: is damaged: {error}") from error
    if first != "ok":
        raise StoreError(f"{path}: is damaged: {first}")


@contextmanager
def by_turns(path: Path, longest_s: float = TURN_S) -> Iterator[None]:
    """Keep every other process, and every other caller here, from copying or migrating this database.

    The folder is locked, since closing any descriptor of the file would end SQLite's own locks. So other
    databases in it wait as well.

    Raises:
        StoreError: another process took longer than the wait, or the folder can't be opened.
    """
    until = time.monotonic() + longest_s
    try:
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{path.parent}: can't be opened: {error.strerror or error}") from error
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() >= until:
                raise StoreError(f"another process has been migrating {path} for {longest_s:.0f} s")
            time.sleep(TURN_LOOK_S)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unused(path: Path) -> Iterator[None]:
    """Keep every other process out of a database, whatever state the database is in.

    Nothing in this process may open the database meanwhile: closing any of a file's descriptors ends
    the lock.

    Raises:
        StoreError: it is in use.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED, _LOCKED_FROM)
        except OSError:
            raise StoreError(f"{path}: is in use; stop the service first") from None
        yield
    finally:
        os.close(descriptor)


def fold(path: Path) -> None:
    """Fold the write-ahead log of an unused database into it, so that it is one file.

    A damaged one stays as it is.
    """
    if path.is_file():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=1.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def before_migration(path: Path, version: int) -> Path:
    """Path of the copy made before a database of schema `version` is migrated."""
    return path.with_name(f"{path.name}.schema-{version}")


def old_copies(path: Path, now: float) -> list[Path]:
    """Copies made before migrations of the database at `path`, older than KEPT_DAYS at `now` (Unix s)."""
    found = (p for p in path.parent.glob(f"{path.name}.schema-*") if p.suffix[8:].isdigit())
    return sorted(p for p in found if p.stat().st_mtime < now - KEPT_DAYS * DAY_S)


def like(path: Path, other: Path) -> None:
    """Give a file that root made to the owner of another one (a file or a folder)."""
    if os.geteuid() == 0:
        its = other.stat()
        os.chown(path, its.st_uid, its.st_gid)


def _room(source: Path, folder: Path) -> None:
    needed = source.stat().st_size + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"{folder}: no room for a copy of the database: needs {needed >> 20} MiB, {free >> 20} are free"
        )


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise StoreError(f"{path}: no such database")
    try:
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
            yield connection
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"{path}: can't be read or copied: {_reason(error)}") from error
        raise StoreError(f"{path}: is damaged or no database: {_reason(error)}") from error


def _reason(error: sqlite3.Error) -> str:
    """SQLite's message with the name of its error code: "disk I/O error" alone covers many cases."""
    name = getattr(error, "sqlite_errorname", "")
    return f"{error} ({name})" if name else str(error)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

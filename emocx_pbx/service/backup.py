"""Everything that a service knows, saved to one file and restored: database, policy, the site's own models.

The file is a plain tar archive, `manifest.json` first (MANIFEST's fields), then the files that it lists with
their SHA-256. The settings file is included in case the machine is lost, but is never restored: the settings
decide where a backup is restored to. Not included: TLS keys, recordings, and the models that come with the
program.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import msgspec

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import InputError, ModelError, StoreError
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.migrate import migrations
from emocx_pbx.store.snapshot import check, fold, like, schema, snapshot, unused

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DATABASE, POLICY, RUBRIC, MODELS = "emocx.db", "policy.toml", "rubric.toml", "models"
SETTINGS: Final = "emocx.toml"
_BLOCK = 1 << 20
#: Longest manifest in bytes; a real one lists a few dozen files.
_MANIFEST_LIMIT = 4 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int
    program: str
    """Version of the program that wrote it."""
    schema: int
    made_at: float
    """Unix seconds."""
    models: tuple[str, ...]
    """Models in use, as `kind name/version`, including those that come with the program."""
    sha256: dict[str, str]
    """Checksum of each file, by its path in the archive."""


def back_up(settings: Settings, target: Path, *, program: str, now: float) -> Manifest:
    """Write a backup of a service, which may be running, then read it back and compare.

    Raises:
        InputError: `target` exists already, or can't be written.
        StoreError: the database is missing or damaged, or there is no room.
    """
    _only_a_file(settings)
    if target.exists():
        raise InputError(f"{target}: already exists; it was left as it is")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder")
    draft = target.with_name(target.name + ".partial")
    try:
        with tempfile.TemporaryDirectory(prefix=".emocx-backup-", dir=target.parent) as folder:
            database = Path(folder) / DATABASE
            snapshot(settings.store_path(), database)
            files = {DATABASE: database, **_beside(settings)}
            manifest = Manifest(
                format=FORMAT,
                program=program,
                schema=schema(database),
                made_at=now,
                models=_in_use(settings),
                sha256={name: _sum(path) for name, path in files.items()},
            )
            draft.unlink(missing_ok=True)
            with _new(draft) as out:
                _write(out, manifest, files)
                out.flush()
                os.fsync(out.fileno())
        verify(draft)
        draft.replace(target)
    except OSError as error:
        raise InputError(f"{target}: can't be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return manifest


def verify(source: Path) -> Manifest:
    """Read a backup from end to end and check it.

    Raises:
        InputError: it is not a backup, is incomplete or corrupt, or was written by a newer program.
    """
    with _opened(source) as (archive, manifest):
        for name, expected in manifest.sha256.items():
            if _summed(_member(archive, source, name)) != expected:
                raise InputError(f"{source}: {name} is not as it was written (its checksum differs)")
    return manifest


def _only_a_file(settings: Settings) -> None:
    if settings.store.url:
        raise InputError(
            "the records are in PostgreSQL: back up by pg_dump --format=custom, restore by pg_restore"
        )


def restore(settings: Settings, source: Path, *, now: float) -> tuple[Manifest, list[Path], list[str]]:
    """Replace what the settings point to by a backup; the service must not be running.

    What was there is kept beside it, as `<name>.before-restore-<time>`.

    Returns:
        The backup's manifest, the files kept, and a remark about what was not restored.

    Raises:
        InputError: the backup can't be used; nothing was changed.
        StoreError: the database is in use, or can't be written; nothing was changed.
    """
    _only_a_file(settings)
    manifest = verify(source)
    path = settings.store_path()
    suffix = f".before-restore-{datetime.fromtimestamp(now):%Y%m%dT%H%M%S}"
    kept: list[Path] = []
    words: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix=".emocx-restore-", dir=path.parent) as folder:
            # Everything is unpacked and checked before anything is touched.
            staged = _unpacked(source, Path(folder))
            check(staged[DATABASE])
            with unused(path):
                pass
            fold(path)
            with unused(path):
                _place(staged.pop(DATABASE), path, suffix, kept)
            staged.pop(SETTINGS, None)
            for name, target in ((POLICY, settings.policy_path()), (RUBRIC, settings.rubric_path())):
                if name in staged:
                    _beside_back(name, staged.pop(name), target, suffix, kept, words)
            _models_back(staged, settings.models_path(), suffix, kept, words)
    except OSError as error:
        raise StoreError(f"{path.parent}: can't be written: {error.strerror or error}") from error
    return manifest, kept, words


def _beside(settings: Settings) -> dict[str, Path]:
    """Settings, policy, rubric and own models, by their path in the archive."""
    found: dict[str, Path] = {}
    if settings.file:
        found[SETTINGS] = Path(settings.file)
    for name, path in ((POLICY, settings.policy_path()), (RUBRIC, settings.rubric_path())):
        if path is not None and path.is_file():
            found[name] = path
    own = settings.models_path()
    if own is not None:
        registry = Registry(own)
        for kind, name, version in _current(registry):
            top = own / kind / name
            pins = [p for p in (top / "current", top / "promotions.jsonl") if p.is_file()]
            weights = (p for p in sorted((top / version).rglob("*")) if p.is_file())
            found |= {f"{MODELS}/{p.relative_to(own).as_posix()}": p for p in (*pins, *weights)}
    return found


def _in_use(settings: Settings) -> tuple[str, ...]:
    return tuple(
        f"{kind} {name}/{version}" for kind, name, version in _current(Registry(settings.models_path()))
    )


def _current(registry: Registry) -> Iterator[tuple[str, str, str]]:
    for kind in ("speech", "text"):
        for name in registry.names(kind):
            with suppress(ModelError):
                yield kind, name, registry.current(kind, name)


def _write(out: BinaryIO, manifest: Manifest, files: dict[str, Path]) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest))
    with tarfile.open(fileobj=out, mode="w") as archive:
        head = tarfile.TarInfo(MANIFEST)
        head.size, head.mode, head.mtime = len(text), 0o600, int(manifest.made_at)
        archive.addfile(head, BytesIO(text))
        for name, path in files.items():
            with path.open("rb") as content:
                entry = archive.gettarinfo(arcname=name, fileobj=content)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                archive.addfile(entry, content)


@contextmanager
def _opened(source: Path) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    try:
        with tarfile.open(source, mode="r:") as archive:
            head = _member(archive, source, MANIFEST)
            manifest = msgspec.json.decode(head.read(_MANIFEST_LIMIT), type=Manifest)
            known = len(migrations())
            if manifest.format > FORMAT or manifest.schema > known:
                raise InputError(
                    f"{source}: made by a newer program ({manifest.program}, schema {manifest.schema}; "
                    f"this one knows up to {known})"
                )
            if DATABASE not in manifest.sha256:
                raise InputError(f"{source}: has no database in it")
            yield archive, manifest
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except (tarfile.TarError, msgspec.DecodeError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: is not a backup, or is incomplete: {error}") from None
    except OSError as error:
        raise InputError(f"{source}: can't be read: {error.strerror or error}") from None


def _member(archive: tarfile.TarFile, source: Path, name: str) -> BinaryIO:
    try:
        entry = archive.getmember(name)
    except KeyError:
        raise InputError(f"{source}: is not a backup, or is incomplete: {name} is missing") from None
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None:
        raise InputError(f"{source}: {name} is not a regular file")
    return content  # type: ignore[return-value]  # typeshed's IO[bytes]


def _unpacked(source: Path, folder: Path) -> dict[str, Path]:
    staged: dict[str, Path] = {}
    with _opened(source) as (archive, manifest):
        for name in manifest.sha256:
            parts = PurePosixPath(name).parts
            inside = name in {DATABASE, SETTINGS, POLICY, RUBRIC} or (
                parts[:1] == (MODELS,) and len(parts) > 3
            )
            if not inside or ".." in parts:
                raise InputError(f"{source}: {name!r} has no place in a backup")
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with _new(target) as out:
                shutil.copyfileobj(_member(archive, source, name), out, _BLOCK)
            staged[name] = target
    return staged


def _place(staged: Path, path: Path, suffix: str, kept: list[Path]) -> None:
    """Put a database in place; at no moment is it missing, or beside another database's log."""
    like(staged, path if path.exists() else path.parent)
    if path.exists():
        backup = path.with_name(path.name + suffix)
        os.link(path, backup)
        kept.append(backup)
        for tail in ("-wal", "-shm"):
            log = path.with_name(path.name + tail)
            if log.exists():
                log.replace(backup.with_name(backup.name + tail))
    staged.replace(path)


def _beside_back(
    name: str, staged: Path, target: Path | None, suffix: str, kept: list[Path], words: list[str]
) -> None:
    if target is None:
        words.append(f"{name} was not put back: the settings name none")
        return
    if target.is_file():
        if target.read_bytes() == staged.read_bytes():
            return
        backup = target.with_name(target.name + suffix)
        shutil.copy2(target, backup)
        like(backup, target)
        kept.append(backup)
    # Written into the existing file, so that its owner and permissions stay.
    fresh = not target.exists()
    shutil.copyfile(staged, target)
    if fresh:
        like(target, target.parent)


def _models_back(
    staged: dict[str, Path], own: Path | None, suffix: str, kept: list[Path], words: list[str]
) -> None:
    if not staged:
        return
    if own is None:
        words.append("models were not put back: analysis.models_dir is not set")
        return
    for name, path in staged.items():
        target = own.joinpath(*PurePosixPath(name).parts[1:])
        depth = len(PurePosixPath(name).parts) - 1
        for folder in reversed(target.parents[:depth]):
            if not folder.exists():
                folder.mkdir()
                like(folder, folder.parent)
        if target.exists() and target.read_bytes() != path.read_bytes():
            backup = target.with_name(target.name + suffix)
            target.replace(backup)
            kept.append(backup)
        shutil.copyfile(path, target)
        like(target, target.parent)


def _new(path: Path) -> BinaryIO:
    """A file that only its owner may read: it holds data about customers."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def _sum(path: Path) -> str:
    with path.open("rb") as content:
        return _summed(content)


def _summed(content: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := content.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()

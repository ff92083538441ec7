"""Models in this host's folder: packed for sending, and written on arrival, completely or not at all.

Everything here waits for the disk: call it in threads.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from emocx_pbx.analysis.cluster.model_set import CARD, LONGEST, ModelFile, ModelPackage
from emocx_pbx.emotion.card import checksum, read_card, verify
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import ModelError

#: Where files wait until all are there; no name of a version.
_INCOMING: Final = ".incoming"
#: Taken while a model is put in its place: several workers of a host share one folder.
_LOCK: Final = ".taking"


def package_of(
    registry: Registry, kind: str, name: str, version: str, note: Mapping[str, Any]
) -> ModelPackage:
    """A version of this host as it is sent: its card, and the files that serve by its card.

    Raises:
        ModelError: there is no such version, it is damaged, or nobody would take it.
    """
    found = registry.find(kind, f"{name}/{version}")
    sums = {CARD: checksum(found.path / CARD), **found.card.sha256}
    try:
        files = tuple(ModelFile(file, sha, (found.path / file).stat().st_size) for file, sha in sums.items())
        return ModelPackage(
            kind,
            name,
            version,
            files,
            at=float(note.get("at") or 0.0),
            by=str(note.get("by") or "")[:LONGEST],
            why=str(note.get("why") or "")[:LONGEST],
            rollback=bool(note.get("rollback")),
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}/{version} can't be sent: {error}") from error


def is_there(registry: Registry, package: ModelPackage) -> bool:
    """Whether exactly this version is in the folder, complete."""
    folder = registry.path / package.kind / package.name / package.version
    try:
        return all(checksum(folder / file.name) == file.sha256 for file in package.files)
    except ModelError:
        return False


def incoming(registry: Registry, package: ModelPackage, who: str) -> Path:
    """A folder for the files of a version until all are there.

    Raises:
        ModelError: it can't be made.
    """
    model = registry.path / package.kind / package.name
    folder = model / f"{_INCOMING}-{package.version}-{who}"
    try:
        model.mkdir(parents=True, exist_ok=True)
        # Else the new version, as the newest, would be in use before it is promoted.
        registry.keep_current(package.kind, package.name)
        for old in model.glob(f"{_INCOMING}-*-{who}"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{model} can't be written ({error.strerror}): copy the models, and set analysis.models_dir"
        ) from None
    return folder


def put_in_place(registry: Registry, package: ModelPackage, folder: Path) -> None:
    """Turn the received files into a version, at once and completely.

    Another version of this number, made here, is kept beside it under another name.

    Raises:
        ModelError: the files do not match their card, or the folder can't be written.
    """
    card = read_card(folder)
    if (card.kind, card.name, card.version) != (package.kind, package.name, package.version):
        raise ModelError(f"the card that came is of {card.kind} {card.title}, not of {package.title}")
    if missing := set(card.sha256) - {file.name for file in package.files}:
        raise ModelError(f"{package.title} came without {', '.join(sorted(missing))}")
    verify(folder, card)
    place = folder.parent / package.version
    with _alone(registry):
        if is_there(registry, package):  # another worker of this host was quicker
            shutil.rmtree(folder, ignore_errors=True)
            return
        try:
            if place.exists():
                aside = place.with_name(f".{package.version}-{_card_sum(place)}")
                shutil.rmtree(aside, ignore_errors=True)
                place.rename(aside)
            folder.rename(place)
        except OSError as error:
            raise ModelError(f"{place} can't be written: {error.strerror}") from None


def put_into_use(registry: Registry, package: ModelPackage) -> None:
    """Make the model's name stand for this version, noting who wanted it.

    Raises:
        ModelError: the folder can't be written.
    """
    with _alone(registry):
        if registry.current(package.kind, package.name) == package.version:
            return
        note = {"at": package.at, "by": package.by, "why": package.why}
        registry.step(
            package.kind,
            package.name,
            package.version,
            {**note, "rollback": True} if package.rollback else note,
        )


def _card_sum(place: Path) -> str:
    try:
        return checksum(place / CARD)[:12]
    except ModelError:
        return "damaged"


@contextmanager
def _alone(registry: Registry) -> Iterator[None]:
    try:
        with (registry.path / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ModelError(f"{registry.path} can't be written: {error.strerror}") from None

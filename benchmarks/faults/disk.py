"""A small disk of the database's own (a tmpfs) that can be filled up."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

from emocx_pbx.errors import SettingsError

SIZE_MIB: Final = 64


class SmallDisk:
    """A tmpfs at `folder`, taken away at the end.

    Raises:
        SettingsError: it can't be mounted (that needs root).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> SmallDisk:
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(self.folder)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
        if done.returncode:
            raise SettingsError(f"disk-full needs root, to mount a small disk: {done.stderr.strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, timeout=10, check=False)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left on it."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                for size in (1 << 20, 1 << 12):
                    _fill(file.fileno(), bytes(size))
            yield
        finally:
            filler.unlink(missing_ok=True)


def _fill(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise

"""Which models a cluster has in use, as its hosts tell each other; validated on reading. Pure.

Nothing of a model is ever executed. A host takes files by their checksums, and writes none but those named
here, into the folder of the model's own version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from emocx_pbx.wire.message import BadMessage, Message

CARD: Final = "card.json"
KINDS: Final = frozenset({"speech", "text"})
#: Bytes of a file in one message; NATS accepts 1 MiB by default.
PART: Final = 256 * 1024
#: Bytes of one file, and of all files of one model.
MOST_FILE: Final = 256 * 1024 * 1024
MOST_MODEL: Final = 320 * 1024 * 1024
MOST_FILES: Final = 64
MOST_MODELS: Final = 32
#: Characters of a reason or a name.
LONGEST: Final = 500

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION: Final = re.compile(r"[0-9]{1,9}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ModelFile(Message, frozen=True):
    """One file of a model's version."""

    name: str
    sha256: str
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            BadMessage: the file's name or checksum is invalid, or it is too long.
        """
        if not _NAME.fullmatch(self.name) or not _SHA256.fullmatch(self.sha256):
            raise BadMessage(f"no file of a model: {self.name[:100]!r}")
        if not 0 <= self.size <= MOST_FILE:
            raise BadMessage(f"{self.name}: {self.size} bytes, at most {MOST_FILE} are taken")

    @property
    def parts(self) -> int:
        """Messages that carry it."""
        return -(-self.size // PART)


class ModelPackage(Message, frozen=True):
    """One version of a model, and who put it into use."""

    kind: str
    name: str
    version: str
    files: tuple[ModelFile, ...]
    """Those that serve, and the card, which says what they are."""
    at: float = 0.0
    """Unix seconds."""
    by: str = ""
    why: str = ""
    rollback: bool = False

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            BadMessage: it is not a model, or too large.
        """
        named = self.kind in KINDS and _NAME.fullmatch(self.name) and _VERSION.fullmatch(self.version)
        if not named:
            raise BadMessage(f"no model: {self.kind[:20]} {self.name[:100]}/{self.version[:20]}")
        names = [file.name for file in self.files]
        if len(names) > MOST_FILES or len(set(names)) < len(names) or CARD not in names:
            raise BadMessage(f"{self.title}: expected up to {MOST_FILES} files, each once, and {CARD}")
        if (size := sum(file.size for file in self.files)) > MOST_MODEL:
            raise BadMessage(f"{self.title}: {size} bytes, at most {MOST_MODEL} are taken")
        if len(self.by) > LONGEST or len(self.why) > LONGEST:
            raise BadMessage(f"{self.title}: a reason of more than {LONGEST} characters")

    @property
    def title(self) -> str:
        """`name/version`."""
        return f"{self.name}/{self.version}"

    @property
    def key(self) -> str:
        """`kind/name`: what stands for one version at a time."""
        return f"{self.kind}/{self.name}"


class ModelSet(Message, frozen=True):
    """What names of models stand for in the whole cluster; for other names each host's own folder decides."""

    number: int
    """Counts up with each promotion and rollback."""
    packages: tuple[ModelPackage, ...]

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            BadMessage: a model is in it twice, or there are too many.
        """
        keys = [package.key for package in self.packages]
        if len(keys) > MOST_MODELS or len(set(keys)) < len(keys):
            raise BadMessage(f"expected up to {MOST_MODELS} models, each once")

    @property
    def digest(self) -> str:
        """The same for no other set."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()[:32]

    @property
    def versions(self) -> Mapping[str, str]:
        """By `kind/name`."""
        return {package.key: package.version for package in self.packages}

    def with_package(self, package: ModelPackage) -> ModelSet:
        """The set after this one."""
        others = tuple(other for other in self.packages if other.key != package.key)
        return ModelSet(self.number + 1, (*others, package))


NOTHING: Final = ModelSet(0, ())


class ModelsNews(Message, frozen=True):
    """Look again: the sets that are in use, or next, are others."""

    in_use: int
    """Number of the one in use."""


class ModelProgress(Message, frozen=True):
    """A worker's or controller's progress with the next set; sent twice a second until it is in use."""

    who: str
    """A worker's name, or a controller's host."""
    life: str
    """The process."""
    digest: str
    """Of the set."""
    state: Literal["taking", "ready", "failed"]
    why: str = ""
    """Why it failed."""

"""Finds models by kind, name and version, and checks that their files are whole.

Layout: `<models>/<kind>/<name>/<version>/card.json`. Versions are whole numbers counted up; a file
`<models>/<kind>/<name>/current` holding a version pins that one instead of the newest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emocx_pbx.emotion.card import CARD, Card, read_card, verify
from emocx_pbx.errors import ModelError

#: Beside `current`: one JSON line for each promotion or rollback.
_STEPS = "promotions.jsonl"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model version on disk, its checksums verified."""

    path: Path
    card: Card


def default_models_dir() -> Path:
    """The checkout's models/ beside the package, else the copy shipped inside the package."""
    checkout = _PACKAGE.parent / "models"
    return checkout if (checkout / "speech").is_dir() else _PACKAGE / "_shipped" / "models"


class Registry:
    """The models under one folder (None: the shipped ones)."""

    def __init__(self, models_dir: Path | None = None, instead: Mapping[str, str] | None = None) -> None:
        """`instead`: versions by `kind/name` that count in place of what the folder says."""
        self.path = models_dir if models_dir is not None else default_models_dir()
        self._instead = dict(instead or {})

    def find(self, kind: str, spec: str) -> ModelFolder:
        """The model `name` (pinned or newest version) or `name/version` of `kind`.

        Raises ModelError, with a one-line reason, when it is missing, damaged or of another kind.
        """
        name, _, version = spec.partition("/")
        for part in (kind, name, version or "0"):
            if not part or part.startswith(".") or "/" in part or "\\" in part:
                raise ModelError(f"{spec!r} is not a model name (expected name or name/version)")
        folder = self.path / kind / name
        if not folder.is_dir():
            raise ModelError(f"no {kind} model {name!r} in {self.path}; there are: {self._names(kind)}")
        if not version:
            version = self.current(kind, name)
        folder = folder / version
        if not (folder / CARD).is_file():
            raise ModelError(f"no version {version!r} of {kind} model {name!r} in {self.path}")
        card = read_card(folder)
        if (card.kind, card.name, card.version) != (kind, name, version):
            raise ModelError(
                f"{folder / CARD} is of {card.kind} {card.title}, not of {kind} {name}/{version}"
            )
        verify(folder, card)
        return ModelFolder(folder, card)

    def versions(self, kind: str, name: str) -> list[str]:
        """Versions of a model, oldest first; empty when there is none."""
        folder = self.path / kind / name
        if not folder.is_dir():
            return []
        found = [p.name for p in folder.iterdir() if p.name.isdigit() and (p / CARD).is_file()]
        return sorted(found, key=int)

    def names(self, kind: str) -> list[str]:
        """Names of the models of `kind` that have a version."""
        folder = self.path / kind
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if self.versions(kind, p.name))

    def current(self, kind: str, name: str) -> str:
        """The version that `name` alone stands for.

        Raises ModelError when there is none.
        """
        if (version := self._instead.get(f"{kind}/{name}")) is not None:
            return version
        pin = self.path / kind / name / "current"
        if pin.is_file():
            return pin.read_text(encoding="utf-8").strip()
        versions = self.versions(kind, name)
        if not versions:
            raise ModelError(f"{kind} model {name!r} has no version in {self.path}")
        return versions[-1]

    def pin(self, kind: str, name: str, version: str) -> None:
        """Let `name` stand for `version` from now on (an atomic rename; verified first).

        Raises ModelError when that version is missing or damaged, or the folder can't be written.
        """
        self.find(kind, f"{name}/{version}")
        self._point(kind, name, version)

    def _point(self, kind: str, name: str, version: str) -> None:
        target = self.path / kind / name / "current"
        draft = target.with_name(".current.new")
        try:
            draft.write_text(version + "\n", encoding="utf-8")
            draft.replace(target)
        except OSError as e:
            raise ModelError(f"{target}: can't be written: {e.strerror}") from None

    def keep_current(self, kind: str, name: str) -> None:
        """Pin what `name` stands for now, so that a new version waits until it is promoted."""
        if self.versions(kind, name) and not (self.path / kind / name / "current").is_file():
            self.pin(kind, name, self.current(kind, name))

    def step(self, kind: str, name: str, version: str, note: Mapping[str, Any]) -> None:
        """Pin `version`, which `find` found whole, and write the step down with `note`.

        Raises ModelError when the folder can't be written; nothing was changed then.
        """
        before, steps = self.current(kind, name), self.path / kind / name / _STEPS
        line = json.dumps({**note, "from": before, "to": version}, ensure_ascii=False)
        try:
            with steps.open("a", encoding="utf-8") as f:
                end = f.tell()
                f.write(line + "\n")
        except OSError as e:
            raise ModelError(f"{steps}: can't be written: {e.strerror}") from None
        try:
            self._point(kind, name, version)
        except ModelError:
            os.truncate(steps, end)
            raise

    def steps(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Every promotion and rollback of a model, oldest first. Raises ModelError when unreadable."""
        path = self.path / kind / name / _STEPS
        if not path.is_file():
            return []
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as e:
            raise ModelError(f"{path}: can't be read: {e}") from None

    def _names(self, kind: str) -> str:
        return ", ".join(self.names(kind)) or "none"

"""The card of a model: what it is, how it was made, how good it is and what it may be used for.

A card is the `card.json` in the model's folder. It is data only; nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import ModelError

#: File name of the card in a model's folder.
CARD: Final = "card.json"


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that serving and people need to know about one model version."""

    kind: str
    """speech or text."""
    name: str
    version: str
    labels: tuple[str, ...]
    """Order of the model's outputs."""
    threshold: float = 0.0
    """Confidence under which the answer is "uncertain" (chosen on dev)."""
    temperature: float = 1.0
    """Divisor of the logits (chosen on dev)."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the features and of the model's parts."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Checksum of each file that serves, by its name in the folder."""
    tuning: Mapping[str, str] = field(default_factory=dict)
    """Checksum of each file that only `train --base` needs; it may be elsewhere (`models fetch tuning`)."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    languages: tuple[str, ...] = ("en",)
    """Of a text model: the languages it was trained on (ISO 639-1); a text clearly in another is
    "uncertain"."""

    @property
    def title(self) -> str:
        """`name/version`, as readings carry it."""
        return f"{self.name}/{self.version}"

    def write(self, folder: Path) -> None:
        """Write card.json into the model's folder."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read the card of the model in `folder`.

    Raises ModelError when there is none, or its classes are not this project's four.
    """
    path = folder / CARD
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such card") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ModelError(f"{path}: can't be read: {e}") from None
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected an object")
    try:
        card = Card(
            kind=str(data["kind"]),
            name=str(data["name"]),
            version=str(data["version"]),
            labels=tuple(str(x) for x in data["labels"]),
            threshold=float(data.get("threshold", 0.0)),
            temperature=float(data.get("temperature", 1.0)),
            recipe=dict(data.get("recipe", {})),
            sha256={str(k): str(v) for k, v in dict(data.get("sha256", {})).items()},
            tuning={str(k): str(v) for k, v in dict(data.get("tuning", {})).items()},
            figures=dict(data.get("figures", {})),
            data=dict(data.get("data", {})),
            licence=str(data.get("licence", "")),
            languages=_languages(data.get("languages", ("en",))),
        )
    except KeyError as e:
        raise ModelError(f"{path}: {e.args[0]} is missing") from None
    except (TypeError, ValueError) as e:
        raise ModelError(f"{path}: {e}") from None
    if card.labels != tuple(str(x) for x in LABELS):
        raise ModelError(f"{path}: labels are {list(card.labels)}, expected {[str(x) for x in LABELS]}")
    if not (0.0 <= card.threshold <= 1.0 and card.temperature > 0.0):
        raise ModelError(f"{path}: threshold must be 0 to 1 and temperature over 0")
    return card


def _languages(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(x, str) for x in value):
        raise ValueError(f'languages: expected codes like ["en", "de"], got {value!r}')
    return tuple(value)


def checksum(path: Path) -> str:
    """SHA-256 of a file, as lower-case hex.

    Raises ModelError when it can't be read.
    """
    try:
        with path.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise ModelError(f"{path}: can't be read: {e.strerror}") from None


def verify(folder: Path, card: Card) -> None:
    """Compare each file that serves with the card's checksum.

    Raises ModelError naming the first file that is missing or differs.
    """
    for name, expected in card.sha256.items():
        path = folder / name
        if path.parent != folder:
            raise ModelError(f"{folder / CARD}: {name!r} is not a file of this folder")
        if checksum(path) != expected:
            raise ModelError(f"{path}: damaged: its sha256 is not the card's")

"""Texts of pages, in one place by language: `strings/en/<file>.toml`, looked up as `file.table.key`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from emocx_pbx.errors import SettingsError

FOLDER: Final = Path(__file__).parent / "strings"
LANGUAGE: Final = "en"


def t(key: str, default: str | None = None, /, **values: Any) -> str:
    """The text of a key with its {placeholders} filled.

    A text that depends on a number is a table with `one` and `other`; the number is `n`.

    Raises:
        SettingsError: there is no such text, and no default.
    """
    found = texts().get(key)
    if found is None:
        found = texts().get(f"{key}.{'one' if values.get('n') == 1 else 'other'}", default)
    if found is None:
        raise SettingsError(f"strings: {key}: no such text")
    return found.format(**values) if values else found


@cache
def texts(language: str = LANGUAGE) -> Mapping[str, str]:
    """All texts of a language by dotted key."""
    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.toml")):
        _flatten(path.stem, tomllib.loads(path.read_text(encoding="utf-8")), found)
    return found


def _flatten(prefix: str, table: Mapping[str, Any], found: dict[str, str]) -> None:
    for name, value in table.items():
        key = f"{prefix}.{name}"
        if isinstance(value, Mapping):
            _flatten(key, value, found)
        else:
            found[key] = str(value)

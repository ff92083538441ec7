"""Where tests and their helpers lie: names that are not taken for each other, and types that are checked."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent


def test_every_file_has_a_name_of_its_own() -> None:
    # pytest knows a test file by its base name alone.
    files = [*HERE.rglob("*.py"), *(ROOT / "packaging/tests").rglob("*.py")]
    names = Counter(file.name for file in files if file.name not in {"conftest.py", "__init__.py"})
    assert [name for name, number in names.items() if number > 1] == []


def test_no_file_is_excused_from_strict_types() -> None:
    mypy = tomllib.loads((HERE / "mypy.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    foreign = {"module", "ignore_missing_imports", "follow_untyped_imports"}
    assert mypy["strict"] is True
    assert [override for override in mypy["overrides"] if set(override) - foreign] == []

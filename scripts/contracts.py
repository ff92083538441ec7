"""Write the lists of pyproject.toml's import contracts from tests/test_layering.py."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_layering import HEIGHTS, PURE, dotted  # noqa: E402


def main() -> int:
    """Write them in place."""
    path = ROOT / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    text = _with(text, "layers", "layers", (" | ".join(sorted(names)) for names in reversed(HEIGHTS)))
    text = _with(text, "pure", "source_modules", sorted({dotted(name) for name in PURE}))
    path.write_text(text, encoding="utf-8")
    return 0


def _with(text: str, contract: str, key: str, values: Iterable[str]) -> str:
    lines = "".join(f'    "{value}",\n' for value in values)
    found = re.compile(rf'(\nid = "{contract}"\n(?:(?!\[\[).*\n)*?{key} = \[\n)(?:    .*\n)*(\]\n)')
    changed, count = found.subn(lambda match: match[1] + lines + match[2], text)
    assert count == 1, f"pyproject.toml: contract {contract}: {key} not found"
    return changed


if __name__ == "__main__":
    sys.exit(main())

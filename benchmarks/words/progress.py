"""A line on a terminal that says how far a benchmark has got."""

from __future__ import annotations

import sys


def progress(text: str) -> None:
    """Rewrite the line."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr)

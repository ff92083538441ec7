"""Everything that strangers can reach takes 100,000 random inputs or refuses them as it should."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.fuzz import fuzz

NUMBERS = {
    "audiosocket": 100_000, "fastagi": 100_000, "ami": 300_000, "forms": 100_000, "forwarded": 100_000,
    "cursors": 100_000, "numbers": 100_000, "messages": 100_000, "between-hosts": 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
async def test_nothing_but_the_named_errors(name: str) -> None:
    await fuzz(name, NUMBERS[name])

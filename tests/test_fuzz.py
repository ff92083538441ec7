"""Everything that strangers can reach takes 100,000 random inputs or refuses them as it should."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.fuzz.run import fuzz

NUMBERS = {
    "audiosocket": 100_000, "fastagi": 100_000, "ami": 300_000, "forms": 100_000, "forwarded": 100_000,
    "cursors": 100_000, "numbers": 100_000, "messages": 100_000, "between-hosts": 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
async def test_nothing_but_the_named_errors(name: str) -> None:
    await fuzz(name, NUMBERS[name])


def test_every_message_that_another_process_sends_is_among_them() -> None:
    root = Path(__file__).parents[1]
    tried = "".join(path.read_text("utf-8") for path in (root / "benchmarks/fuzz").glob("*.py"))
    found = {
        kind
        for path in (root / "emocx_pbx").rglob("*.py")
        for kinds in re.findall(r"msgpack\.Decoder\(([\w.| ]+)\)", path.read_text(encoding="utf-8"))
        for kind in re.findall(r"(?:\w+\.)?(\w+)", kinds)
    }
    assert {"ModelSet", "FromController", "FromScribe"} <= found
    assert {kind for kind in found if not re.search(rf"\b{kind}\b", tried)} == set()

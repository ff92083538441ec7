"""Every benchmark says what it is and takes, and begins no work for being asked."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from benchmarks.smallest import SMALLEST

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    {f"benchmarks.{path.parent.name}" for path in (ROOT / "benchmarks").glob("*/__main__.py")}
    | {
        f"benchmarks.{path.stem}"
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
)
#: At once; a benchmark is mostly imports until it knows what to do.
TOGETHER = 2


@pytest.mark.train
async def test_every_benchmark_has_help() -> None:
    """Some import what only training needs."""
    assert importlib.util.find_spec("keras") and len(MODULES) > 25
    places = asyncio.Semaphore(TOGETHER)

    async def asked(module: str) -> str:
        async with places, asyncio.timeout(120):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, "--help", cwd=ROOT, env={**os.environ, "COLUMNS": "200"},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output = (await process.communicate())[0].decode()
        return "" if process.returncode == 0 and output.startswith("usage:") else f"{module}: {output[-400:]}"

    assert [answer for answer in await asyncio.gather(*map(asked, MODULES)) if answer] == []


def test_every_benchmark_has_a_smallest_run() -> None:
    assert {f"benchmarks.{name}" for name in SMALLEST} == set(MODULES) - {"benchmarks.smallest"}

"""Every benchmark says what it is and takes, and begins no work for being asked."""

from __future__ import annotations

import importlib.util
import subprocess
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
#: In one process for all: until a benchmark knows what to do, it mostly imports the same packages.
ASKING = """
import contextlib, io, runpy, sys

modules = sys.argv[1:]
for module in modules:
    sys.argv = [module, "--help"]
    code, out = None, io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    print(module, code, out.getvalue().startswith("usage:"))
"""


@pytest.mark.train
def test_every_benchmark_has_help() -> None:
    """Some import what only training needs."""
    assert importlib.util.find_spec("keras") and len(MODULES) > 25
    asked = subprocess.run(
        [sys.executable, "-c", ASKING, *MODULES],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    )
    assert asked.stdout.splitlines() == [f"{module} 0 True" for module in MODULES]


def test_every_benchmark_has_a_smallest_run() -> None:
    assert {f"benchmarks.{name}" for name in SMALLEST} == set(MODULES) - {"benchmarks.smallest"}

"""The import contracts of pyproject.toml: kept, able to fail, and the same as test_layering's."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from test_layering import HEIGHTS, PURE, dotted

ROOT = Path(__file__).parents[1]
LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", code, "--config", str(config), "--no-cache"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_the_contracts_are_kept() -> None:
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


def test_a_broken_contract_is_told_with_its_chain(tmp_path: Path) -> None:
    wrong = tmp_path / "contracts.ini"
    wrong.write_text(
        "[importlinter]\nroot_package = emocx_pbx\n"
        "[importlinter:contract:1]\nname = upside down\ntype = forbidden\n"
        "source_modules = emocx_pbx.service\nforbidden_modules = emocx_pbx.domain\n"
    )
    done = lint(wrong)
    assert done.returncode == 1
    assert "emocx_pbx.service.controller ->" in done.stdout


def test_both_know_the_same_heights() -> None:
    layers = tuple(frozenset(line.split(" | ")) for line in CONTRACTS["layers"]["layers"])
    assert layers == tuple(frozenset(names) for names in reversed(HEIGHTS)), "run scripts/contracts.py"


def test_both_know_the_same_pure_modules() -> None:
    named = sorted(CONTRACTS["pure"]["source_modules"])
    assert named == sorted({dotted(name) for name in PURE}), "run scripts/contracts.py"

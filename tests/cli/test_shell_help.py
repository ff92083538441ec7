"""Completion and man page: made of the parser, and taken by the programs that read them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emocx_pbx.cli import COMMANDS, main, parser

SCRIPTS = Path(__file__).parents[2] / "scripts"


def command_names() -> list[str]:
    groups = parser()._subparsers
    assert groups is not None
    names = [name for action in groups._group_actions for name in action.choices or ()]
    assert len(names) >= len(COMMANDS)  # backup and restore share a module
    return names


def completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    quoted = " ".join(shlex.quote(word) for word in words)
    ask = f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
    ask += "_shtab_emocx_pbx; printf '%s\\n' \"${COMPREPLY[@]}\""
    observed = subprocess.run(["bash", "-s"], input=ask, capture_output=True, text=True, check=False)
    return observed.stdout.split()


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


def test_bash_completes_commands_and_options(script: str) -> None:
    assert completed(script, "emocx-pbx", "stat") == ["status"]
    assert completed(script, "emocx-pbx", "webhooks", "te") == ["test"]
    assert completed(script, "emocx-pbx", "status", "--j") == ["--json"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_command_is_known_to_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    observed = capsys.readouterr().out
    assert all(name in observed for name in command_names())


def test_the_man_page_knows_every_command() -> None:
    page = subprocess.run(
        [sys.executable, SCRIPTS / "man_page.py"], capture_output=True, text=True, check=True
    ).stdout
    for name in command_names():
        assert f"fI\\,{name}\\/" in page
    assert ".SH EXIT STATUS" in page


@pytest.mark.skipif(not shutil.which("man"), reason="no man here")
def test_man_shows_the_page(tmp_path: Path) -> None:
    page = subprocess.run([sys.executable, SCRIPTS / "man_page.py"], capture_output=True, check=True).stdout
    file = tmp_path / "emocx-pbx.1"
    file.write_bytes(page)
    shown = subprocess.run(["man", "--warnings", "-l", file], capture_output=True, text=True, check=True)
    assert "emocx-pbx" in shown.stdout

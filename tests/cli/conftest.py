"""A shell with settings, and one with a call to look at."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from cli.shell import CONFIG, Shell, fill


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [name for name in os.environ if name.startswith("EMOCX_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "emocx.toml"
    config.write_text(CONFIG)
    return Shell(config, capsys)


@pytest.fixture
def filled(shell: Shell) -> Shell:
    asyncio.run(fill(shell.config))
    return shell

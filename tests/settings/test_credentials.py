"""Secrets as files from systemd: like variables, under variables, and said where they can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import load


def test_a_file_is_like_the_variable_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "EMOCX_ASTERISK_SECRET").write_text("hidden\n")
    (tmp_path / "another-service's").write_bytes(b"\xff")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(None, environ).asterisk.secret == "hidden"
    assert load(None, {**environ, "EMOCX_ASTERISK_SECRET": "said"}).asterisk.secret == "said"
    assert load(None, {}).asterisk.secret == ""


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CREDENTIALS_DIRECTORY"):
        load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "nowhere")})
    (tmp_path / "EMOCX_ASTERISK_SECRT").write_text("x")
    with pytest.raises(SettingsError, match="EMOCX_ASTERISK_SECRT: unknown setting; did you mean"):
        load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

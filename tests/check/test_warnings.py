"""Settings that work and are a risk: told by `check` and at the start of `serve`."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.check.local import warnings
from emocx_pbx.settings.settings import load

TOKEN = 'api_token = "a token of 24 characters"'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[agi]\nhost = "0.0.0.0"', "agi.host listens on 0.0.0.0"),
        ('[analysis]\nbind = "0.0.0.0"', "callers' audio comes there in clear"),
        ("[http]\nopen_to_this_machine = true", "every process here may do everything"),
        (f'[http]\nhost = "0.0.0.0"\nplain_network = true\n{TOKEN}', "passwords come to 0.0.0.0 in clear"),
    ],
)
def test_a_risk_is_told_with_its_remedy(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "emocx.toml").write_text(text)
    (tmp_path / "emocx.toml").chmod(0o640)
    [found] = warnings(load(tmp_path / "emocx.toml", {}))
    assert found.level == "warn" and what in found.what and found.remedy


def test_a_file_with_secrets_is_for_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "emocx.toml"
    for text, mode, observed in ((TOKEN, 0o644, True), (TOKEN, 0o640, False), ("", 0o644, False)):
        path.write_text(f"[http]\n{text}\n")
        path.chmod(mode)
        assert bool(list(warnings(load(path, {})))) is observed

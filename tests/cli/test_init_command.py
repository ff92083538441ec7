"""`emocx-pbx init`: files of an installation, whose they are, and their secrets."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from emocx_pbx import cli
from emocx_pbx.settings.settings import WebhookSettings, load


def test_init_writes_once_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "made" / "etc"
    assert cli.main(["init", str(directory)]) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    private = 0o640 if _group_exists() else 0o600
    assert modes == {"emocx.toml": private, "policy.toml": private, "manager-emocx.conf": 0o640}
    settings = load(directory / "emocx.toml", {})
    assert settings.store_path() == directory / "emocx.db"
    assert settings.policy_path() == directory / "policy.toml"
    before = [path.read_text() for path in sorted(directory.iterdir())]
    assert cli.main(["init", str(directory)]) == 2
    assert "emocx.toml: exists already; nothing was written" in capsys.readouterr().err
    assert [path.read_text() for path in sorted(directory.iterdir())] == before


def _group_exists() -> bool:
    import grp

    return os.geteuid() == 0 and any(group.gr_name == "emocx" for group in grp.getgrall())


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_init_by_root_lets_the_service_save_its_policy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A user and group that every Linux has.
    monkeypatch.setattr("emocx_pbx.commands.init.SERVICE", "daemon")
    assert cli.main(["init", str(tmp_path / "etc")]) == 0
    found = {
        path.name: (path.owner(), path.group(), stat.S_IMODE(path.stat().st_mode))
        for path in (tmp_path / "etc", *(tmp_path / "etc").iterdir())
    }
    assert found == {
        "etc": ("root", "daemon", 0o1770),
        "emocx.toml": ("root", "daemon", 0o640),
        "policy.toml": ("daemon", "daemon", 0o640),
        "manager-emocx.conf": ("root", "daemon", 0o640),
    }
    assert " && runuser -u daemon -- " in capsys.readouterr().err


def test_init_leaves_all_or_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manager-emocx.conf").write_text("mine")
    assert cli.main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["manager-emocx.conf"]
    assert cli.main(["init", str(tmp_path / "new.toml")]) == 2
    assert "new.toml: expected a directory" in capsys.readouterr().err


def test_each_init_has_secrets_of_its_own(tmp_path: Path) -> None:
    found = set()
    for name in ("a", "b"):
        cli.main(["init", str(tmp_path / name)])
        settings = load(tmp_path / name / "emocx.toml", {})
        found |= {settings.asterisk.secret, settings.http.api_token}
        assert (
            f"\nsecret = {settings.asterisk.secret}\n" in (tmp_path / name / "manager-emocx.conf").read_text()
        )
    assert len(found) == 4 and min(map(len, found)) >= 32 and not settings.http.open_to_this_machine


def test_the_suggested_secret_is_a_right_one(tmp_path: Path) -> None:
    cli.main(["init", str(tmp_path)])
    text = (tmp_path / "emocx.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith('#secret = "whsec_'))
    secret = json.loads(line.partition(" = ")[2])
    used = tmp_path / "used.toml"
    used.write_text(f'[[webhooks]]\nname = "a"\nurl = "https://a.example"\nsecret = "{secret}"\n')
    assert load(used, {}).webhooks == (WebhookSettings(name="a", url="https://a.example", secret=secret),)

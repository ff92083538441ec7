"""`emocx-pbx users`: the way in from the console, also when nobody can log in."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from emocx_pbx import cli
from emocx_pbx.store.database import Store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    async def empty() -> None:
        await (await Store.open(tmp_path / "calls.db")).close()

    asyncio.run(empty())
    path = tmp_path / "emocx.toml"
    path.write_text('[store]\npath = "calls.db"\n[http]\npublic_url = "https://pbx.example/"\n')
    return path


def said(capsys: pytest.CaptureFixture[str], config: Path, *words: str, code: int = 0) -> str:
    assert cli.main(["users", *words, "--config", str(config)]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_a_user_is_added_with_a_link(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    observed = json.loads(
        said(capsys, config, "add", "bob", "--role", "agent", "--agent", "SIP-bob", "--json")
    )
    assert observed["link"].startswith("https://pbx.example/link/")
    assert "SIP-bob  no password yet" in said(capsys, config, "list")
    assert "there is a user Bob already" in said(capsys, config, "add", "Bob", code=2)
    assert "An agent's user needs the agent" in said(capsys, config, "add", "eve", "--role", "agent", code=2)


def test_the_first_administrators_link_only_while_there_is_nobody(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "https://pbx.example/link/" in said(capsys, config, "link")
    said(capsys, config, "add", "ann")
    assert "say whose" in said(capsys, config, "link", code=2)
    assert "/link/" in said(capsys, config, "link", "ann")
    assert "there is no user eve" in said(capsys, config, "link", "eve", code=2)


def test_a_password_from_standard_input(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, config, "add", "ann")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "10 to 200 characters" in said(capsys, config, "passwd", "ann", code=2)
    monkeypatch.setattr("sys.stdin", io.StringIO("a good long sentence\n"))
    said(capsys, config, "passwd", "ann")
    assert [user["has_password"] for user in json.loads(said(capsys, config, "list", "--json"))["users"]] == [
        True
    ]
